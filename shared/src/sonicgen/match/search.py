"""All matches of a fingerprint in an index, with their ranges on both sides."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from sonicgen.domain.match import Decision, Match
from sonicgen.match import chance, plan, warp
from sonicgen.match.ask import FEWEST_VOTES, Asker, Guesses
from sonicgen.match.blocks import warm_up as warm_up_blocks
from sonicgen.match.collect import finish_matches, is_other_copy
from sonicgen.match.copies import best_copy
from sonicgen.match.index import Candidate, Index
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.pairing import CLOSE_FRAMES, NEAR_FRAMES
from sonicgen.match.ranges import Span, trace
from sonicgen.match.reference import ReferencePeaks, fetch_in_advance
from sonicgen.match.verify import FEWEST_INSIDE, Alignment, frames_under, verify
from sonicgen.sound.fingerprint import Fingerprint, Fingerprinter
from sonicgen.sound.fingerprint import warm_up as warm_up_sound
from sonicgen.sound.peaks import Peaks
from sonicgen.sound.spectrum import FRAMES_PER_SECOND, SAMPLE_RATE_HZ

MOST_KNOWN = 4
# log10 of chance at which the search of a window ends. What is sure but above it may be a likeness of the true place, a
# refrain or the tune at another tempo, while the place itself has not come up: the other ways are tried as well.
BEYOND_DOUBT = -10.0
# How far a fit may move away from its candidate without another fetch: its offset by half a bin of votes and more, its
# ends by a corrected tempo.
FIT_MARGIN_FRAMES = 40.0
EXPLAINED_FRAMES = 16.0  # votes this near (0.4 s) to a match that is known are for that match,
GUESSED_TEMPO_APART, FITTED_TEMPO_APART = 0.012, 0.006  # when they are for its tempo too


class _Search:
    """One query against one index."""

    def __init__(self, fingerprint: Fingerprint, index: Index, rate: float, exclude: Collection[int]) -> None:
        self._query = fingerprint.peaks
        self._end = int(self._query.frames[-1]) + 1 if len(self._query) else 0
        self._index = index
        self._asker = Asker(self._query, index, exclude)
        self._rate = rate
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

    def _plan(self) -> Iterator[plan.Window]:
        """Yield windows one by one; what each finds decides which are left."""
        is_short = self._end <= plan.WHOLE_SECONDS * FRAMES_PER_SECOND
        if is_short:
            yield self._window((0, self._end), plan.Effort.WARPED)
        effort = plan.efforts(self._end / FRAMES_PER_SECOND)
        position = 0
        number = 0
        while (gap := self._next_gap(position)) is not None:
            place, *ahead = plan.window_places(*gap)
            if not is_short or place != (0, self._end):
                yield self._window(place, plan.Effort.WARPED if is_short and self.found else effort(number), ahead)
                number += 1
            if self._next_gap(position) == gap:  # nothing new: go on; otherwise look again at what is left here
                position = ahead[0][0] if ahead else gap[1]

    def _window(
        self, place: tuple[int, int], effort: plan.Effort, ahead: Sequence[tuple[int, int]] = ()
    ) -> plan.Window:
        first, last = np.searchsorted(self._query.frames, place).tolist()
        return plan.Window(first, last, effort, tuple(self._window(other, plan.Effort.QUICK) for other in ahead))

    def _next_gap(self, position: int) -> tuple[int, int] | None:
        """Return the next stretch of the query (frames) at or after `position` that no match covers."""
        shortest = plan.SHORTEST_SECONDS * FRAMES_PER_SECOND
        spans = sorted((span.first_frame, span.last_frame) for span, expected in self.found if self._is_sure(expected))
        for first, last in [*spans, (self._end, self._end)]:
            if first - position >= shortest:
                return position, first
            position = max(position, last + 1)
        return None

    def _is_sure(self, expected: float) -> bool:
        return chance.decide(expected, self._rate) is Decision.MATCH

    def _search_window(self, window: plan.Window) -> None:
        if window.last - window.first < FEWEST_INSIDE:
            return
        start = int(self._query.frames[window.first])
        peaks = self._asker.peaks(window)
        known = len(self._known)
        before = len(self.found)
        for guesses in self._asker.rounds(window, peaks, tuple(self._known)):
            if not self._try(window, peaks, start, guesses):
                continue
            if len(self._known) > known:  # with the exact warp the true place stands out among its likenesses
                self._try(window, peaks, start, self._asker.under(self._known[known:], peaks, plan.FOCUS_KEYS))
                known = len(self._known)
            if min(expected for _, expected in self.found[before:]) <= BEYOND_DOUBT:
                break
        self._compare_copies(window, peaks, start, self.found[before:])

    def _compare_copies(
        self, window: plan.Window, peaks: Peaks, start: int, found: Sequence[tuple[Span, float]]
    ) -> None:
        """Find the best-fitting copy of what lies on several places of one recording (a loop), and follow it."""
        seen: set[int] = set()
        for span, expected in sorted(found, key=lambda item: item[1]):
            recording = span.alignment.recording
            copies = [other for other, _ in found if other is not span and is_other_copy(span, other)]
            if recording in seen or not copies or not self._is_sure(expected):
                continue
            seen.add(recording)
            reference = self._reference(recording)
            best = best_copy(peaks, reference, span.alignment.moved(-start))
            if best is None or self._is_explained(window, best.moved(start), FITTED_TEMPO_APART):
                continue
            warped = warp.Warp(best.tempo, best.pitch)
            found_there = verify(peaks, reference, recording, best.offset, warped, self._places)
            if found_there is not None:
                self._follow(window, found_there.moved(start), reference)

    def _try(self, window: plan.Window, peaks: Peaks, start: int, guesses: Guesses) -> bool:
        """Verify and follow; return whether a sure match was found."""
        tried = 1 if all(guess in warp.UNCHANGED for guess, _ in guesses) else len(warp.GRID)
        trials = self._places * (tried + len(self._known)) * self._windows
        sure = False
        self._fetch(peaks, guesses)
        for guess, candidate in guesses:
            if sure and candidate.votes <= FEWEST_VOTES:
                break
            rough = _rough(guess, candidate).moved(start)
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

    def _fetch(self, peaks: Peaks, guesses: Guesses) -> None:
        """Fetch the peaks that verification is about to read, all candidates' in one call."""
        first, last = float(peaks.frames[0]), float(peaks.frames[-1])
        wanted = []
        for guess, candidate in guesses:
            reference = self._reference(candidate.recording)
            frames = frames_under(_rough(guess, candidate), first, last, FIT_MARGIN_FRAMES)
            wanted.append((reference, reference.stretch(*frames)))
        fetch_in_advance(self._index, wanted)

    def _reference(self, recording: int) -> ReferencePeaks:
        return self._references.setdefault(recording, ReferencePeaks(self._index, recording))

    def _is_explained(self, window: plan.Window, alignment: Alignment, tempo_apart: float) -> bool:
        """Return whether an alignment (whole query's frames) lies on the line of a sure match that was already found.

        One that is not sure may be a likeness of the true place, seen under the wrong warp: it hides nothing. Nor does
        a match that lies elsewhere: the line of a likeness before an inserted advert is that of the sound behind it.
        """
        first, last = int(self._query.frames[window.first]), int(self._query.frames[window.last - 1])
        middle = (first + last) / 2
        for span, expected in self.found:
            line = span.line_at(middle)
            common = min(last, span.last_frame) - max(first, span.first_frame)
            if (
                self._is_sure(expected)
                and common >= min(last - first, span.last_frame - span.first_frame) / 2
                and span.alignment.recording == alignment.recording
                and abs(line.tempo - alignment.tempo) <= tempo_apart
                and abs(line.at(middle) - alignment.at(middle)) <= EXPLAINED_FRAMES
            ):
                return True
        return False

    def _follow(self, window: plan.Window, alignment: Alignment, reference: ReferencePeaks) -> bool:
        """Trace an alignment to its full range and keep it; return whether it is sure."""
        span = trace(self._query, reference, alignment, window.first, window.last)
        if span is None:
            return False
        rate = min(max(alignment.chance_rate, 0.02) * NEAR_FRAMES / CLOSE_FRAMES, chance.HIGHEST_RATE)
        beyond = chance.log10_tail(span.matched_outside, span.inside_outside, rate) / alignment.scatter
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


def _rough(guess: warp.Warp, candidate: Candidate) -> Alignment:
    return Alignment(candidate.recording, guess.tempo, candidate.delta_frames, 0.0)


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
    warm_up_blocks()
