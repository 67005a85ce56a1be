"""What two recordings have in common, settled between the two of them.

A search of the index looks at a stretch until something explains it: of ten copies of one recording it may report
three, of an inserted advert one side. Here two recordings are laid side by side. Every line that is suspected (from the
search, or because both lie in a third recording) is verified and traced; where lines compete for the same seconds, such
as repetitions in music, each second goes to the line that aligns most. The answer is the same whichever is asked about.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sonicgen.domain.match import Decision, Match
from sonicgen.match import chance
from sonicgen.match.collect import SAME_LINE_FRAMES, to_match
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.plan import QUICK_KEYS
from sonicgen.match.ranges import FIT_FEWEST, FIT_LAST_FRAMES, STEP_FRAMES, Line, Span, align, trace
from sonicgen.match.reference import ReferencePeaks
from sonicgen.match.verify import FEWEST_INSIDE, fit_line, verify
from sonicgen.match.votes import find_candidates
from sonicgen.match.warp import Warp, ask
from sonicgen.sound.fingerprint import Fingerprint
from sonicgen.sound.peaks import Peaks
from sonicgen.sound.spectrum import FRAMES_PER_SECOND

WINDOW_FRAMES = round(12.0 * FRAMES_PER_SECOND)  # of a suspected line so much is verified: a window of the search
CELL_FRAMES = 11  # 0.26 s: competing lines are compared by so much at a time
# A change of line costs as many aligned peaks: half a second of music, in which one repetition may align better than
# another by accident.
CHANGE_PEAKS = 8.0
FEWEST_PEAKS = 8  # a stretch between two changes of line is as sure as this many aligned peaks
FEWEST_PEAKS_MOVED = 60  # and one that was put elsewhere: three seconds of music and more, or it is a likeness
MOST_ROUNDS = 4
MOST_LINES = 24  # loops have dozens of lines; the cost grows with their number
LIKENESSES = 4  # places of each window that are tried
# In longer ones only the lines that are suspected are tried: two of 25 minutes take 1.9 s of CPU.
MOST_COMPARED_SECONDS = 3_600.0
SAME_SPEED = 0.003


@dataclass(frozen=True, slots=True)
class Track:
    """A recording's peaks (strengths are not read) and its length."""

    peaks: Peaks
    seconds: float

    def precedes(self, other: Track) -> bool:
        """Whether this one is laid on the other, not the other on it: the shorter, whoever asks."""
        mine, theirs = self.peaks.frames, other.peaks.frames
        return (self.seconds, len(mine), int(mine.sum())) <= (other.seconds, len(theirs), int(theirs.sum()))


def settle_pair(one: Track, other: Track, suspected: Sequence[Match], rate: float) -> list[Match]:
    """Return where `one` lies in `other`, in order of time, by lines that are suspected (from `one` to `other`).

    No two of the stretches overlap in the shorter recording. Their `recording` is that of the first line suspected;
    `rate` is the false-positive rate of the whole.
    """
    if not suspected or not len(one.peaks) or not len(other.peaks):
        return []
    number = suspected[0].recording
    if one.precedes(other):
        return _lay(one, other, suspected, rate, number)
    back = _lay(other, one, [turned(match) for match in suspected], rate, number)
    return sorted((turned(match) for match in back), key=lambda match: match.query_start_seconds)


def turned(match: Match) -> Match:
    """Return the match as seen from the other recording."""
    return replace(
        match,
        query_start_seconds=match.reference_start_seconds,
        query_end_seconds=match.reference_end_seconds,
        reference_start_seconds=match.query_start_seconds,
        reference_end_seconds=match.query_end_seconds,
        speed=1.0 / match.speed,
        pitch=1.0 / match.pitch,
    )


class _Whole(ReferencePeaks):
    """All peaks of a recording, held already."""

    def __init__(self, peaks: Peaks) -> None:
        self._peaks = peaks

    def between(self, first_frame: int, last_frame: int) -> Peaks:
        low, high = self._peaks.frames.searchsorted([first_frame, last_frame + 1])
        return Peaks(self._peaks.frames[low:high], self._peaks.pitches[low:high], self._peaks.strengths[:0])


def _lay(query: Track, reference: Track, suspected: Sequence[Match], rate: float, number: int) -> list[Match]:
    whole = _Whole(reference.peaks)
    lines = sorted(suspected, key=lambda m: m.query_start_seconds - m.query_end_seconds)[:MOST_LINES]
    lines += _likenesses(query, reference, lines)
    trials = max(1.0, reference.seconds * FRAMES_PER_SECOND) * len(lines)
    spans: list[tuple[Span, float]] = []
    for match in lines:
        for first, last in _windows(query.peaks, match):
            if not _is_traced(query.peaks, first, last, match, spans):
                found = _trace(query.peaks, whole, match, first, last, trials, rate)
                spans += [item for item in found if not any(_is_same(item[0], span) for span, _ in spans)]
    spans = _share_out(query.peaks, whole, spans)
    pieces = [(replace(span, alignment=replace(span.alignment, recording=number)), found) for span, found in spans]
    matches = [to_match(span, found, query.seconds, Decision.MATCH) for span, found in pieces]
    return _reach_out(sorted(matches, key=lambda match: match.query_start_seconds), query, reference)


