"""Clips hold one voice alone, long turns first, and never more than is wanted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonicgen.domain.transcript import Utterance
from sonicgen.domain.turn import Turn
from sonicgen.speech.clips import (
    BORDER_SECONDS,
    LONGEST_SECONDS,
    LOOKED_AT,
    SHORTEST_SECONDS,
    candidates,
    choose,
    common,
    is_same_voice,
    layout_digest,
    turns_by_label,
)


def line(start: float, end: float, speaker: str | None) -> Utterance:
    return Utterance(start, end, "x", speaker)


def test_other_voices_and_their_borders_are_left_out() -> None:
    turns = turns_by_label([line(0, 10, "A"), line(9, 12, "B"), line(12, 20, "A"), line(15, 15.5, None)])
    found = candidates(turns, "A", 60)
    assert found == [(0.0, 9 - BORDER_SECONDS), (12 + BORDER_SECONDS, 15 - BORDER_SECONDS), (15.5 + BORDER_SECONDS, 20)]
    assert candidates(turns, "B", 60) == [], "all of it lies beside or under another voice"


def test_lines_of_one_speaker_are_joined_unless_somebody_speaks_between() -> None:
    near = turns_by_label([line(0, 1.2, "A"), line(1.6, 3, "A")])
    assert candidates(near, "A", 60) == [(0, 3)]
    parted = turns_by_label([line(0, 1.2, "A"), line(1.25, 1.5, "B"), line(1.6, 3, "A")])
    assert candidates(parted, "A", 60) == []


def test_long_turns_come_first_and_a_monologue_is_spread() -> None:
    mixed = turns_by_label([line(0, 2, "A"), line(10, 18, "A"), line(30, 33, "A")])
    assert candidates(mixed, "A", 4) == [(10, 18)]
    whole = turns_by_label([line(n * 10, n * 10 + 10, "A") for n in range(60)])
    found = candidates(whole, "A", 20)
    assert sum(end - start for start, end in found) == pytest.approx(LOOKED_AT * 20)
    assert found[0][0] < 150
    assert found[-1][0] >= 300, "not all from the beginning"


def test_what_clips_are_cut_by_has_a_digest() -> None:
    turns = turns_by_label([line(0, 10, "A"), line(10, 12, "B")])
    same = turns_by_label([line(10, 12, "B"), line(0, 10, "A")])
    assert layout_digest(turns, 30) == layout_digest(same, 30)
    other = turns_by_label([line(0, 10, "B"), line(10, 12, "A")])
    assert len({layout_digest(turns, 30), layout_digest(turns, 31), layout_digest(other, 30)}) == 3


def test_the_same_voice_is_known_by_when_it_speaks() -> None:
    before = [Turn(0, 10, "A"), Turn(20, 30, "A")]
    assert is_same_voice(before, [(0, 9), (20, 30)])
    assert not is_same_voice(before, [(10, 20)])
    assert not is_same_voice(before, [(0, 100)])
    assert not is_same_voice([], [])


_TIMES = st.floats(0, 200).map(lambda seconds: round(seconds, 2))
_LINES = st.lists(
    st.builds(lambda a, b, who: line(min(a, b), max(a, b), who), _TIMES, _TIMES, st.sampled_from(["A", "B", None])),
    min_size=1, max_size=20,
)  # fmt: skip


@given(_LINES, st.floats(3, 60))
def test_no_candidate_touches_another_voice(lines: list[Utterance], most_seconds: float) -> None:
    turns = turns_by_label(lines)
    if "A" not in turns:
        return
    found = candidates(turns, "A", most_seconds)
    assert found == sorted(found)
    assert sum(end - start for start, end in found) <= LOOKED_AT * most_seconds + 1e-6
    for start, end in found:
        assert SHORTEST_SECONDS - 1e-6 <= end - start <= LONGEST_SECONDS + 1e-6
        for other in (turns.get("B", []), turns.get(None, [])):
            assert not common(
                [(start, end)], [(a - BORDER_SECONDS + 1e-6, b + BORDER_SECONDS - 1e-6) for a, b in other]
            )


@given(st.lists(st.tuples(_TIMES, _TIMES)), st.floats(3, 60))
def test_never_more_is_chosen_than_wanted(spans: list[tuple[float, float]], most_seconds: float) -> None:
    chosen = choose([(min(pair), max(pair)) for pair in spans], most_seconds)
    assert sum(end - start for start, end in chosen) <= most_seconds + 1e-6
    assert all(end - start >= SHORTEST_SECONDS - 1e-6 for start, end in chosen)
