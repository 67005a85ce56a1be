"""Whose voice it is: an open-set decision over all voices of a recording at once.

Every voice is either one of the people in the gallery or somebody else, and two voices of a recording are two people.
The encoder's calibration turns a cosine into a likelihood ratio; with the prior these make the probabilities of every
person and of "somebody else", which add up to one (Brümmer and de Villiers, "The speaker partitioning problem", 2010,
for one voice; the assignment is maximum a posteriori over all of them).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from sonicgen.voices.clusters import unit
from sonicgen.voices.encoder import Calibration

# Beyond this much speech a vector hardly becomes better: a long recording weighs no more than this in a profile.
WEIGHTED_SECONDS = 30.0
# How likely a diarizer is to have given two names to one voice, before the two are compared.
CUT_PRIOR = 0.05
_NEVER = -1e9


class Outcome(StrEnum):
    """Why a voice was named, or why not."""

    IDENTIFIED = "identified"
    EMPTY_GALLERY = "empty_gallery"  # nobody to compare with
    TOO_LITTLE_SPEECH = "too_little_speech"  # less speech than a decision is made on
    UNLIKELY = "unlikely"  # the closest person is not probable enough
    AMBIGUOUS = "ambiguous"  # two people are about as probable
    TAKEN = "taken"  # another voice of the recording is that person


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a decision asks for; it is kept with every decision.

    `probability` and `margin` are the least; the margin is that of the probabilities of the first and the second
    person. `known_share` is how likely a voice is to be somebody of the gallery before it is heard, shared evenly among
    its people: the larger the gallery, the closer a voice must be. `seconds` is the least speech. `same_voice` is from
    which probability on two voices of one recording are taken for one that was cut in two.
    """

    probability: float = 0.9
    margin: float = 0.5
    known_share: float = 0.5
    seconds: float = 2.0
    same_voice: float = 0.999

    def as_json(self) -> dict[str, float]:
        """Return it for a table or an answer."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person of the gallery that a voice may be, and the cosine of the voice with the profile."""

    speaker_id: UUID
    cosine: float


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice of a recording: all its speech, and the closest people of the gallery, closest first."""

    label: str
    seconds: float
    candidates: Sequence[Candidate] = field(default=())
    vector: NDArray[np.floating] | None = None  # lets two halves of one voice be noticed


@dataclass(frozen=True, slots=True)
class Identity:
    """The decision on one voice; `speaker_id` is None for UNKNOWN, whose `probability` is still the best person's.

    `margin` is that probability less the second's. `cosine` is None when the gallery is empty.
    """

    label: str
    outcome: Outcome
    speaker_id: UUID | None
    probability: float
    margin: float
    cosine: float | None
    best_id: UUID | None
    runner_up_id: UUID | None
    thresholds: Thresholds


def profile(vectors: NDArray[np.floating], seconds: Sequence[float]) -> NDArray[np.float32]:
    """Return the profile of one person: the unit mean of the unit vectors (a row each), weighted by speech.

    The same as the gallery's own, which Postgres computes.
    """
    weights = np.clip(np.asarray(seconds, np.float64), 1e-3, WEIGHTED_SECONDS)
    mean = weights @ unit(vectors)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)


def identify(
    voices: Sequence[Voice], calibration: Calibration, people: int, thresholds: Thresholds | None = None
) -> list[Identity]:
    """Decide for every voice of a recording who it is, or that it is nobody of the gallery; in the voices' order.

    `people` is how many the gallery holds, named ones only. Two voices are never one person, unless they are so alike
    that they are one voice cut in two.
    """
    thresholds = thresholds or Thresholds()
    groups = _same_voice(voices, calibration, thresholds)
    heard = [_weigh([voices[index] for index in group], calibration, people, thresholds) for group in groups]
    given = _assign(heard, thresholds.seconds)
    sure = {
        person
        for weights, person in zip(heard, given, strict=True)
        if person is not None and _verdict(weights, person, thresholds).is_enough
    }
    decided: dict[int, Identity] = {}
    for weights, person, group in zip(heard, given, groups, strict=True):
        # Somebody who surely is another voice of this recording no longer competes for this one.
        rest = weights if person is None else weights.without(sure - {person})
        for index in group:
            decided[index] = _decide(voices[index].label, rest, person, thresholds)
    return [decided[index] for index in range(len(voices))]


@dataclass(frozen=True, slots=True)
class _Weights:
    """How probable each candidate is for one voice, beside "somebody else", as logarithms that share a constant."""

    seconds: float
    cosines: dict[UUID, float]  # closest first
    people: dict[UUID, float]
    nobody: float

    def without(self, taken: set[UUID]) -> _Weights:
        people = {person: weight for person, weight in self.people.items() if person not in taken}
        return _Weights(self.seconds, self.cosines, people, self.nobody)

    def probabilities(self) -> dict[UUID, float]:
        """Return each candidate's probability, the most probable first; they and "somebody else" add up to one."""
        highest = max([self.nobody, *self.people.values()])
        odds = {person: math.exp(weight - highest) for person, weight in self.people.items()}
        total = math.exp(self.nobody - highest) + sum(odds.values())
        return {person: value / total for person, value in sorted(odds.items(), key=lambda item: -item[1])}