def _likenesses(query: Track, reference: Track, suspected: Sequence[Match]) -> list[Match]:
    """Return further lines worth trying: where else each window may lie, played as what is suspected is.

    The first line that explains a window may be a likeness of the true one, such as the bar before.
    """
    if reference.seconds > MOST_COMPARED_SECONDS or query.seconds > MOST_COMPARED_SECONDS:
        return []
    index = MemoryIndex()
    index.add(0, Fingerprint(_even(reference.peaks), reference.seconds))
    longest = suspected[0]
    warps = [Warp(longest.speed, longest.pitch)]
    if abs(longest.speed - 1.0) > SAME_SPEED or abs(longest.pitch - 1.0) > SAME_SPEED:
        warps.append(Warp())
    found = []
    for start in range(0, int(query.peaks.frames[-1]) + 1, WINDOW_FRAMES // 2):
        window = _even(query.peaks.between(start, start + WINDOW_FRAMES - 1))
        if len(window) < FEWEST_INSIDE:
            continue
        window = Peaks(window.frames - start, window.pitches, window.strengths)
        answers = find_candidates(index, ask(window, warps, QUICK_KEYS), LIKENESSES)
        for warp, candidates in zip(warps, answers, strict=True):
            found += [_line_match(longest, warp, start, candidate.delta_frames) for candidate in candidates]
    return found


def _even(peaks: Peaks) -> Peaks:
    """Return peaks that are all as strong: the strengths of those on record are not kept."""
    return Peaks(peaks.frames, peaks.pitches, np.ones(len(peaks), np.float32))


def _line_match(like: Match, warp: Warp, start_frame: int, delta_frames: float) -> Match:
    start, there = start_frame / FRAMES_PER_SECOND, delta_frames / FRAMES_PER_SECOND
    seconds = WINDOW_FRAMES / FRAMES_PER_SECOND
    return replace(
        like,
        query_start_seconds=start,
        query_end_seconds=start + seconds,
        reference_start_seconds=there,
        reference_end_seconds=there + warp.tempo * seconds,
        speed=warp.tempo,
        pitch=warp.pitch,
    )


def _windows(peaks: Peaks, match: Match) -> list[tuple[int, int]]:
    """Return up to three windows (first and last index) of a suspected stretch: its middle, its beginning, its end."""
    start, end = match.query_start_seconds * FRAMES_PER_SECOND, match.query_end_seconds * FRAMES_PER_SECOND
    middle = (start + end - WINDOW_FRAMES) / 2
    starts = [middle] if end - start <= 2 * WINDOW_FRAMES else [middle, start, end - WINDOW_FRAMES]
    places = [(max(start, at), min(end, at + WINDOW_FRAMES)) for at in starts]
    windows = [tuple(np.searchsorted(peaks.frames, place).tolist()) for place in places]
    return [(first, last) for first, last in windows if last - first >= FEWEST_INSIDE]


def _at(match: Match, frame: float) -> float:
    """Return the reference frame that a match leads to."""
    seconds = match.reference_start_seconds + match.speed * (frame / FRAMES_PER_SECOND - match.query_start_seconds)
    return seconds * FRAMES_PER_SECOND


def _is_traced(peaks: Peaks, first: int, last: int, match: Match, spans: Iterable[tuple[Span, float]]) -> bool:
    middle = (int(peaks.frames[first]) + int(peaks.frames[last - 1])) / 2
    return any(
        span.first_frame <= middle <= span.last_frame
        and abs(span.line_at(middle).at(middle) - _at(match, middle)) <= SAME_LINE_FRAMES
        for span, _ in spans
    )


def _is_same(one: Span, other: Span) -> bool:
    here = max(abs(one.first_frame - other.first_frame), abs(one.last_frame - other.last_frame))
    there = max(abs(one.first_reference - other.first_reference), abs(one.last_reference - other.last_reference))
    return max(here, there) <= SAME_LINE_FRAMES


def _trace(
    peaks: Peaks, whole: ReferencePeaks, match: Match, first: int, last: int, trials: float, rate: float
) -> list[tuple[Span, float]]:
    start = int(peaks.frames[first])
    window = Peaks(peaks.frames[first:last] - start, peaks.pitches[first:last], peaks.strengths[:0])
    found = verify(window, whole, match.recording, _at(match, start), Warp(match.speed, match.pitch), trials)
    if found is None or chance.decide(found.log10_chance, rate) is not Decision.MATCH:
        return []
    span = trace(peaks, whole, found.moved(start), first, last)
    return [] if span is None else [(span, found.log10_chance)]


@dataclass(frozen=True, slots=True)
class _Path:
    """The aligned peaks of a span: their frames, and the reference's."""

    here: NDArray[np.float64]
    there: NDArray[np.float64]


def _follow(peaks: Peaks, whole: ReferencePeaks, span: Span) -> _Path:
    """Return the aligned peaks along a span, following its line where it bends."""
    first, last = np.searchsorted(peaks.frames, (span.first_frame, span.last_frame + 1)).tolist()
    line = span.first_line
    steps: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = [(np.empty(0), np.empty(0))]
    here, there = steps[0]  # the last of them, which the line is fitted to
    while first < last:
        edge = int(peaks.frames[first]) + STEP_FRAMES
        indexes = np.arange(first, max(first + 1, min(last, int(np.searchsorted(peaks.frames, edge)))))
        aligned, on_reference = align(peaks, indexes, line, span.alignment.pitch_shift, whole)
        steps.append((peaks.frames[indexes[aligned]].astype(np.float64), on_reference[aligned]))
        recent = slice(int(np.searchsorted(here, edge - FIT_LAST_FRAMES)), None)
        here = np.concatenate((here[recent], steps[-1][0]))
        there = np.concatenate((there[recent], steps[-1][1]))
        line = _line(here, there, line)
        first = int(indexes[-1]) + 1
    return _Path(*(np.concatenate(column) for column in zip(*steps, strict=True)))


def _line(here: NDArray[np.float64], there: NDArray[np.float64], otherwise: Line) -> Line:
    return Line(*fit_line(here, there)) if len(here) >= FIT_FEWEST else otherwise


def _share_out(peaks: Peaks, whole: ReferencePeaks, spans: list[tuple[Span, float]]) -> list[tuple[Span, float]]:
    """Return the spans cut so that no two overlap in either recording; each stretch goes to what aligns most there."""
    spans = sorted(spans, key=lambda item: (-item[0].matched, item[0].first_frame))[:MOST_LINES]
    if len(spans) < 2:
        return spans
    start = min(span.first_frame for span, _ in spans)
    cells = (max(span.last_frame for span, _ in spans) - start) // CELL_FRAMES + 1
    lanes = [_Lane(span, _follow(peaks, whole, span), start, cells) for span, _ in spans]
    counts = np.stack([lane.counts for lane in lanes])
    places = np.stack([lane.places for lane in lanes])
    shared: list[tuple[Span, float]] = []
    for _ in range(MOST_ROUNDS):
        owners = best_chain(counts, places)
        pieces = [
            (piece, spans[owner][1])
            for owner, low, high in _runs(owners, len(spans))
            if (piece := _cut(lanes[owner], start + low * CELL_FRAMES, start + high * CELL_FRAMES)) is not None
        ]
        fewest = FEWEST_PEAKS if not shared else FEWEST_PEAKS_MOVED
        pieces = [(piece, found) for piece, found in pieces if piece.matched >= fewest]
        if not pieces:
            break
        shared += pieces
        # What was put elsewhere in the other recording: neither side of what is found may be used again.
        used = np.any([(places >= p.first_reference) & (places <= p.last_reference) for p, _ in pieces], axis=0)
        counts = np.where((owners < len(spans)) | used, -np.inf, counts)
    return shared


class _Lane:
    """A span by cells: how many of its peaks align in each (minus infinity outside of it), and where it lies there."""

    def __init__(self, span: Span, path: _Path, start: int, cells: int) -> None:
        self.span = span
        self.path = path
        self.counts = np.bincount(((path.here - start) // CELL_FRAMES).astype(np.int64), minlength=cells).astype(float)
        self.counts[: (span.first_frame - start) // CELL_FRAMES] = -np.inf
        self.counts[(span.last_frame - start) // CELL_FRAMES + 1 :] = -np.inf
        middles = start + CELL_FRAMES * (np.arange(cells) + 0.5)
        self.places = np.interp(middles, path.here, path.there) if len(path.here) else middles * 0.0


def best_chain(counts: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return whose each cell is, the row's number (their count: nobody's), so that most peaks align.

    `counts` (rows, cells) are aligned peaks, minus infinity where a row does not reach; `places` where the other
    recording is then, which only moves on. A change of row costs CHANGE_PEAKS.
    """
    rows, cells = counts.shape
    # State `row` is in it, state `rows + row` in none since it: then the other recording waits where it was.
    score = np.concatenate((counts[:, 0], np.zeros(rows)))
    at = np.concatenate((places[:, 0], np.full(rows, -np.inf)))
    came = np.zeros((cells, 2 * rows), np.int16)
    states = np.arange(2 * rows)
    for cell in range(1, cells):
        fits = at[:, None] <= places[None, :, cell] + CELL_FRAMES / 2
        changed = np.where(fits, score[:, None], -np.inf) - CHANGE_PEAKS
        best = np.argmax(changed, axis=0)
        change = changed[best, np.arange(rows)]
        stays = score[:rows] >= change
        came[cell, :rows] = np.where(stays, states[:rows], best)
        moved = np.where(stays, score[:rows], change) + counts[:, cell]
        leaves = score[:rows] > score[rows:]
        came[cell, rows:] = np.where(leaves, states[:rows], states[rows:])
        waiting = np.maximum(score[:rows], score[rows:])
        at = np.concatenate((places[:, cell], np.where(leaves, at[:rows], at[rows:])))
        score = np.concatenate((moved, waiting))
    owners = np.empty(cells, np.int64)
    state = int(np.argmax(score))
    for cell in range(cells - 1, -1, -1):
        owners[cell] = min(state, rows)
        state = int(came[cell, state])
    return owners


def _runs(owners: NDArray[np.int64], nobody: int) -> list[tuple[int, int, int]]:
    """Return (row, first cell, last cell exclusive) of every stretch of one row."""
    edges = np.concatenate(([0], np.flatnonzero(np.diff(owners)) + 1, [len(owners)])).tolist()
    return [(int(owners[low]), low, high) for low, high in itertools.pairwise(edges) if owners[low] != nobody]


def _cut(lane: _Lane, first_frame: int, last_frame: int) -> Span | None:
    """Return the part of a span from one frame to another (exclusive), None when hardly anything aligns there."""
    span, path = lane.span, lane.path
    low, high = np.searchsorted(path.here, (first_frame, last_frame)).tolist()
    if high - low < FEWEST_PEAKS:
        return None
    here, there = path.here[low:high], path.there[low:high]
    is_first, is_last = first_frame <= span.first_frame, last_frame > span.last_frame
    begin = slice(0, int(np.searchsorted(here, here[0] + FIT_LAST_FRAMES)))
    end = slice(int(np.searchsorted(here, here[-1] - FIT_LAST_FRAMES)), None)
    return replace(
        span,
        first_frame=span.first_frame if is_first else int(here[0]),
        last_frame=span.last_frame if is_last else int(here[-1]),
        first_line=_line(here[begin], there[begin], span.line_at(float(here[0]))),
        last_line=_line(here[end], there[end], span.line_at(float(here[-1]))),
        matched=high - low,
        inside=max(high - low, round(span.inside * (here[-1] - here[0]) / max(1, span.last_frame - span.first_frame))),
    )


def _reach_out(matches: list[Match], query: Track, reference: Track) -> list[Match]:
    """Return the matches reaching into the silence at their ends, which has no peaks to align on either side."""
    reached: list[Match] = []
    for i, match in enumerate(matches):
        before = reached[-1].query_end_seconds if reached else 0.0
        after = matches[i + 1].query_start_seconds if i + 1 < len(matches) else query.seconds
        back = min(
            match.query_start_seconds - before,
            match.reference_start_seconds / match.speed,
            _silence(query.peaks, match.query_start_seconds, -1),
            _silence(reference.peaks, match.reference_start_seconds, -1) / match.speed,
        )
        on = min(
            after - match.query_end_seconds,
            (reference.seconds - match.reference_end_seconds) / match.speed,
            _silence(query.peaks, match.query_end_seconds, 1),
            _silence(reference.peaks, match.reference_end_seconds, 1) / match.speed,
        )
        back, on = max(0.0, back), max(0.0, on)
        reached.append(
            replace(
                match,
                query_start_seconds=match.query_start_seconds - back,
                reference_start_seconds=match.reference_start_seconds - back * match.speed,
                query_end_seconds=match.query_end_seconds + on,
                reference_end_seconds=match.reference_end_seconds + on * match.speed,
            )
        )
    return reached


def _silence(peaks: Peaks, seconds: float, direction: int) -> float:
    """Return for how long no peak follows (1) or precedes (-1) a moment, peaks within 50 ms of it not counted."""
    at = (seconds + 0.05 * direction) * FRAMES_PER_SECOND
    place = int(np.searchsorted(peaks.frames, at))
    if direction > 0:
        nearest = float(peaks.frames[place]) if place < len(peaks) else np.inf
        return nearest / FRAMES_PER_SECOND - seconds
    nearest = float(peaks.frames[place - 1]) if place > 0 else -np.inf
    return seconds - nearest / FRAMES_PER_SECOND
