"""The picture that `sonicgen voices evaluate --picture` draws. Needs matplotlib, the extra `explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sonicgen.errors import InputError
from sonicgen.steps.evaluate_voices import Evaluated
from sonicgen.voices.calibration import error_curve
from sonicgen.voices.evaluation import Trials

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 60
SAME, OTHER = "0.25", "0.72"


def save_picture(path: Path, found: Evaluated) -> None:
    """Draw how cosines of the same voice and of different ones are spread, and what each threshold costs.

    Raises InputError when the file cannot be written.
    """
    it = found.evaluation
    figure = Figure(figsize=(11, 8), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(
        f"{found.model.key}: {it.people} people, {it.files} recordings, equal error rate {it.equal_error:.1%}",
        fontsize=12,
        parse_math=False,
    )
    (pairs, profiles), (rates, odds) = figure.subplots(2, 2)
    _draw_scores(pairs, it.pairs, "One recording against another")
    _draw_scores(profiles, it.profiles, "A recording against who is enrolled with others")
    for axes in (pairs, profiles):
        axes.axvline(it.equal_error_cosine, color="black", linewidth=0.8, linestyle="--")
    pairs.legend(loc="upper left", fontsize=9)
    _draw_rates(rates, it.pairs)
    cosines = np.linspace(-0.2, 1.0, 200)
    odds.plot(cosines, [it.own.probability(value) for value in cosines], color=OTHER, label="the encoder's own")
    if it.fitted is not None:
        fitted = [it.fitted.probability(value) for value in cosines]
        odds.plot(cosines, fitted, color="black", label="fitted on these voices")
    odds.legend(loc="upper left", fontsize=9)
    odds.set_xlabel("cosine")
    odds.set_ylabel("probability of one voice, at even odds")
    odds.set_title("What a cosine means", loc="left", fontsize=10, fontweight="bold")
    try:
        figure.savefig(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error


def _draw_scores(axes: Axes, trials: Trials, title: str) -> None:
    both = np.concatenate((trials.targets, trials.impostors))
    edges = np.linspace(float(both.min()), max(float(both.max()), float(both.min()) + 1e-3), BINS + 1)
    for scores, shade, label in ((trials.impostors, OTHER, "different"), (trials.targets, SAME, "the same")):
        axes.hist(
            scores, edges.tolist(), density=True, color=shade, alpha=0.75, label=f"{label} voice ({len(scores):,})"
        )
    axes.set_xlabel("cosine")
    axes.set_yticks([])
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")


def _draw_rates(axes: Axes, trials: Trials) -> None:
    curve = error_curve(trials.targets, trials.impostors)
    axes.plot(curve.thresholds[:-1], curve.misses[:-1], color=SAME, label="missed")
    axes.plot(curve.thresholds[:-1], curve.false_alarms[:-1], color=OTHER, label="strangers accepted")
    axes.set_yscale("symlog", linthresh=0.001)
    axes.set_ylim(0.0, 1.0)
    axes.set_yticks([0, 0.001, 0.01, 0.1, 1.0], ["0", "0.1 %", "1 %", "10 %", "100 %"])
    axes.legend(loc="lower left", fontsize=9)
    axes.set_xlabel("cosine from which on voices are taken for one")
    axes.set_title("What a threshold costs", loc="left", fontsize=10, fontweight="bold")
