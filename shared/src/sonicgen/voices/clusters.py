"""Vectors to groups: how many voices there are, and which vector is whose.

Normalised maximum eigengap spectral clustering (Park et al., "Auto-tuning spectral clustering for speaker diarization
using normalized maximum eigengap", 2019) over micro-clusters, so that hours stay affordable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.cluster.hierarchy
import scipy.cluster.vq
import scipy.linalg
from numpy.typing import NDArray

MOST_POINTS = 500  # more are first joined to micro-clusters: an eigenvalue problem of 500 takes 30 ms
CHUNK_POINTS = 400  # neighbours in time that are joined with each other
NEIGHBOUR_SHARES = (0.05, 0.08, 0.12, 0.18, 0.25, 0.35)  # tried sizes of the neighbourhood that counts
MOST_VOICES = 12


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

    Groups whose centroids have a cosine above `merge_above` are one voice. A group whose vectors have a mean cosine
    with each other below `split_below` holds several.
    """

    merge_above: float
    split_below: float


def cluster(vectors: NDArray[np.floating], count: VoiceCount, likeness: Likeness, smallest: int) -> NDArray[np.intp]:
    """Return each unit vector's group, numbered from 0.

    Groups of fewer than `smallest` vectors are absorbed, those that are too alike merged; neither goes below
    `count.least`.
    """
    rows = unit(vectors)
    points, member = _micro_clusters(rows)
    groups = _tidy(rows, _spectral(points, count)[member], count, likeness, smallest)
    if count.most > count.least and _least_coherence(rows, groups) < likeness.split_below:
        # The eigengap saw too few: of 95 minutes of ten voices it made one group, mean cosine 0.07. Too many groups to
        # begin with are then merged to 9, in which 88 % of the windows are with their own voice.
        many = _k_means(points, min(count.most, len(points)))
        many = np.unique(many, return_inverse=True)[1].astype(np.intp)
        groups = _tidy(rows, many[member], count, likeness, smallest)
    return groups


def _tidy(
    rows: NDArray[np.float64], groups: NDArray[np.intp], count: VoiceCount, likeness: Likeness, smallest: int
) -> NDArray[np.intp]:
    return _merge(rows, _absorb(rows, groups, smallest, count.least), likeness.merge_above, count.least)


def _least_coherence(rows: NDArray[np.float64], groups: NDArray[np.intp]) -> float:
    """Return the mean cosine within the group where it is lowest."""
    return min(float(np.square(rows[groups == group].mean(axis=0)).sum()) for group in np.unique(groups))


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
    return np.unique(found, return_inverse=True)[1].astype(np.intp)


def _spectral(points: NDArray[np.float64], count: VoiceCount) -> NDArray[np.intp]:
    most = min(count.most, len(points))
    if most <= 1 or len(points) < 4:
        return np.zeros(len(points), np.intp)
    affinity = (points @ points.T + 1) / 2
    best: tuple[float, int, NDArray[np.float64]] | None = None
    for neighbours in sorted({max(2, int(len(points) * share)) for share in NEIGHBOUR_SHARES}):
        values, basis = _eigen(affinity, neighbours, most + 1)
        gaps = np.diff(values)[max(count.least, 1) - 1 : most]
        if not len(gaps):
            continue
        voices = int(gaps.argmax()) + max(count.least, 1)
        ratio = neighbours / len(points) / (float(gaps.max()) / (float(values[-1]) + 1e-9) + 1e-9)
        if best is None or ratio < best[0]:
            best = (ratio, voices, basis)
    if best is None or best[1] <= 1:
        return np.zeros(len(points), np.intp)
    _, voices, basis = best
    rows = unit(basis[:, :voices])
    found = _k_means(rows, voices)
    return np.unique(found, return_inverse=True)[1].astype(np.intp)


def _eigen(
    affinity: NDArray[np.float64], neighbours: int, most: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smallest eigenvalues and vectors of the Laplacian over each point's nearest neighbours."""
    cut = np.partition(affinity, -neighbours, axis=1)[:, -neighbours][:, None]
    near = (affinity >= cut).astype(np.float64)
    near = (near + near.T) / 2
    np.fill_diagonal(near, 0)
    laplacian = np.diag(near.sum(axis=1)) - near
    values, basis = scipy.linalg.eigh(laplacian, subset_by_index=[0, min(most, len(near)) - 1])
    return values, basis


def _k_means(rows: NDArray[np.float64], groups: int) -> NDArray[np.intp]:
    """Return the best of a few k-means runs; always the same for the same rows."""
    best: tuple[float, NDArray[np.intp]] | None = None
    for seed in range(5):
        centres, found = scipy.cluster.vq.kmeans2(rows, groups, iter=30, minit="++", rng=np.random.default_rng(seed))
        cost = float(((rows - centres[found]) ** 2).sum())
        if best is None or cost < best[0]:
            best = (cost, found.astype(np.intp))
    if best is None:
        raise AssertionError
    return best[1]


def _absorb(rows: NDArray[np.float64], groups: NDArray[np.intp], smallest: int, least: int) -> NDArray[np.intp]:
    """Give the vectors of too small groups to the nearest of the others."""
    sizes = np.bincount(groups)
    large = np.flatnonzero(sizes >= smallest)
    if len(large) < max(least, 1):
        large = np.sort(np.argsort(-sizes, kind="stable")[: max(least, 1)])
    nearest = (rows @ centroids(rows, groups)[large].T).argmax(axis=1)
    own = np.searchsorted(large, groups).clip(0, len(large) - 1)
    return np.where(np.isin(groups, large), own, nearest).astype(np.intp)


def _merge(rows: NDArray[np.float64], groups: NDArray[np.intp], above: float, least: int) -> NDArray[np.intp]:
    """Merge the two closest groups as long as they are closer than `above`."""
    while int(groups.max()) + 1 > max(1, least):
        means = centroids(rows, groups)
        close = means @ means.T
        np.fill_diagonal(close, -1)
        first, second = np.unravel_index(int(close.argmax()), close.shape)
        if close[first, second] <= above:
            break
        groups = np.unique(np.where(groups == second, first, groups), return_inverse=True)[1].astype(np.intp)
    return groups
