from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sonicgen.origin.ranges import Range, subtract, total_seconds, union
from sonicgen.origin.shared import Held, SharedSegment, find_shared

EPISODE_SECONDS = 1_800.0


def intro_in(name: str, here: Range = (0.0, 30.0), there: Range = (5.0, 35.0), seconds: float = 1_800.0) -> Held[str]:
    return Held(name, name, here, there, seconds)


def test_an_intro_of_several_episodes_is_shared() -> None:
    held = [intro_in(name) for name in ("one", "two", "three", "four")]
    assert find_shared(EPISODE_SECONDS, held) == [SharedSegment(0.0, 30.0, 4)]


def test_two_others_are_a_quotation_and_its_source() -> None:
    assert find_shared(EPISODE_SECONDS, [intro_in("one"), intro_in("two")]) == []


def test_reposts_of_one_clip_are_copies_and_no_shared_material() -> None:
    whole = (0.0, 20.0)
    held = [intro_in(name, here=whole, there=whole, seconds=21.0) for name in ("one", "two", "three")]
    assert find_shared(20.0, held) == []


def test_a_clip_that_three_long_recordings_hold_is_a_copy() -> None:
    held = [intro_in(name, here=(0.0, 19.0), there=(600.0, 619.0)) for name in ("one", "two", "three")]
    assert find_shared(20.0, held) == []


def test_excerpts_of_a_recording_are_no_shared_material_of_it() -> None:
    held = [intro_in(name, here=(60.0, 80.0), there=(0.0, 20.0), seconds=20.0) for name in ("one", "two", "three")]
    assert find_shared(EPISODE_SECONDS, held) == []


def test_copies_of_one_recording_count_once() -> None:
    held = [Held("one", name, (0.0, 30.0), (0.0, 30.0), 1_800.0) for name in ("one", "copy", "copy of the copy")]
    assert find_shared(EPISODE_SECONDS, held) == []
    assert find_shared(EPISODE_SECONDS, [*held, intro_in("two"), intro_in("three")]) == [SharedSegment(0, 30, 3)]


def test_ends_that_differ_and_a_seam_make_one_segment() -> None:
    held = [
        intro_in("one", (0.2, 30.0)),
        intro_in("two", (0.0, 29.5)),
        intro_in("three", (0.4, 14.6)),
        intro_in("three", (15.2, 30.5)),
        intro_in("four", (10.0, 12.0)),
    ]
    assert find_shared(EPISODE_SECONDS, held) == [SharedSegment(0.4, 29.5, 4)]


def test_intro_and_outro_are_two_segments_and_a_moment_is_none() -> None:
    held = [
        piece
        for name in ("one", "two", "three")
        for piece in (intro_in(name), intro_in(name, (900.0, 901.0)), intro_in(name, (1_780.0, 1_800.0)))
    ]
    assert [segment.to_json() for segment in find_shared(EPISODE_SECONDS, held)] == [[0, 30, 3], [1_780, 1_800, 3]]


ranges = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda t: (float(min(t)), float(max(t)))))


@given(ranges, ranges)
def test_subtract_and_what_was_removed_make_up_the_whole(kept: list[Range], removed: list[Range]) -> None:
    left = subtract(kept, removed)
    assert left == union(left)
    assert total_seconds(left) + total_seconds(removed) == total_seconds([*kept, *removed])
