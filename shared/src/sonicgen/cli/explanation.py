"""The picture that `sonicgen find --explain` draws of a match. Needs matplotlib, the extra `explain`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch
from matplotlib.ticker import MaxNLocator

from sonicgen.cli.console import clock
from sonicgen.sound.peaks import STEPS_PER_OCTAVE
from sonicgen.sound.spectrum import BINS, FFT_SIZE, LOWEST_BIN, SAMPLE_RATE_HZ
from sonicgen.steps.explain_match import (
    ExplainedAnswer,
    ExplainedMatch,
    Spectrogram,
    clip_spectrogram,
    reference_spectrogram,
    seconds_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# More than this beside each other and peaks can no longer be told apart; the JSON has up to a minute.
PICTURE_SECONDS = 15.0
MOST_LINES = 40
TICKS_HZ = (200, 500, 1_000, 2_000, 5_000)
LOWEST_HZ = LOWEST_BIN * SAMPLE_RATE_HZ / FFT_SIZE
LIGHT, DARK = "0.75", "0.15"
MOST_TITLE = 60


def save_picture(path: Path, file: Path, explained: ExplainedAnswer) -> None:
    """Draw the best match: both sounds with the peaks they have in common, the offsets, and the ranges."""
    best = explained.matches[0]
    figure = Figure(figsize=(12, 10.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(3, 2, height_ratios=(4, 4, 2.6))
    above, below = figure.add_subplot(grid[0, :]), figure.add_subplot(grid[1, :])
    offsets, timeline = figure.add_subplot(grid[2, 0]), figure.add_subplot(grid[2, 1])
    figure.suptitle(_headline(file, best), fontsize=12, parse_math=False)
    pairs = _Pairs(best)
    pairs.draw_side(above, clip_spectrogram(file, best), "query")
    pairs.draw_side(below, reference_spectrogram(best), "reference")
    above.set_xlabel("seconds in the clip")
    below.set_xlabel("seconds in the recording")
    pairs.join(figure, above, below)
    _draw_offsets(offsets, best)
    _draw_timeline(timeline, explained)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a title in a script that the font lacks shows boxes
        figure.savefig(path)


def _headline(file: Path, best: ExplainedMatch) -> str:
    match, recording = best.found.match, best.found.recording
    return (
        f"{_short(file.name)} is in “{_short(recording.title)}” from {clock(match.reference_start_seconds)}\n"
        f"{match.score:.0f} aligned peaks, speed {match.speed:.3f}, pitch {match.pitch:.3f}, "
        f"{match.decision}, probability {match.probability:.6f}"
    )


def _short(text: str) -> str:
    return text if len(text) <= MOST_TITLE else text[: MOST_TITLE - 1] + "…"


class _Pairs:
    """The peaks of both sides in the seconds that are drawn; those that are the same have the same colour."""

    def __init__(self, best: ExplainedMatch) -> None:
        it = best.explanation
        self._peaks = {"query": it.query, "reference": it.reference}
        start, end = it.query_stretch
        share = min(1.0, PICTURE_SECONDS / max(end - start, 1e-9))
        first, last = it.reference_stretch
        self._stretch = {
            "query": (start, start + share * (end - start)),
            "reference": (first, first + share * (last - first)),
        }
        inside = self._seconds("query")[it.query_pairs] <= self._stretch["query"][1]
        self._chosen = {"query": it.query_pairs[inside], "reference": it.reference_pairs[inside]}
        steps = np.linspace(0.0, 0.8, max(int(inside.sum()), 1))[: int(inside.sum())]
        self._colours = colormaps["plasma"](steps)

    def _seconds(self, side: str) -> Any:
        return seconds_of(self._peaks[side].frames)

    def draw_side(self, axes: Axes, spectrogram: Spectrogram | None, side: str) -> None:
        """Draw one side: the sound in grey where there is some, its peaks as small rings, the aligned ones filled."""
        highest = _pitch_of(LOWEST_HZ * (LOWEST_BIN + BINS) / LOWEST_BIN)
        if spectrogram is not None:
            axes.imshow(
                _by_pitch(spectrogram, highest),
                origin="lower",
                aspect="auto",
                cmap="gray_r",
                vmin=0.0,
                vmax=7.0,
                extent=(spectrogram.start_seconds, spectrogram.end_seconds, 0.0, highest),
            )
        peaks, seconds, chosen = self._peaks[side], self._seconds(side), self._chosen[side]
        axes.scatter(seconds, peaks.pitches, s=14, facecolors="none", edgecolors="0.45", linewidths=0.7)
        axes.scatter(
            seconds[chosen], peaks.pitches[chosen], s=34, c=self._colours, edgecolors="black", linewidths=0.6, zorder=3
        )
        axes.set_xlim(*self._stretch[side])
        axes.set_ylim(0.0, highest)
        axes.set_yticks([_pitch_of(hertz) for hertz in TICKS_HZ], [f"{hertz:,}" for hertz in TICKS_HZ])
        axes.set_ylabel("Hz")
        name = {"query": "The clip", "reference": "The recording"}[side]
        missing = "" if spectrogram is not None else " (by its peaks: the sound is out of reach)"
        note = "rings: spectral peaks; filled: aligned with the other side" if side == "query" else "the same colour, the same peak"  # fmt: skip  # noqa: E501
        axes.set_title(f"{name}{missing}", loc="left", fontsize=10, fontweight="bold")
        axes.set_title(note, loc="right", fontsize=9, color="0.3")

    def join(self, figure: Figure, above: Axes, below: Axes) -> None:
        """Draw lines between peaks that are the same, evenly chosen, so that they can be followed without colour."""
        ours, theirs = self._chosen["query"], self._chosen["reference"]
        count = min(len(ours), MOST_LINES)
        for i in np.unique(np.linspace(0, len(ours) - 1, count).astype(int)) if count else ():
            a, b = int(ours[i]), int(theirs[i])
            line = ConnectionPatch(
                (self._seconds("query")[a], float(self._peaks["query"].pitches[a])),
                (self._seconds("reference")[b], float(self._peaks["reference"].pitches[b])),
                "data",
                "data",
                axesA=above,
                axesB=below,
                color=self._colours[i],
                linewidth=0.9,
                alpha=0.75,
            )
            line.set_in_layout(False)
            figure.add_artist(line)


def _pitch_of(hertz: float) -> float:
    return float(STEPS_PER_OCTAVE * np.log2(hertz / LOWEST_HZ))


def _by_pitch(spectrogram: Spectrogram, highest: float) -> Any:
    """Return the rows with a logarithmic axis of frequency, pitch upwards, time to the right."""
    ratios = 2.0 ** (np.arange(0.0, highest, 2.0) / STEPS_PER_OCTAVE)
    bins = np.clip(np.rint(LOWEST_BIN * ratios).astype(int) - LOWEST_BIN, 0, BINS - 1)
    return spectrogram.rows[:, bins].T


def _draw_offsets(axes: Axes, best: ExplainedMatch) -> None:
    histogram = best.explanation.histogram
    width = histogram.bin_seconds
    colours = [DARK if abs(offset) < 1.5 * width else LIGHT for offset in histogram.offset_seconds]
    axes.bar(histogram.offset_seconds, histogram.pairs, width=width, color=colours)
    axes.axhline(histogram.best_elsewhere, color="0.4", linewidth=0.8, linestyle="--")
    axes.annotate(
        f"{histogram.at_match} pairs here",
        (0.0, histogram.at_match),
        xytext=(10, -4),
        textcoords="offset points",
        va="top",
        fontsize=9,
    )
    axes.annotate(
        f"best elsewhere: {histogram.best_elsewhere}",
        (histogram.offset_seconds[0], histogram.best_elsewhere),
        xytext=(2, 3),
        textcoords="offset points",
        fontsize=9,
        color="0.3",
    )
    axes.set_xlabel("seconds beside the offset of the match")
    axes.set_ylabel("pairs of equal pitch")
    axes.set_title("How the offset stands out", loc="left", fontsize=10, fontweight="bold")


def _draw_timeline(axes: Axes, explained: ExplainedAnswer) -> None:
    """Draw the clip above the best match's recording, each on a scale of its own, and which range is which."""
    best = explained.matches[0]
    clip_seconds = explained.answer.seconds
    matches = [item.found for item in explained.matches]
    same = [found.match for found in matches if found.recording.id == best.found.recording.id]
    there_seconds = max(
        [best.found.recording.duration_seconds or 0.0, *(match.reference_end_seconds for match in same)]
    )
    for low in (0.0, 0.8):
        axes.fill_between((0.0, 1.0), low, low + 0.2, color="0.92", edgecolor="0.4", linewidth=0.8)
    for found in reversed(matches):
        match = found.match
        a, b = match.query_start_seconds / clip_seconds, match.query_end_seconds / clip_seconds
        if match not in same:
            axes.fill_between((a, b), 0.8, 1.0, facecolor="none", edgecolor="0.4", hatch="///", linewidth=0.8)
            continue
        c, d = match.reference_start_seconds / there_seconds, match.reference_end_seconds / there_seconds
        shade = "0.35" if match is best.found.match else "0.6"
        axes.fill_between((a, b), 0.8, 1.0, color=shade)
        axes.fill_between((c, max(d, c + 0.002)), 0.0, 0.2, color=shade)
        axes.fill([a, b, max(d, c + 0.002), c], [0.8, 0.8, 0.2, 0.2], color=shade, alpha=0.25, linewidth=0)
    _set_seconds(axes, there_seconds)
    upper = axes.secondary_xaxis("top")
    _set_seconds(upper, clip_seconds)
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.0)
    axes.set_yticks([0.1, 0.9], ["recording", "clip"])
    axes.set_xlabel("seconds in the recording")
    upper.set_xlabel("seconds in the clip", fontsize=9)
    others = len(matches) - len(same)
    title = f"What lies where: {len(same)} in this recording" + (f", {others} in others (hatched)" if others else "")
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")


def _set_seconds(axes: Any, seconds: float) -> None:
    """Label an axis that runs from 0 to 1 with round seconds."""
    marks = [mark for mark in MaxNLocator(6).tick_values(0.0, seconds) if 0.0 <= mark <= seconds]
    axes.set_xticks([mark / seconds for mark in marks], [f"{mark:g}" for mark in marks])
