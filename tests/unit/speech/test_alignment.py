from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonicgen.domain.transcript import Utterance, Word
from sonicgen.speech.alignment import align_words
from tests.unit.speech.lines import line, utterances


def times(words: Sequence[Word]) -> list[tuple[str, float, float]]:
    return [(word.text, round(word.start_seconds, 3), round(word.end_seconds, 3)) for word in words]


def test_what_stays_keeps_its_time() -> None:
    spoken = line("we met Ada in the garden", 10.0, 16.0)
    assert times(align_words(spoken, "We met Ada, there, in the garden.")) == [
        ("We", 10.0, 11.0),
        ("met", 11.0, 12.0),
        ("Ada,", 12.0, 13.0),
        ("there,", 13.0, 13.0),
        ("in", 13.0, 14.0),
        ("the", 14.0, 15.0),
        ("garden.", 15.0, 16.0),
    ]


def test_a_spelling_takes_the_place_of_the_word() -> None:
    spoken = replace(line("we met aida in the garden", 0.0, 6.0), speaker="B")
    words = align_words(spoken, "we met Ada in the garden")
    assert times(words)[2] == ("Ada", 2.0, 3.0)
    assert words[2].confidence == 1.0
    assert words[1].confidence == 0.9


def test_one_word_for_two_and_two_for_one() -> None:
    spoken = line("it is some where else", 0.0, 5.0)
    assert times(align_words(spoken, "it is somewhere else"))[2] == ("somewhere", 2.0, 4.0)
    assert times(align_words(line("it is somewhere else", 0.0, 4.0), "it is over there else"))[2:4] == [
        ("over", 2.0, 2.444),
        ("there", 2.444, 3.0),
    ]


def test_a_line_without_words_shares_its_time() -> None:
    assert times(align_words(line("x", 1.0, 3.0, timed=False), "aa bb")) == [("aa", 1.0, 2.0), ("bb", 2.0, 3.0)]
    assert align_words(line("x y", 1.0, 3.0), "") == ()


def test_punctuation_in_a_language_without_spaces() -> None:
    words = (Word("日本", 0.0, 0.5, 1.0), Word("語", 0.5, 0.8, 1.0))
    assert times(align_words(Utterance(0.0, 1.0, "日本語", words=words), "日本語。")) == [
        ("日本", 0.0, 0.5),
        ("語。", 0.5, 0.8),
    ]


@pytest.mark.parametrize("text", ["a b c", "A, b. c!"])
def test_the_same_words_are_the_same(text: str) -> None:
    spoken = line("a b c", 0.0, 3.0)
    assert times(align_words(spoken, text)) == list(zip(text.split(), (0.0, 1.0, 2.0), (1.0, 2.0, 3.0), strict=True))


@given(utterances(), st.text(st.sampled_from("ab cdé-.日"), max_size=60))
def test_the_words_are_the_text_in_order_of_time(lines: Sequence[Utterance], text: str) -> None:
    for one in lines:
        clean = replace(one, words=tuple(line(one.text, one.start_seconds, one.end_seconds).words))
        words = align_words(clean, text)
        assert "".join("".join(word.text for word in words).split()) == "".join(text.split())
        assert all(a.end_seconds <= b.start_seconds + 1e-9 for a, b in pairwise(words))
        assert all(word.start_seconds <= word.end_seconds for word in words)
