"""The charts of a load run, drawn as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

_BINS = 24


def draw(path: Path, title: str, axis: str, lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> None:
    """Draw lines over minutes into one SVG; the same data give the same bytes."""
    figure = Figure(figsize=(8.0, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for name, (seconds, values) in lines.items():
        axes.plot(np.asarray(seconds, float) / 60, values, label=name, linewidth=1.4)
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel("minutes")
    axes.set_ylabel(axis)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=7, ncols=3, loc="upper left", framealpha=0.6)
    canvas: Any = FigureCanvasSVG(figure)
    with rc_context({"svg.hashsalt": path.parent.name}):  # names within the picture are random otherwise
        canvas.print_svg(str(path), metadata={"Date": None, "Creator": None})


def over_time(moments: Sequence[float], values: Sequence[float], share: float) -> tuple[list[float], list[float]]:
    """Return a quantile of the values in each of a row of equal stretches of time, without the empty ones."""
    if not len(moments):
        return [], []
    edges = np.linspace(0, max(moments) + 1e-6, _BINS + 1)
    places = np.digitize(moments, edges) - 1
    found = [(edges[n] + edges[n + 1], np.asarray(values)[places == n]) for n in range(_BINS)]
    kept = [(middle / 2, float(np.quantile(some, share))) for middle, some in found if len(some)]
    return [middle for middle, _ in kept], [value for _, value in kept]
