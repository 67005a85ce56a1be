from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given

from sonicgen.domain.transcript import Utterance, Word
from sonicgen.speech.timing import fill_times, locate_words, timed_pieces
from tests.unit.speech.lines import line, utterances


@given(utterances())
def test_pieces_are_the_text_and_never_run_backwards(lines: Sequence[Utterance]) -> None:
    for one in lines:
        pieces = timed_pieces(one)
        assert "".join(piece.text for piece in pieces) == " ".join(one.text.split())
        bounds = [round(one.start_seconds * 1000), round(one.end_seconds * 1000)]
        times = [bounds[0], *(t for piece in pieces for t in (piece.start_ms, piece.end_ms)), bounds[1]]
        assert all(a <= b for a, b in pairwise(times))


def test_a_word_without_a_time_lies_between_its_neighbours() -> None:
    spoken = line("one two three", 0.0, 3.0)
    for bad in ((math.nan, math.nan), (0.0, 0.0), (99.0, 99.5), (2.0, 1.0)):
        words = (spoken.words[0], replace(spoken.words[1], start_seconds=bad[0], end_seconds=bad[1]), spoken.words[2])
        pieces = timed_pieces(replace(spoken, words=words))
        assert [(p.text, p.start_ms, p.end_ms) for p in pieces] == [
            ("one ", 0, 1000),
            ("two ", 1000, 2000),
            ("three", 2000, 3000),
        ]


def test_shares_follow_the_length_of_the_words() -> None:
    assert fill_times(["a", "bbb"], [None, None], 10.0, 14.0) == [(10.0, 11.0), (11.0, 14.0)]


def test_text_that_is_not_its_words_gets_the_lines_time() -> None:
    spoken = replace(line("one two", 0.0, 2.0), text="somebody wrote this anew")
    pieces = timed_pieces(spoken)
    assert "".join(piece.text for piece in pieces) == spoken.text
    assert (pieces[0].start_ms, pieces[-1].end_ms) == (0, 2000)


def test_words_of_a_language_without_spaces_keep_their_times() -> None:
    words = (Word("日本", 0.0, 0.5, 1.0), Word("語", 0.5, 0.8, 1.0), Word("です", 1.0, 1.4, 1.0))
    pieces = timed_pieces(Utterance(0.0, 1.4, "日本語です。", words=words))
    assert [(p.text, p.start_ms, p.end_ms) for p in pieces] == [
        ("日本", 0, 500),
        ("語", 500, 800),
        ("です。", 1000, 1400),
    ]


@pytest.mark.parametrize(
    ("text", "words", "places"),
    [
        ("Yes, it is.", ["Yes,", "it", "is."], [(0, 4), (5, 7), (8, 11)]),
        ("Yes, it is.", ["Yes", "it", "is"], [(0, 3), (5, 7), (8, 10)]),
        ("Yes, it is.", ["Yes", "is"], None),
        ("Yes, it is.", ["Yes", "it"], None),
        ("cat a", ["a"], None),
        ("", [], []),
    ],
)
def test_words_are_found_in_their_text(text: str, words: list[str], places: list[tuple[int, int]] | None) -> None:
    assert locate_words(text, words) == places
