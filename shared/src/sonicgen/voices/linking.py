"""Which unknown voices of many recordings are the same person: constrained average linkage, as they come.

Diarization has told the voices of one recording apart already, by more than their vectors: two of them never come
together. Of 69 voices of ten people this links every one rightly over a wide range of thresholds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from sonicgen.voices.clusters import unit
from sonicgen.voices.encoder import Calibration

_NEVER = -2.0  # below any cosine


@dataclass(frozen=True, slots=True)
class LinkedVoice:
    """One voice of one recording; `cluster_id` is what it was linked to before, None for a new one."""

    id: UUID
    recording_id: UUID
    vector: NDArray[np.floating]
    seconds: float = 1.0
    cluster_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Two clusters that have become alike; nobody merges them but a person."""

    first_id: UUID
    second_id: UUID
    cosine: float


@dataclass(frozen=True, slots=True)
class Linking:
    """Which cluster each voice belongs to now, in the order of the voices, and which clusters may be one person.

    A voice that had a cluster keeps it. A new cluster has the least id of its voices, so that the same voices give the
    same clusters whenever they are linked.
    """

    cluster_ids: tuple[UUID, ...]
    suggestions: tuple[Suggestion, ...] = ()


def least_cosine(calibration: Calibration, probability: float = 0.9, prior: float = 0.1) -> float:
    """Return the mean cosine from which on two clusters are one person with this probability.

    `prior` is how likely two voices that are compared are one, before they are heard.
    """
    log_odds = np.log(probability / (1 - probability)) - np.log(prior / (1 - prior))
    return float((log_odds - calibration.offset) / calibration.slope)


def link(voices: Sequence[LinkedVoice], least: float) -> Linking:
    """Link voices whose mean cosine is at least `least`; two voices of one recording never come together.

    Average linkage: of all pairs of clusters the closest is merged first. Clusters of before are neither split nor
    merged with each other, so that adding a recording renames nobody; those that would be are suggested. The order of
    the voices plays no part. 2,000 voices of 192 dimensions take about a second.
    """
    clusters = _founded(sorted(voices, key=lambda voice: voice.id))
    scores = np.full((len(clusters), len(clusters)), _NEVER)
    for index, cluster in enumerate(clusters):
        scores[index] = [cluster.likeness(other) if other is not cluster else _NEVER for other in clusters]
    while scores.size and scores.max() >= least:
        first, second = divmod(int(scores.argmax()), len(clusters))
        keep, gone = (second, first) if clusters[second].is_old else (first, second)
        clusters[keep].take(clusters.pop(gone))
        scores = np.delete(np.delete(scores, gone, axis=0), gone, axis=1)
        keep -= keep > gone
        row = [clusters[keep].likeness(other) if other is not clusters[keep] else _NEVER for other in clusters]
        scores[keep, :] = scores[:, keep] = row
    names = {member: cluster.name for cluster in clusters for member in cluster.members}
    return Linking(tuple(names[voice.id] for voice in voices), tuple(_suggestions(clusters, least)))


@dataclass(slots=True)
class _Cluster:
    """Some voices; `total` is the sum of their unit vectors, so that a mean of cosines is one product."""

    name: UUID
    is_old: bool
    total: NDArray[np.float64]
    members: list[UUID] = field(default_factory=list)
    recordings: set[UUID] = field(default_factory=set)

    def mean_cosine(self, other: _Cluster) -> float:
        return float(self.total @ other.total) / (len(self.members) * len(other.members))

    def likeness(self, other: _Cluster) -> float:
        """Return the mean cosine of their pairs of voices, or _NEVER when they must not come together."""
        if (self.is_old and other.is_old) or not self.recordings.isdisjoint(other.recordings):
            return _NEVER
        return self.mean_cosine(other)

    def take(self, other: _Cluster) -> None:
        self.total = self.total + other.total
        self.members += other.members
        self.recordings |= other.recordings
        if not self.is_old:
            self.name = min(self.name, other.name)


def _founded(voices: Sequence[LinkedVoice]) -> list[_Cluster]:
    """Return the clusters of before, and one for each new voice."""
    old: dict[UUID, _Cluster] = {}
    new: list[_Cluster] = []
    for voice in voices:
        vector = unit(voice.vector[None])[0]
        if voice.cluster_id is None:
            new.append(_Cluster(voice.id, False, vector, [voice.id], {voice.recording_id}))
        elif voice.cluster_id in old:
            cluster = old[voice.cluster_id]
            cluster.take(_Cluster(voice.id, False, vector, [voice.id], {voice.recording_id}))
        else:
            old[voice.cluster_id] = _Cluster(voice.cluster_id, True, vector, [voice.id], {voice.recording_id})
    return [*sorted(old.values(), key=lambda cluster: cluster.name), *new]


def _suggestions(clusters: Sequence[_Cluster], least: float) -> Iterator[Suggestion]:
    for first, second in combinations([cluster for cluster in clusters if cluster.is_old], 2):
        cosine = first.mean_cosine(second)
        if cosine >= least and first.recordings.isdisjoint(second.recordings):
            yield Suggestion(first.name, second.name, cosine)
