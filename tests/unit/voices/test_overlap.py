"""Who the second voice is where two speak at once."""

from __future__ import annotations

import time

from sonicgen.voices.activity import Stretch
from sonicgen.voices.overlap import NEIGHBOUR_SECONDS, add_second_voices
from sonicgen.voices.turn import Turn


def test_at_a_change_both_speak() -> None:
    turns = [Turn(0, 0.0, 5.0), Turn(1, 5.0, 9.0)]
    assert add_second_voices(turns, [Stretch(4.5, 5.4)]) == [Turn(0, 0.0, 5.4), Turn(1, 4.5, 9.0)]


def test_within_a_turn_it_is_the_nearest_other() -> None:
    turns = [Turn(2, 0.0, 1.0), Turn(0, 1.0, 9.0), Turn(1, 9.0, 12.0)]
    added = add_second_voices(turns, [Stretch(7.0, 8.0)])
    assert added == [Turn(2, 0.0, 1.0), Turn(0, 1.0, 9.0), Turn(1, 7.0, 8.0), Turn(1, 9.0, 12.0)]
    assert Turn(2, 2.0, 3.0) in add_second_voices(turns, [Stretch(2.0, 3.0)])


def test_nobody_is_made_up() -> None:
    alone = [Turn(0, 0.0, 9.0)]
    assert add_second_voices(alone, [Stretch(2.0, 3.0)]) == alone
    far = [Turn(0, 0.0, 9.0), Turn(1, 9.0 + 2 * NEIGHBOUR_SECONDS, 99.0)]
    assert add_second_voices(far, [Stretch(2.0, 3.0)]) == far
    assert add_second_voices(far, [Stretch(10.0, 11.0)]) == far, "where nobody has a turn nobody gets one"
    assert add_second_voices([], [Stretch(2.0, 3.0)]) == []
    assert add_second_voices(far, []) == far


def test_of_three_the_two_that_speak_most() -> None:
    turns = [Turn(0, 0.0, 2.0), Turn(1, 2.0, 2.1), Turn(2, 2.1, 5.0)]
    added = add_second_voices(turns, [Stretch(1.5, 3.0)])
    assert added == [Turn(0, 0.0, 3.0), Turn(2, 1.5, 5.0), Turn(1, 2.0, 2.1)]


def test_hours_take_no_time() -> None:
    turns = [Turn(number % 5, 3.0 * number, 3.0 * number + 3) for number in range(4_000)]
    overlaps = [Stretch(3.0 * number - 0.2, 3.0 * number + 0.2) for number in range(1, 4_000)]
    started = time.process_time()
    added = add_second_voices(turns, overlaps)
    assert time.process_time() - started < 5
    assert len(added) == 4_000
    assert sum(turn.end_seconds - turn.start_seconds for turn in added) > 12_000 + 0.39 * 3_999
