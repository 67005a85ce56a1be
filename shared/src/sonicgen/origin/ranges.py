"""Arithmetic on stretches of time, as (start, end) in seconds."""

from __future__ import annotations

from collections.abc import Iterable

Range = tuple[float, float]


def union(ranges: Iterable[Range]) -> list[Range]:
    """Return the same time as ordered stretches that do not touch."""
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if end <= start:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def complement(ranges: Iterable[Range], seconds: float, minimum_seconds: float = 0.0) -> list[Range]:
    """Return what the ranges leave of 0 to `seconds`, without pieces shorter than `minimum_seconds`."""
    gaps: list[Range] = []
    at = 0.0
    for start, end in union(ranges):
        gaps.append((at, min(start, seconds)))
        at = max(at, end)
    gaps.append((at, seconds))
    return [(start, end) for start, end in gaps if end - start > max(minimum_seconds, 0.0)]


def total_seconds(ranges: Iterable[Range]) -> float:
    """Return how long the ranges are together, counting no moment twice."""
    return sum(end - start for start, end in union(ranges))


def subtract(ranges: Iterable[Range], removed: Iterable[Range]) -> list[Range]:
    """Return what of the ranges lies outside of those removed, as ordered stretches that do not touch."""
    removed = union(removed)
    left: list[Range] = []
    for start, end in union(ranges):
        at = start
        for low, high in removed:
            if high > at and low < end:
                left.append((at, low))
                at = high
        left.append((at, end))
    return [(start, end) for start, end in left if end > start]
