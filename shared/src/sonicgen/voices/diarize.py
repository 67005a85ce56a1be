"""Who speaks when: windows over the speech, a vector for each, groups of vectors, turns."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonicgen.voices.activity import Stretch
from sonicgen.voices.clusters import MOST_VOICES, Likeness, VoiceCount, centroids, cluster, unit
from sonicgen.voices.overlap import add_second_voices
from sonicgen.voices.samples import SAMPLE_RATE_HZ, Samples, piece
from sonicgen.voices.turn import Turn

# Takes windows of mono float32 speech at 16 kHz, all of a recording's in one call and one at a time, and returns a unit
# vector for each, close for the same voice. It may keep only a batch of windows in memory.
Embed = Callable[[Iterable[NDArray[np.float32]]], NDArray[np.float32]]

WINDOW_SECONDS = 1.5
STEP_SECONDS = 0.75
GRID_SECONDS = 0.1  # how finely turns begin and end
# A voice that is heard in fewer windows, or a smaller share of them, is taken for another one's; no more are asked for
# than MOST_SMALLEST_WINDOWS, so that who says two sentences in an hour stays.
SMALLEST_WINDOWS, SMALLEST_SHARE, MOST_SMALLEST_WINDOWS = 3, 0.03, 8
SWITCH_COST = 0.25  # how much closer (in cosine, over a grid step) another voice must be before it takes the turn
SHORTEST_TURN_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class _Window:
    stretch: int
    start_seconds: float
    end_seconds: float


def diarize(
    samples: Samples,
    speech: Sequence[Stretch],
    embed: Embed,
    likeness: Likeness,
    *,
    num_speakers: int | None = None,
    min_speakers: int | None = None,
    max_speakers: int | None = None,
    min_duration_seconds: float = 0.0,
    overlaps: Iterable[Stretch] = (),
) -> list[Turn]:
    """Return who speaks when within the stretches of speech; one voice is a possible answer.

    One voice speaks at a time, but for the `overlaps`, where two do.

    `embed` is an encoder's, or asks one, and `likeness` is that encoder's. `num_speakers` sets the number of voices,
    the other two bound it; fewer are found where there is too little speech. Turns below `min_duration_seconds` are
    left out. Memory grows by 130 kB a minute of speech.
    """
    windows = list(_windows(speech))
    if not windows:
        return []
    rows = unit(embed(_sound(samples, windows)))
    count = _voice_count(num_speakers, min_speakers, max_speakers)
    smallest = min(MOST_SMALLEST_WINDOWS, max(SMALLEST_WINDOWS, int(SMALLEST_SHARE * len(rows))))
    groups = cluster(rows, count, likeness, smallest)
    scores = rows @ centroids(rows, groups).T
    turns: list[Turn] = []
    for number, own in itertools.groupby(range(len(windows)), key=lambda index: windows[index].stretch):
        indices = list(own)
        turns += _turns(speech[number], [windows[index] for index in indices], scores[indices])
    turns = add_second_voices(turns, overlaps)
    return _numbered(turn for turn in turns if turn.end_seconds - turn.start_seconds >= min_duration_seconds)


def _voice_count(number: int | None, least: int | None, most: int | None) -> VoiceCount:
    if number is not None:
        return VoiceCount(max(1, number), max(1, number))
    least = max(1, least or 1)
    return VoiceCount(least, max(least, most or MOST_VOICES))


def _windows(speech: Sequence[Stretch]) -> Iterator[_Window]:
    for number, stretch in enumerate(speech):
        start, last = stretch.start_seconds, stretch.end_seconds - WINDOW_SECONDS
        while start < last:
            yield _Window(number, start, start + WINDOW_SECONDS)
            start += STEP_SECONDS
        yield _Window(number, max(stretch.start_seconds, last), stretch.end_seconds)


def _sound(samples: Samples, windows: Iterable[_Window]) -> Iterator[NDArray[np.float32]]:
    for window in windows:
        yield piece(samples, int(window.start_seconds * SAMPLE_RATE_HZ), int(window.end_seconds * SAMPLE_RATE_HZ))


def _turns(stretch: Stretch, windows: Sequence[_Window], scores: NDArray[np.float64]) -> Iterator[Turn]:
    """Yield one stretch's turns: each moment gets the voice that the windows around it are closest to."""
    steps = max(1, round((stretch.end_seconds - stretch.start_seconds) / GRID_SECONDS))
    times = stretch.start_seconds + (np.arange(steps) + 0.5) * GRID_SECONDS
    middles = np.array([(window.start_seconds + window.end_seconds) / 2 for window in windows])
    fine = np.column_stack([np.interp(times, middles, column) for column in scores.T])
    voices = _absorb_short(_smooth(fine))
    edges = np.concatenate(([0], np.flatnonzero(np.diff(voices)) + 1, [steps]))
    for first, last in itertools.pairwise(edges):
        start = stretch.start_seconds + first * GRID_SECONDS
        end = stretch.end_seconds if last == steps else stretch.start_seconds + last * GRID_SECONDS
        yield Turn(int(voices[first]), round(float(start), 3), round(float(end), 3))


def _smooth(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the best path over the voices when every change costs SWITCH_COST (Viterbi)."""
    steps, voices = scores.shape
    total = scores[0].copy()
    back = np.zeros((steps, voices), np.intp)
    for step in range(1, steps):
        best = int(total.argmax())
        stay = total >= total[best] - SWITCH_COST
        back[step] = np.where(stay, np.arange(voices), best)
        total = np.where(stay, total, total[best] - SWITCH_COST) + scores[step]
    path = np.empty(steps, np.intp)
    path[-1] = int(total.argmax())
    for step in range(steps - 1, 0, -1):
        path[step - 1] = back[step, path[step]]
    return path


def _absorb_short(voices: NDArray[np.intp]) -> NDArray[np.intp]:
    """Give runs that are too short for a turn to the run before them, the first to the one after."""
    shortest = round(SHORTEST_TURN_SECONDS / GRID_SECONDS)
    edges = np.concatenate(([0], np.flatnonzero(np.diff(voices)) + 1, [len(voices)]))
    voices = voices.copy()
    for first, last in itertools.pairwise(edges):
        if last - first < shortest and (first > 0 or last < len(voices)):
            voices[first:last] = voices[first - 1] if first > 0 else voices[last]
    return voices


def _numbered(turns: Iterable[Turn]) -> list[Turn]:
    order: dict[int, int] = {}
    return [Turn(order.setdefault(turn.voice, len(order)), turn.start_seconds, turn.end_seconds) for turn in turns]