@dataclass(frozen=True, slots=True)
class _Verdict:
    probability: float
    runner_up: UUID | None
    margin: float
    somebody: float  # that it is anybody of the gallery
    is_enough: bool


def _weigh(parts: Sequence[Voice], calibration: Calibration, people: int, thresholds: Thresholds) -> _Weights:
    """Return the weights of one voice from its parts, usually a single one."""
    seconds = [min(max(part.seconds, 1e-3), WEIGHTED_SECONDS) for part in parts]
    cosines: dict[UUID, float] = {}
    for person in dict.fromkeys(candidate.speaker_id for part in parts for candidate in part.candidates):
        found = [next((c.cosine for c in part.candidates if c.speaker_id == person), None) for part in parts]
        heard = [(cosine, weight) for cosine, weight in zip(found, seconds, strict=True) if cosine is not None]
        if len(heard) == len(parts):  # a part that somebody is not even among the closest of speaks against them
            cosines[person] = sum(cosine * weight for cosine, weight in heard) / sum(seconds)
    cosines = dict(sorted(cosines.items(), key=lambda item: -item[1]))
    spoken = sum(part.seconds for part in parts)
    each = math.log(thresholds.known_share / max(people, len(cosines), 1))
    known = {person: each + calibration.log_odds(cosine) for person, cosine in cosines.items()}
    return _Weights(spoken, cosines, known, math.log(1 - thresholds.known_share))


def _assign(heard: Sequence[_Weights], least_seconds: float) -> list[UUID | None]:
    """Return who each voice is at best when no two are the same person: the most probable way to name all of them.

    A voice that says too little takes nobody.
    """
    people = list(dict.fromkeys(person for weights in heard for person in weights.people))
    if not people:
        return [None] * len(heard)
    # A column a person, then one "somebody else" for each voice.
    gain = np.full((len(heard), len(people) + len(heard)), _NEVER)
    for row, weights in enumerate(heard):
        for person, weight in weights.people.items() if weights.seconds >= least_seconds else ():
            gain[row, people.index(person)] = weight - weights.nobody
        gain[row, len(people) + row] = 0.0
    rows, columns = linear_sum_assignment(gain, maximize=True)
    chosen = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    return [people[chosen[row]] if chosen[row] < len(people) else None for row in range(len(heard))]


def _verdict(weights: _Weights, person: UUID, thresholds: Thresholds) -> _Verdict:
    probabilities = weights.probabilities()
    others = {other: value for other, value in probabilities.items() if other != person}
    runner_up = next(iter(others), None)
    probability = probabilities.get(person, 0.0)
    margin = probability - (others[runner_up] if runner_up is not None else 0.0)
    is_enough = probability >= thresholds.probability and margin >= thresholds.margin
    return _Verdict(probability, runner_up, margin, sum(probabilities.values()), is_enough)


def _decide(label: str, weights: _Weights, person: UUID | None, thresholds: Thresholds) -> Identity:
    best = person if person is not None else next(iter(weights.cosines), None)
    if best is None:
        return Identity(label, Outcome.EMPTY_GALLERY, None, 0.0, 0.0, None, None, None, thresholds)
    verdict = _verdict(weights, best, thresholds)
    if weights.seconds < thresholds.seconds:
        outcome = Outcome.TOO_LITTLE_SPEECH
    elif verdict.is_enough:
        outcome = Outcome.IDENTIFIED if person is not None else Outcome.TAKEN
    else:
        outcome = Outcome.AMBIGUOUS if verdict.somebody >= thresholds.probability else Outcome.UNLIKELY
    return Identity(
        label,
        outcome,
        best if outcome is Outcome.IDENTIFIED else None,
        verdict.probability,
        verdict.margin,
        weights.cosines[best],
        best,
        verdict.runner_up,
        thresholds,
    )


def _same_voice(voices: Sequence[Voice], calibration: Calibration, thresholds: Thresholds) -> list[list[int]]:
    """Return the voices in groups that are one voice each: a diarizer may cut one in two."""
    group = list(range(len(voices)))
    for first, second in itertools.combinations(range(len(voices)), 2):
        one, other = voices[first].vector, voices[second].vector
        if one is None or other is None:
            continue
        cosine = float(unit(one[None])[0] @ unit(other[None])[0])
        if calibration.probability(cosine, CUT_PRIOR) >= thresholds.same_voice:
            group = [group[first] if member == group[second] else member for member in group]
    return [[index for index in range(len(voices)) if group[index] == name] for name in dict.fromkeys(group)]
