"""What two recordings have in common, settled between the two of them.

A search of the index looks at a stretch until something explains it: of ten copies of one recording it may report
three, of an inserted advert one side. Here two recordings are laid side by side. Every line that is suspected (from the
search, or because both lie in a third recording) is verified and traced; where lines compete for the same seconds, such
as repetitions in music, each second goes to the line that aligns most. The answer is the same whichever is asked about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sonicgen.domain.match import Decision, Match
from sonicgen.match import chance
from sonicgen.match.chain import share_out
from sonicgen.match.collect import SAME_LINE_FRAMES, to_match
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.plan import QUICK_KEYS
from sonicgen.match.ranges import Line, Span, align, trace
from sonicgen.match.reference import ReferencePeaks
from sonicgen.match.verify import FEWEST_INSIDE, verify
from sonicgen.match.votes import find_candidates
from sonicgen.match.warp import Warp, ask
from sonicgen.sound.fingerprint import Fingerprint
from sonicgen.sound.landmarks import pitch_steps
from sonicgen.sound.peaks import Peaks
from sonicgen.sound.spectrum import FRAMES_PER_SECOND

WINDOW_FRAMES = round(12.0 * FRAMES_PER_SECOND)  # of a suspected line so much is verified: a window of the search
MOST_LINES = 24  # loops have dozens of lines; the cost grows with their number
LIKENESSES = 4  # places of each window that are tried
# In longer ones only the lines that are suspected are tried: two of 25 minutes take 1.9 s of CPU.
MOST_COMPARED_SECONDS = 3_600.0
SAME_SPEED = 0.003
# A copy that aligns until so little before its beginning or end is taken to go on to there: less is seldom other sound.
# Of 3,244 stretches of python -m bench.origin, 60 ended 0.5 to 1 s inside of a file that they filled.
NEAR_EDGE_SECONDS = 1.0
# Until so much before it when what is left does not speak against it: hardly a peak in either, or more that align than
# by accident (4 to 6 % on lines that are not theirs).
FAR_EDGE_SECONDS = 2.0
HARDLY_A_PEAK, ALIGNED_SHARE = 4, 0.25


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
    spans = share_out(query.peaks, whole, sorted(spans, key=_most_first)[:MOST_LINES])
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


def _most_first(item: tuple[Span, float]) -> tuple[int, int]:
    return -item[0].matched, item[0].first_frame


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


def _reach_out(matches: list[Match], query: Track, reference: Track) -> list[Match]:
    """Return the matches reaching on at their ends: to an edge that is near, else into what is silent on both sides."""
    reached: list[Match] = []
    for i, match in enumerate(matches):
        before = reached[-1].query_end_seconds if reached else 0.0
        after = matches[i + 1].query_start_seconds if i + 1 < len(matches) else query.seconds
        back = _reach(match, query, reference, match.query_start_seconds - before, -1)
        on = _reach(match, query, reference, after - match.query_end_seconds, 1)
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


def _reach(match: Match, query: Track, reference: Track, free: float, direction: int) -> float:
    """Return by how many seconds a match reaches on (1) or back (-1), of which `free` are nobody's."""
    if direction > 0:
        here, there = match.query_end_seconds, match.reference_end_seconds
        to_edge = min(query.seconds - here, (reference.seconds - there) / match.speed)
    else:
        here, there = match.query_start_seconds, match.reference_start_seconds
        to_edge = min(here, there / match.speed)
    is_near = to_edge <= NEAR_EDGE_SECONDS or (
        to_edge <= FAR_EDGE_SECONDS
        and _goes_on(match, query.peaks, reference.peaks, *sorted((here, here + direction * to_edge)))
    )
    if is_near and to_edge <= free:
        return max(0.0, to_edge)
    silent_here, silent_there = _silence(query.peaks, here, direction), _silence(reference.peaks, there, direction)
    silence = min(silent_here, silent_there / match.speed)
    return max(0.0, min(free, to_edge, silence))


def _goes_on(match: Match, here: Peaks, there: Peaks, start: float, end: float) -> bool:
    """Return whether nothing between two seconds of the query speaks against it being the reference there, too."""
    indexes = np.arange(*np.searchsorted(here.frames, np.array([start, end]) * FRAMES_PER_SECOND))
    beyond = len(
        there.between(round(_at(match, start * FRAMES_PER_SECOND)), round(_at(match, end * FRAMES_PER_SECOND)))
    )
    if max(len(indexes), beyond) <= HARDLY_A_PEAK:
        return True
    if not len(indexes):
        return False
    line = Line(match.speed, _at(match, 0.0))
    aligned, _ = align(here, indexes, line, pitch_steps(match.pitch), _Whole(there))
    return bool(aligned.mean() >= ALIGNED_SHARE)


def _silence(peaks: Peaks, seconds: float, direction: int) -> float:
    """Return for how long no peak follows (1) or precedes (-1) a moment, peaks within 50 ms of it not counted."""
    at = (seconds + 0.05 * direction) * FRAMES_PER_SECOND
    place = int(np.searchsorted(peaks.frames, at))
    if direction > 0:
        nearest = float(peaks.frames[place]) if place < len(peaks) else np.inf
        return nearest / FRAMES_PER_SECOND - seconds
    nearest = float(peaks.frames[place - 1]) if place > 0 else -np.inf
    return seconds - nearest / FRAMES_PER_SECOND
