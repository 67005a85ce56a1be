"""From the submitted sound back to the recording."""

from __future__ import annotations

import pytest

from sonicgen.domain.transcript import Part, Utterance, Word
from sonicgen.speech.parts import GAP_SECONDS, lay_out, restore, submitted_seconds

PARTS = lay_out([(10.0, 20.0), (50.0, 56.0), (90.0, 91.0)])


def test_stretches_follow_each_other_with_a_gap() -> None:
    assert list(PARTS) == [
        Part(0.0, 10.0, 10.0),
        Part(10.0 + GAP_SECONDS, 50.0, 6.0),
        Part(16.0 + 2 * GAP_SECONDS, 90.0, 1.0),
    ]
    assert submitted_seconds(PARTS) == 17.0 + 2 * GAP_SECONDS
    assert (lay_out([]), submitted_seconds(())) == ((), 0.0)


@pytest.mark.parametrize(
    ("submitted", "wanted"),
    [
        ((0.0, 0.5), (10.0, 10.5)),
        ((9.5, 10.0), (19.5, 20.0)),
        ((10.5, 11.0), (50.0, 50.5)),
        ((17.0, 18.0), (90.0, 91.0)),
        ((9.8, 10.3), (19.8, 20.0)),
        ((10.3, 10.9), (50.0, 50.4)),
        ((17.9, 19.0), (90.9, 91.0)),
    ],
)
def test_a_word_goes_back_to_where_it_was_said(submitted: tuple[float, float], wanted: tuple[float, float]) -> None:
    line = Utterance(*submitted, "w", "A", 0.9, (Word("w", *submitted, 0.9, "A"),))
    (back,) = restore([line], PARTS)
    (word,) = back.words
    assert (word.start_seconds, word.end_seconds) == pytest.approx(wanted)
    assert (back.start_seconds, back.end_seconds) == pytest.approx(wanted)
    (bare,) = restore([Utterance(*submitted, "w")], PARTS)
    assert (bare.start_seconds, bare.end_seconds) == pytest.approx(wanted)


def test_a_line_across_stretches_is_a_line_in_each() -> None:
    words = tuple(Word(f"w{at:g}", at, at + 0.4, share, "A") for at, share in ((9.0, 0.5), (9.5, 0.7), (11.0, 0.9)))
    first, second = restore([Utterance(9.0, 11.4, "W9, w9.5: w11!", "A", 0.7, words)], PARTS)
    assert (first.text, second.text, second.speaker) == ("w9 w9.5", "w11", "A")
    assert (first.end_seconds, first.confidence, second.start_seconds) == pytest.approx((19.9, 0.6, 50.5))


def test_a_line_in_one_stretch_keeps_its_text() -> None:
    (line,) = restore([Utterance(1, 2, "W, w!", "A", 0.7, (Word("w", 1, 1.5, 1), Word("w", 1.5, 2, 1)))], PARTS)
    assert (line.text, line.confidence) == ("W, w!", 0.7)
