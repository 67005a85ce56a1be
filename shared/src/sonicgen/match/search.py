"""All matches of a fingerprint in an index, with their ranges on both sides."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from sonicgen.domain.match import Decision, Match
from sonicgen.match import chance, warp
from sonicgen.match.collect import finish_matches
from sonicgen.match.index import Candidate, Index
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.ranges import Span, trace
from sonicgen.match.reference import ReferencePeaks
from sonicgen.match.verify import FEWEST_INSIDE, Alignment, verify
from sonicgen.sound.fingerprint import Fingerprint, Fingerprinter
from sonicgen.sound.fingerprint import warm_up as warm_up_sound
from sonicgen.sound.peaks import Peaks
from sonicgen.sound.spectrum import FRAMES_PER_SECOND, SAMPLE_RATE_HZ

WHOLE_SECONDS = 30.0  # up to this a query is first asked for as a whole
WINDOW_SECONDS = 12.0  # long enough for a damaged window to be found, short enough to find a clip of a few seconds
HOP_SECONDS = 6.0
SHORTEST_SECONDS = 2.0  # a remainder shorter than this is not asked for by itself
CANDIDATES_PER_WARP = 12
CANDIDATES_VERIFIED = 36
FEWEST_VOTES = 2
MOST_KNOWN = 4
EXPLAINED_FRAMES = 16.0  # votes this near (0.4 s) to a match that is known are for that match,
GUESSED_TEMPO_APART, FITTED_TEMPO_APART = 0.012, 0.006  # when they are for its tempo too
# In a long query not every window is asked for in every way: a copy that is sped up is so throughout, and one window
# in which it shows is enough, the rest follows by tracing it.
DENSE_EVERY, WARPED_EVERY, WIDE_EVERY = 2, 4, 16


@dataclass(frozen=True, slots=True)
class _Window:
    """The query peaks first <= i < last, and how to search them."""

    first: int
    last: int
    stages: tuple[warp.Stage, ...]


class _Search:
    """One query against one index."""

    def __init__(self, fingerprint: Fingerprint, index: Index, rate: float, exclude: Collection[int]) -> None:
        self._query = fingerprint.peaks
        self._end = int(self._query.frames[-1]) + 1 if len(self._query) else 0
        self._index = index
        self._rate = rate
        self._exclude = frozenset(exclude)
        self._places = max(1.0, index.indexed_seconds() * FRAMES_PER_SECOND)
        self._references: dict[int, ReferencePeaks] = {}
        self._known: list[warp.Warp] = []  # warps under which something was found
        self._windows = 0
        self.found: list[tuple[Span, float]] = []

    def run(self) -> None:
        """Search the whole, then what is left of it, window by window."""
        for window in self._plan():
            self._windows += 1
            self._search_window(window)

    def _plan(self) -> Iterator[_Window]:
        """Yield windows one by one; what each finds decides which are left."""
        every = (warp.QUICK, warp.DENSE, warp.WARPED, warp.WIDE)
        is_short = self._end <= WHOLE_SECONDS * FRAMES_PER_SECOND
        if is_short:
            yield self._window(0, self._end, every)
        position = 0
        number = 0
        while (gap := self._next_gap(position)) is not None:
            start, end = gap
            stop = min(end, start + round(WINDOW_SECONDS * FRAMES_PER_SECOND))
            if not is_short or (start, stop) != (0, self._end):
                yield self._window(start, stop, every if is_short and self.found else self._stages(number))
                number += 1
            if self._next_gap(position) == gap:  # nothing new: go on; otherwise look again at what is left here
                position = start + round(HOP_SECONDS * FRAMES_PER_SECOND) if stop < end else end

    def _window(self, start: int, stop: int, stages: tuple[warp.Stage, ...]) -> _Window:
        first, last = np.searchsorted(self._query.frames, [start, stop])
        return _Window(int(first), int(last), stages)

    def _stages(self, number: int) -> tuple[warp.Stage, ...]:
        stages = [warp.QUICK]
        if number % DENSE_EVERY == 0:
            stages.append(warp.DENSE)
        if number % WARPED_EVERY == 0:
            stages.append(warp.WARPED)
        if number % WIDE_EVERY == 0:
            stages.append(warp.WIDE)
        return tuple(stages)

    def _next_gap(self, position: int) -> tuple[int, int] | None:
        """Return the next stretch of the query (frames) at or after `position` that no match covers."""
        shortest = SHORTEST_SECONDS * FRAMES_PER_SECOND
        spans = sorted((span.first_frame, span.last_frame) for span, expected in self.found if self._is_sure(expected))
        for first, last in [*spans, (self._end, self._end)]:
            if first - position >= shortest:
                return position, first
            position = max(position, last + 1)
        return None

    def _is_sure(self, expected: float) -> bool:
        return chance.decide(expected, self._rate) is Decision.MATCH

    def _search_window(self, window: _Window) -> None:
        if window.last - window.first < FEWEST_INSIDE:
            return
        start = int(self._query.frames[window.first])
        peaks = Peaks(
            self._query.frames[window.first : window.last] - np.int32(start),
            self._query.pitches[window.first : window.last],
            self._query.strengths[window.first : window.last],
        )
        for stage in window.stages:
            known = len(self._known)
            warps = [*stage.warps, *(self._known if stage is warp.DENSE else [])]
            if not self._search_stage(window, peaks, start, stage, warps):
                continue
            if len(self._known) > known:  # with the exact warp the true place stands out among its likenesses
                self._search_stage(window, peaks, start, stage, self._known[known:])
            return

    def _search_stage(
        self, window: _Window, peaks: Peaks, start: int, stage: warp.Stage, warps: list[warp.Warp]
    ) -> bool:
        """Return whether a sure match was found."""
        trials = self._places * (stage.tried + len(self._known)) * self._windows
        sure = False
        for guess, candidate in self._candidates(peaks, stage, warps):
            if sure and candidate.votes <= FEWEST_VOTES:
                break
            rough = Alignment(candidate.recording, guess.tempo, candidate.delta_frames, 0.0).moved(start)
            if self._is_explained(window, rough, GUESSED_TEMPO_APART):
                continue
            reference = self._reference(candidate.recording)
            found = verify(peaks, reference, candidate.recording, candidate.delta_frames, guess, trials)
            if found is None or chance.decide(found.log10_chance, self._rate) is None:
                continue
            found = found.moved(start)
            if not self._is_explained(window, found, FITTED_TEMPO_APART):
                sure |= self._follow(window, found, reference)
        return sure

    def _candidates(self, peaks: Peaks, stage: warp.Stage, warps: list[warp.Warp]) -> list[tuple[warp.Warp, Candidate]]:
        found = []
        for guess in warps:
            keys, frames = warp.landmarks(peaks, guess, stage)
            for candidate in self._index.candidates(keys, frames, CANDIDATES_PER_WARP + len(self._exclude)):
                if candidate.recording not in self._exclude:
                    found.append((guess, candidate))
        found.sort(key=lambda item: -item[1].votes)
        return found[:CANDIDATES_VERIFIED]

    def _reference(self, recording: int) -> ReferencePeaks:
        return self._references.setdefault(recording, ReferencePeaks(self._index, recording))

    def _is_explained(self, window: _Window, alignment: Alignment, tempo_apart: float) -> bool:
        """Return whether an alignment (whole query's frames) lies on the line of a match that was already found."""
        first, last = self._query.frames[window.first], self._query.frames[window.last - 1]
        middle = (int(first) + int(last)) / 2
        for span, _ in self.found:
            line = span.line_at(middle)
            if (
                span.alignment.recording == alignment.recording
                and abs(line.tempo - alignment.tempo) <= tempo_apart
                and abs(line.at(middle) - alignment.at(middle)) <= EXPLAINED_FRAMES
            ):
                return True
        return False

    def _follow(self, window: _Window, alignment: Alignment, reference: ReferencePeaks) -> bool:
        """Trace an alignment to its full range and keep it; return whether it is sure."""
        span = trace(self._query, reference, alignment, window.first, window.last)
        if span is None:
            return False
        beyond = chance.log10_tail(span.matched_outside, span.inside_outside, max(alignment.chance_rate, 0.02))
        ends = math.log10(1 + span.inside_outside)  # the end was chosen among as many places
        expected = alignment.log10_chance + min(0.0, beyond + ends)
        self.found.append((span, expected))
        if not self._is_sure(expected):
            return False
        # Sustained notes hide a change of tempo, never of pitch: where pitch is off, tempo is likely off by as much.
        for used in (warp.Warp(alignment.tempo, alignment.pitch), warp.Warp(alignment.pitch, alignment.pitch)):
            known = [*warp.UNCHANGED, *self._known]
            if len(known) <= MOST_KNOWN and not any(_is_close(used, other) for other in known):
                self._known.append(used)
        return True


def _is_close(one: warp.Warp, other: warp.Warp) -> bool:
    return abs(one.tempo - other.tempo) < 0.01 and abs(math.log(one.pitch / other.pitch)) < 0.01


def find_matches(
    fingerprint: Fingerprint,
    index: Index,
    *,
    false_positive_rate: float = chance.DEFAULT_FALSE_POSITIVE_RATE,
    exclude: Collection[int] = (),
) -> list[Match]:
    """Return all matches of a fingerprint, the best first, each with its range in the query and in the reference.

    Sure ones (`Decision.MATCH`) are wrong in at most `false_positive_rate` of all queries; at most three unsure ones
    follow. Recordings in `exclude` are never returned (a recording's own number, when it is in the index already).
    """
    if not 0.0 < false_positive_rate < 1.0:
        raise ValueError("The false-positive rate must lie between 0 and 1.")
    search = _Search(fingerprint, index, false_positive_rate, exclude)
    search.run()
    return finish_matches(search.found, fingerprint.seconds, false_positive_rate)


def warm_up() -> None:
    """Load (the first time: compile) everything that fingerprinting and matching run, so that nobody waits for it."""
    warm_up_sound()
    maker = Fingerprinter()
    maker.feed(np.random.default_rng(0).standard_normal(6 * SAMPLE_RATE_HZ).astype(np.float32))
    made = maker.finish()
    index = MemoryIndex()
    index.add(0, made)
    find_matches(made, index)
