"""Vectors to groups: how many voices there are, and which vector is whose.

Ward's tree over micro-clusters (so that hours stay affordable) is cut into fewer and fewer groups; at each cut every
vector goes to the group that it is closest to, and the first cut that leaves no two groups alike is taken. Joining the
two groups most alike instead of cutting anew keeps what an early cut got wrong: docs/voices.md compares them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.cluster.hierarchy
from numpy.typing import NDArray

MOST_POINTS = 500  # more are first joined to micro-clusters: their tree takes 10 ms
CHUNK_POINTS = 400  # neighbours in time that are joined with each other
MOST_VOICES = 12
FIRST_GROUPS = 12  # groups to begin with, or as many as there may be voices; 20 do not find more
ROUNDS = 3  # how often the vectors are given to their closest group after each cut


@dataclass(frozen=True, slots=True)
class VoiceCount:
    """How many voices there may be."""

    least: int = 1
    most: int = MOST_VOICES


def unit(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the rows at length one."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, 1e-12), np.float64)


@dataclass(frozen=True, slots=True)
class Likeness:
    """What vectors of one voice are like; it belongs to the embedding.

    Two groups are one voice when they are more than `merge_above` as alike as each is in itself: the mean cosine of
    vectors of one with vectors of the other, in proportion to the mean within both. A group's own counts as
    `split_below` where it is less: so little agreement is no voice's.
    """

    merge_above: float
    split_below: float


def cluster(vectors: NDArray[np.floating], count: VoiceCount, likeness: Likeness, smallest: int) -> NDArray[np.intp]:
    """Return each unit vector's group, numbered from 0.

    Groups of fewer than `smallest` vectors are absorbed, those that are too alike merged; neither goes below
    `count.least`, and above `count.most` there are none.
    """
    rows = unit(vectors)
    points, member = _micro_clusters(rows)
    if min(count.most, len(points)) <= 1 or (len(points) < 4 and count.least <= 1):
        return np.zeros(len(rows), np.intp)
    first = count.least if count.least == count.most else max(FIRST_GROUPS, count.most)
    first = min(first, max(count.least, len(points) // smallest))
    tree = scipy.cluster.hierarchy.linkage(points, "ward")
    for cut in range(max(1, first), 0, -1):
        groups = _settle(rows, _cut(tree, cut)[member], smallest, count.least)
        number = int(groups.max()) + 1
        if number <= max(1, count.least):
            break
        if number <= count.most and _alike(rows, groups, likeness.split_below).max() <= likeness.merge_above:
            break
    return groups


def _settle(rows: NDArray[np.float64], groups: NDArray[np.intp], smallest: int, least: int) -> NDArray[np.intp]:
    """Return the groups after their vectors went to the closest ones and too small groups were absorbed."""
    groups = _absorb(rows, groups, smallest, least)
    for _ in range(ROUNDS):
        moved = _numbered((rows @ centroids(rows, groups).T).argmax(axis=1))
        if int(moved.max()) + 1 < least:
            break
        groups = moved
    return _absorb(rows, groups, smallest, least)


def _alike(rows: NDArray[np.float64], groups: NDArray[np.intp], least: float) -> NDArray[np.float64]:
    """Return how alike each two groups are in proportion to what they are in themselves; -1 on the diagonal.

    Unlike the cosine of two centroids it does not grow with the groups: of one voice it is about 1 for any sizes.
    """
    sizes = np.bincount(groups).astype(np.float64)
    sums = np.zeros((len(sizes), rows.shape[1]))
    np.add.at(sums, groups, rows)
    products = sums @ sums.T
    within = (np.diag(products) - sizes) / np.maximum(sizes * (sizes - 1), 1)  # of different vectors only
    within = np.maximum(within, least)
    alike: NDArray[np.float64] = products / np.outer(sizes, sizes) / np.sqrt(np.outer(within, within))
    np.fill_diagonal(alike, -1)
    return alike


def _cut(tree: NDArray[np.float64], groups: int) -> NDArray[np.intp]:
    return _numbered(scipy.cluster.hierarchy.fcluster(tree, groups, "maxclust"))


def _numbered(groups: NDArray[np.integer]) -> NDArray[np.intp]:
    numbers: NDArray[np.intp] = np.unique(groups, return_inverse=True)[1].astype(np.intp)
    return numbers


def centroids(rows: NDArray[np.floating], groups: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the unit mean of each group."""
    sums = np.zeros((int(groups.max()) + 1, rows.shape[1]))
    np.add.at(sums, groups, rows)
    return unit(sums)


def _micro_clusters(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return at most MOST_POINTS unit vectors that stand for all, and which one stands for each row."""
    points = rows
    member = np.arange(len(rows))
    while len(points) > MOST_POINTS:
        share = max(0.25, MOST_POINTS / len(points))
        labels = np.empty(len(points), np.intp)
        first = 0
        for start in range(0, len(points), CHUNK_POINTS):
            part = points[start : start + CHUNK_POINTS]
            labels[start : start + len(part)] = first + _average_linkage(part, max(1, int(len(part) * share)))
            first = int(labels[start : start + len(part)].max()) + 1
        points = centroids(points, labels)
        member = labels[member]
    return points, member


def _average_linkage(points: NDArray[np.float64], groups: int) -> NDArray[np.intp]:
    if len(points) <= groups:
        return np.arange(len(points))
    tree = scipy.cluster.hierarchy.linkage(points, "average", "cosine")
    found = scipy.cluster.hierarchy.fcluster(tree, groups, "maxclust")
    return _numbered(found)


def _absorb(rows: NDArray[np.float64], groups: NDArray[np.intp], smallest: int, least: int) -> NDArray[np.intp]:
    """Give the vectors of too small groups to the nearest of the others."""
    sizes = np.bincount(groups)
    large = np.flatnonzero(sizes >= smallest)
    if len(large) < max(least, 1):
        large = np.sort(np.argsort(-sizes, kind="stable")[: max(least, 1)])
    nearest = (rows @ centroids(rows, groups)[large].T).argmax(axis=1)
    own = np.searchsorted(large, groups).clip(0, len(large) - 1)
    return np.where(np.isin(groups, large), own, nearest).astype(np.intp)
