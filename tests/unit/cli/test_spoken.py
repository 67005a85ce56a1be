"""When the demonstration calls a repost's words right."""

from __future__ import annotations

import pytest

from sonicgen.cli.spoken import _largest_difference
from sonicgen.domain.transcript import Utterance, Word


def said(*words: tuple[str, float]) -> list[Utterance]:
    return [Utterance(0, 1, "", words=tuple(Word(text, at, at + 0.2, 1.0) for text, at in words))]


WHOLE = said(("a", 1), ("b", 2), ("a", 3), ("c", 4), ("d", 5))


def test_the_cut_is_taken_off() -> None:
    assert _largest_difference(WHOLE, said(("b", 0.5), ("a", 1.51), ("c", 2.47), ("d", 3.5)), 1.5) == pytest.approx(
        0.03
    )


def test_other_words_are_not_right() -> None:
    assert _largest_difference(WHOLE, said(("b", 0.5), ("c", 2.5)), 1.5) is None
    assert _largest_difference(WHOLE, [], 1.5) is None
