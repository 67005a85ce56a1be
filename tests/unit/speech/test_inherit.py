"""Words taken over: whose, when, by whom."""

from __future__ import annotations

from uuid import UUID

import pytest

from sonicgen.domain.transcript import TranscriptSource, Utterance, Word
from sonicgen.speech.inherit import EDGE_SECONDS, choose_sources, inherit

ONE, TWO = UUID(int=1), UUID(int=2)


def said(start: float, count: int = 3, speaker: str | None = "A") -> Utterance:
    words = tuple(Word(f"w{start + n:g}", start + n + 0.2, start + n + 0.7, 0.9, speaker) for n in range(count))
    return Utterance(words[0].start_seconds, words[-1].end_seconds, "As they stand.", speaker, 0.8, words)


def source(start: float, end: float, at: float, speed: float = 1.0, whose: UUID = ONE) -> TranscriptSource:
    return TranscriptSource(whose, start, end, at, at + (end - start) * speed, speed)


@pytest.mark.parametrize("speed", [0.8, 1.0, 1.25])
def test_times_are_shifted_and_scaled(speed: float) -> None:
    (line,) = inherit([said(30)], source(5, 45, 20, speed))
    assert line.text == "As they stand.", "a whole line keeps its text"
    assert [word.start_seconds for word in line.words] == pytest.approx([5 + (30.2 + n - 20) / speed for n in range(3)])
    assert line.end_seconds == pytest.approx(5 + (32.7 - 20) / speed)
    assert (line.inherited_from, line.id) == (ONE, None)


def test_a_line_across_the_border_is_cut_at_a_word() -> None:
    before, within, after = said(10, 4), said(15, 2), said(18, 4)
    got = inherit([before, within, after], source(100, 108, 12))
    assert [line.text for line in got] == ["w12 w13", "As they stand.", "w18 w19"]
    assert got[0].start_seconds == pytest.approx(100.2)
    assert got[2].end_seconds == pytest.approx(107.7)
    assert got[0].confidence == pytest.approx(0.9)


def test_a_word_belongs_where_its_middle_is_and_never_reaches_out() -> None:
    line = Utterance(0, 2, "a b", "A", 0.5, (Word("a", 0.0, 1.1, 0.5, "A"), Word("b", 1.1, 2.0, 0.5, "A")))
    (first,) = inherit([line], source(0, 1, 0))
    assert [(word.text, word.end_seconds) for word in first.words] == [("a", 1.0)]
    (second,) = inherit([line], source(1, 2, 1))
    (word,) = second.words
    assert word.text == "b"
    assert word.start_seconds == pytest.approx(1.1)


def test_no_word_is_taken_twice_or_lost_between_two_stretches() -> None:
    lines = [said(start) for start in range(0, 30, 3)]
    for border in (7.0, 10.45, 14.9):
        got = [
            word.text
            for part in (source(0, border, 0), source(border, 30, border))
            for line in inherit(lines, part)
            for word in line.words
        ]
        assert got == [word.text for line in lines for word in line.words]


def test_a_line_without_words_is_taken_by_its_middle() -> None:
    line = Utterance(4, 6, "Hm.", None)
    assert [each.text for each in inherit([line], source(0, 10, 0))] == ["Hm."]
    assert inherit([line], source(0, 5, 0)) == []


def test_labels_are_kept_for_one_source_and_prefixed_for_several() -> None:
    alone = choose_sources([source(0, 30, 10)], 30, [])
    assert [each.label_prefix for each in alone] == [""]
    both = choose_sources([source(20, 30, 0, whose=TWO), source(0, 20, 10), source(30, 40, 50)], 40, [])
    assert [(each.source_id, each.label_prefix) for each in both] == [(ONE, "1-"), (TWO, "2-"), (ONE, "1-")]
    beside_own = choose_sources([source(0, 20, 10)], 40, [(20, 40)])
    assert [each.label_prefix for each in beside_own] == ["1-"]
    (line,) = inherit([said(12)], beside_own[0])
    assert {line.speaker, *(word.speaker for word in line.words)} == {"1-A"}
    (unknown,) = inherit([said(12, speaker=None)], beside_own[0])
    assert unknown.speaker is None


def test_what_is_preferred_covers_first() -> None:
    chosen = choose_sources([source(10, 20, 110), source(0, 30, 500, speed=1.1, whose=TWO)], 30, [])
    assert [(each.source_id, each.start_seconds, each.end_seconds) for each in chosen] == [
        (TWO, 0, 10),
        (ONE, 10, 20),
        (TWO, 20, 30),
    ]
    assert chosen[2].source_start_seconds == pytest.approx(522.0)


def test_edges_reach_out_to_what_nothing_covers() -> None:
    (wide,) = choose_sources([source(0.4, 29.5, 10.4)], 30, [])
    assert (wide.start_seconds, wide.end_seconds) == (0.0, 30.0)
    assert (wide.source_start_seconds, wide.source_end_seconds) == pytest.approx((10.0, 40.0))
    (far,) = choose_sources([source(3, 25, 10)], 30, [])
    assert (far.start_seconds, far.end_seconds) == (3 - EDGE_SECONDS, 25 + EDGE_SECONDS)
    (first,) = choose_sources([source(3, 25, 0.1)], 30, [])
    assert first.source_start_seconds == pytest.approx(0.0), "nothing comes before the source's beginning"
    (walled,) = choose_sources([source(3, 20, 10)], 40, [(20, 40)])
    assert walled.end_seconds == 20, "what is transcribed is not inherited too"
    left, right = choose_sources([source(0, 10, 10), source(10.8, 20, 50, whose=TWO)], 20, [])
    assert left.end_seconds == right.start_seconds == pytest.approx(10.4)
