"""Competing lines between two recordings: each stretch goes to the one that aligns most there."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sonicgen.match.ranges import FIT_FEWEST, FIT_LAST_FRAMES, STEP_FRAMES, Line, Span, align
from sonicgen.match.reference import ReferencePeaks
from sonicgen.match.verify import fit_line
from sonicgen.sound.peaks import Peaks

CELL_FRAMES = 11  # 0.26 s: competing lines are compared by so much at a time
# A change of line costs as many aligned peaks: half a second of music, in which one repetition may align better than
# another by accident.
CHANGE_PEAKS = 8.0
FEWEST_PEAKS = 8  # a stretch between two changes of line is as sure as this many aligned peaks
FEWEST_PEAKS_MOVED = 60  # and one that was put elsewhere: three seconds of music and more, or it is a likeness
MOST_ROUNDS = 4


def share_out(peaks: Peaks, whole: ReferencePeaks, spans: list[tuple[Span, float]]) -> list[tuple[Span, float]]:
    """Return the spans cut so that no two overlap in either recording; each stretch goes to what aligns most there."""
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
