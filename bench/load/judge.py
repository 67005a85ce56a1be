"""Whether something grows without end, judged by a straight line through the second half of what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# What a process may gain in the second half without being called growing: allocators and caches breathe this much.
BREATH_MB = 12.0
BREATH_SHARE = 0.06


@dataclass(frozen=True, slots=True)
class Growth:
    """A line through the second half: where it begins and ends (MB), how surely it rises, and the verdict."""

    start_mb: float
    end_mb: float
    t_value: float
    is_endless: bool

    def __str__(self) -> str:
        verdict = "grows" if self.is_endless else "level"
        return f"{self.start_mb:.0f} → {self.end_mb:.0f} MB, {verdict}"


def judge_growth(seconds: Sequence[float], sizes_mb: Sequence[float]) -> Growth:
    """Fit the second half; it grows when the line rises surely, and by more than a process breathes."""
    x, y = np.asarray(seconds, float), np.asarray(sizes_mb, float)
    half = x >= (x[0] + x[-1]) / 2
    x, y = x[half], y[half]
    if len(x) < 4:
        raise ValueError("A fit needs at least four measurements in the second half.")
    slope, offset = np.polyfit(x, y, 1)
    left = y - (slope * x + offset)
    spread = float(np.sqrt(np.sum(left**2) / (len(x) - 2) / np.sum((x - x.mean()) ** 2)))
    start, end = float(slope * x[0] + offset), float(slope * x[-1] + offset)
    t_value = float(slope / spread) if spread > 0 else (np.inf if slope > 0 else 0.0)
    gain = end - start
    return Growth(start, end, t_value, t_value > 3 and gain > max(BREATH_MB, BREATH_SHARE * start))
