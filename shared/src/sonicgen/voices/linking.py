"""Which unknown voices of many recordings are the same person: constrained average linkage, as they come.

Diarization has told the voices of one recording apart already, by more than their vectors: two of them never come
together. In 50 made recordings of two of ten readers each, BCubed F is 0.98 (docs/identification.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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


def least_cosine(calibration: Calibration, probability: float = 0.5, prior: float = 0.1) -> float:
    """Return the mean cosine from which on two clusters are one person with this probability.

    `prior` is how likely two voices that are compared are one, before they are heard. The mean of all pairs between two
    clusters is less than what one voice has with a profile: asking for more than an even chance leaves people in pieces
    (BCubed F 0.78 instead of 0.98), and even so no two people came together (docs/identification.md).
    """
    log_odds = np.log(probability / (1 - probability)) - np.log(prior / (1 - prior))
    return float((log_odds - calibration.offset) / calibration.slope)


def link(voices: Sequence[LinkedVoice], least: float) -> Linking:
    """Link voices whose mean cosine is at least `least`; two voices of one recording never come together.

    Average linkage: of all pairs of clusters the closest is merged first. Clusters of before are neither split nor
    merged with each other, so that adding a recording renames nobody; those that would be are suggested. The order of
    the voices plays no part. Memory and time grow with the square of what is linked at a time.
    """
    if not voices:
        return Linking(())
    clusters = _Clusters(sorted(voices, key=lambda voice: voice.id))
    clusters.merge(least)
    names = clusters.names()
    return Linking(tuple(names[voice.id] for voice in voices), tuple(clusters.suggestions(least)))


class _Clusters:
    """Clusters as rows of arrays: the sum of the unit vectors, how many, the recordings they are from.

    A mean of cosines is then one product of two sums. Rows of clusters that are gone stay, and match nobody.
    """

    def __init__(self, voices: Sequence[LinkedVoice]) -> None:
        old = sorted({voice.cluster_id for voice in voices if voice.cluster_id is not None})
        new = [voice.id for voice in voices if voice.cluster_id is None]
        self._old = len(old)
        self._ids = [*old, *new]
        row_of_old = {name: row for row, name in enumerate(old)}
        row_of_new = {name: len(old) + row for row, name in enumerate(new)}
        rows = [row_of_new[v.id] if v.cluster_id is None else row_of_old[v.cluster_id] for v in voices]
        recordings = {name: column for column, name in enumerate(sorted({voice.recording_id for voice in voices}))}
        vectors = unit(np.array([voice.vector for voice in voices]))
        self._totals = np.zeros((len(self._ids), vectors.shape[1]))
        self._sizes = np.zeros(len(self._ids))
        self._recordings = np.zeros((len(self._ids), len(recordings)), np.float32)
        np.add.at(self._totals, rows, vectors)
        np.add.at(self._sizes, rows, 1)
        self._recordings[rows, [recordings[voice.recording_id] for voice in voices]] = 1
        self._members: list[list[UUID]] = [[] for _ in self._ids]
        for voice, row in zip(voices, rows, strict=True):
            self._members[row].append(voice.id)
        self._is_there = np.ones(len(self._ids), bool)

    def merge(self, least: float) -> None:
        """Merge the two closest clusters that may come together, as long as they are close enough."""
        scores = np.array([self._may_join(row) for row in range(len(self._ids))])
        best = scores.argmax(axis=1)
        highest = scores[np.arange(len(best)), best]
        while highest.max() >= least:
            first = int(highest.argmax())
            keep, gone = sorted((first, int(best[first])))  # old ones come first, and stay
            self._take(keep, gone)
            row = self._may_join(keep)
            scores[gone, :] = scores[:, gone] = _NEVER
            scores[keep, :] = scores[:, keep] = row
            closer = row > highest
            best[closer], highest[closer] = keep, row[closer]
            for stale in np.flatnonzero((best == gone) | (best == keep) | (np.arange(len(best)) == keep)):
                best[stale] = scores[stale].argmax()
                highest[stale] = scores[stale, best[stale]]
            highest[gone] = _NEVER

    def names(self) -> dict[UUID, UUID]:
        """Return each voice's cluster: an old one's own id, or the least id of its voices."""
        return {
            member: self._name(row) for row in np.flatnonzero(self._is_there).tolist() for member in self._members[row]
        }

    def suggestions(self, least: float) -> Iterator[Suggestion]:
        """Yield old clusters that are close and have never met in a recording."""
        for first in range(self._old):
            cosines, met = self._cosines(first), self._recordings @ self._recordings[first] > 0
            for second in range(first + 1, self._old):
                if cosines[second] >= least and not met[second]:
                    yield Suggestion(self._ids[first], self._ids[second], float(cosines[second]))

    def _name(self, row: int) -> UUID:
        return self._ids[row] if row < self._old else min(self._members[row])

    def _cosines(self, row: int) -> NDArray[np.float64]:
        return np.asarray(self._totals @ self._totals[row] / (self._sizes * self._sizes[row]), np.float64)

    def _may_join(self, row: int) -> NDArray[np.float64]:
        """Return the mean cosines with all clusters, _NEVER for those that must not come together with this one."""
        cosines = self._cosines(row)
        cosines[self._recordings @ self._recordings[row] > 0] = _NEVER  # itself, too
        cosines[~self._is_there] = _NEVER
        if row < self._old:
            cosines[: self._old] = _NEVER
        return cosines

    def _take(self, keep: int, gone: int) -> None:
        self._totals[keep] += self._totals[gone]
        self._sizes[keep] += self._sizes[gone]
        self._recordings[keep] = np.maximum(self._recordings[keep], self._recordings[gone])
        self._members[keep] += self._members[gone]
        self._is_there[gone] = False
