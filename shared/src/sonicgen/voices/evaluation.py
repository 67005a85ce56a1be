"""How well an encoder tells labelled people apart: verification, open-set identification, and a calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import NAMESPACE_OID, UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from sonicgen.errors import InputError
from sonicgen.voices.calibration import (
    Scores,
    calibration_error,
    check_enough,
    equal_error,
    fit,
    least_cost,
    likelihood_cost,
    misses_at,
)
from sonicgen.voices.clusters import unit
from sonicgen.voices.encoder import Calibration
from sonicgen.voices.identify import Candidate, Identity, Outcome, Thresholds, Voice, identify, profile

# A person is enrolled with so many recordings, where there are more than these.
ENROLLED = 3
# Draws of who is enrolled; half of the people are, the others are strangers.
DRAWS = 20
FOLDS = 5
FALSE_ALARM_RATE = 0.01
_CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class LabelledVoices:
    """Recordings of known people: a name, a unit vector (a row) and seconds of speech for each."""

    names: Sequence[str]
    vectors: NDArray[np.float32]
    seconds: Sequence[float]

    def of_people(self, names: Sequence[str]) -> LabelledVoices:
        """Return those of some people."""
        places = [place for place, name in enumerate(self.names) if name in set(names)]
        return LabelledVoices(
            [self.names[place] for place in places], self.vectors[places], [self.seconds[place] for place in places]
        )

    @property
    def people(self) -> list[str]:
        """Who there is."""
        return sorted(set(self.names))


@dataclass(frozen=True, slots=True)
class Trials:
    """Cosines of comparisons: of the same voice, and of different ones."""

    targets: Scores
    impostors: Scores

    def ratios(self, calibration: Calibration) -> tuple[Scores, Scores]:
        """Return the log-likelihood ratios that a calibration makes of them."""
        first, second = (calibration.slope * side + calibration.offset for side in (self.targets, self.impostors))
        return first, second

    def cost(self, calibration: Calibration) -> float:
        """Return Cllr."""
        return likelihood_cost(*self.ratios(calibration))

    def error(self, calibration: Calibration) -> float:
        """Return the expected calibration error, both sides counted alike."""
        ratios = np.concatenate(_as_many(*self.ratios(calibration)))
        truth = np.arange(len(ratios)) < len(ratios) / 2
        return calibration_error(1 / (1 + np.exp(-np.clip(ratios, -500, 500))), truth)


@dataclass(frozen=True, slots=True)
class OpenSet:
    """Identification when half of those who speak are not enrolled; means over all draws.

    `top_one` is how often the closest of the enrolled is the right one. `misses` are enrolled ones that are not named,
    or wrongly, when the threshold `probability` lets `FALSE_ALARM_RATE` of strangers through. `named`, `wrong` and
    `strangers_named` are what the decision does with the thresholds that are in use.
    """

    top_one: float
    misses: float
    probability: float
    named: float
    wrong: float
    strangers_named: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found; `own` is the encoder's calibration, `fitted` the one that these voices suggest.

    `pairs` compares recordings with each other, `profiles` with people who are enrolled with several. `held_out` is
    Cllr on people that the calibration was not fitted on. `fitted` is None when there are too few comparisons.
    """

    people: int
    files: int
    pairs: Trials
    profiles: Trials
    equal_error: float
    equal_error_cosine: float
    least_cost: float
    least_cost_cosine: float
    own: Calibration
    own_set: OpenSet | None
    fitted: Calibration | None
    fitted_set: OpenSet | None
    held_out: float | None


def evaluate(voices: LabelledVoices, own: Calibration, seed: int = 0) -> Evaluation:
    """Return how well these voices are told apart; the same for the same voices.

    Raises InputError unless two people have two recordings each.
    """
    counts = [list(voices.names).count(name) for name in voices.people]
    if sum(count >= 2 for count in counts) < 2:
        raise InputError("At least two people with two recordings each are needed; five with four say something.")
    generator = np.random.default_rng(seed)
    pairs, profiles = pair_trials(voices), profile_trials(voices, generator)
    rate, rate_at = equal_error(pairs.targets, pairs.impostors)
    cost, cost_at = least_cost(pairs.targets, pairs.impostors)
    try:
        fitted: Calibration | None = fit_trials(pairs, profiles, own)
    except InputError:
        fitted = None
    return Evaluation(
        people=len(voices.people),
        files=len(voices.names),
        pairs=pairs,
        profiles=profiles,
        equal_error=rate,
        equal_error_cosine=rate_at,
        least_cost=cost,
        least_cost_cosine=cost_at,
        own=own,
        own_set=open_set(voices, own, np.random.default_rng(seed)),
        fitted=fitted,
        fitted_set=open_set(voices, fitted, np.random.default_rng(seed)) if fitted else None,
        held_out=held_out_cost(voices, own, generator),
    )


def pair_trials(voices: LabelledVoices) -> Trials:
    """Compare every recording with every other."""
    rows = unit(voices.vectors)
    names = np.asarray(voices.names)
    first, second = np.triu_indices(len(rows), 1)
    cosines = (rows @ rows.T)[first, second]
    same = names[first] == names[second]
    return Trials(cosines[same], cosines[~same])


def profile_trials(voices: LabelledVoices, generator: np.random.Generator) -> Trials:
    """Compare every recording with a profile of each person that does not rest on it."""
    rows, names = unit(voices.vectors), np.asarray(voices.names)
    seconds = np.asarray(voices.seconds)
    targets: list[float] = []
    impostors: list[float] = []
    for place, row in enumerate(rows):
        for name in voices.people:
            others = np.flatnonzero((names == name) & (np.arange(len(names)) != place))
            if len(others) == 0:
                continue
            chosen = generator.permutation(others)[:ENROLLED]
            cosine = float(profile(rows[chosen], seconds[chosen].tolist()) @ row)
            (targets if names[place] == name else impostors).append(cosine)
    return Trials(np.asarray(targets), np.asarray(impostors))


def fit_trials(pairs: Trials, profiles: Trials, own: Calibration) -> Calibration:
    """Return the calibration for both kinds of comparisons, which count alike: people are enrolled with one or more."""
    check_enough(pairs.targets, pairs.impostors)  # those with profiles are the same recordings once more
    targets = np.concatenate(_as_many(pairs.targets, profiles.targets))
    impostors = np.concatenate(_as_many(pairs.impostors, profiles.impostors))
    return fit(targets, impostors, own)


def held_out_cost(voices: LabelledVoices, own: Calibration, generator: np.random.Generator) -> float | None:
    """Return Cllr on people that the calibration was not fitted on, None when there are too few people for that."""
    costs = []
    for _ in range(FOLDS):
        order = generator.permutation(voices.people).tolist()
        learnt, heard = voices.of_people(order[: len(order) // 2]), voices.of_people(order[len(order) // 2 :])
        try:
            found = fit_trials(pair_trials(learnt), profile_trials(learnt, generator), own)
            trials = profile_trials(heard, generator)
            if not len(trials.targets) or not len(trials.impostors):
                return None
            costs.append(trials.cost(found))
        except InputError:
            return None
    return float(np.mean(costs))


def open_set(voices: LabelledVoices, calibration: Calibration, generator: np.random.Generator) -> OpenSet | None:
    """Return how identification does, None when nobody has a recording to enrol with and another to be heard in."""
    names = np.asarray(voices.names)
    eligible = [name for name in voices.people if (names == name).sum() >= 2]
    known: list[tuple[float, bool, bool]] = []  # probability, closest is right, named
    wrong = 0
    strangers: list[tuple[float, bool]] = []
    for _ in range(DRAWS):
        enrolled = set(generator.permutation(eligible)[: max(1, len(voices.people) // 2)].tolist())
        gallery, used = _enrol(voices, sorted(enrolled), generator)
        for place, name in enumerate(voices.names):
            if place in used:
                continue
            found = _ask(voices, place, gallery, calibration)
            right = found.best_id == _id(name)
            if name in enrolled:
                known.append((found.probability if right else -np.inf, right, right and found.speaker_id is not None))
                wrong += found.speaker_id not in (None, _id(name))
            else:
                strangers.append((found.probability, found.outcome is Outcome.IDENTIFIED))
    if not known or not strangers:
        return None
    scores, close, named = (np.asarray(column, float) for column in zip(*known, strict=True))
    stranger_scores, stranger_named = (np.asarray(column, float) for column in zip(*strangers, strict=True))
    misses, threshold = misses_at(scores, stranger_scores, FALSE_ALARM_RATE)
    return OpenSet(
        float(close.mean()), misses, threshold, float(named.mean()), wrong / len(known), float(stranger_named.mean())
    )


def _as_many(one: Scores, other: Scores) -> tuple[Scores, Scores]:
    """Return both, the shorter repeated until they count alike."""
    size = max(len(one), len(other))
    return np.resize(one, size), np.resize(other, size)


def _enrol(
    voices: LabelledVoices, people: Sequence[str], generator: np.random.Generator
) -> tuple[dict[UUID, NDArray[np.float32]], set[int]]:
    """Return profiles of these people, and which recordings they rest on; one of each person is left to be heard."""
    names, gallery, used = np.asarray(voices.names), {}, set()
    for name in people:
        own = generator.permutation(np.flatnonzero(names == name))
        chosen = own[: min(ENROLLED, len(own) - 1)]
        gallery[_id(name)] = profile(voices.vectors[chosen], [voices.seconds[place] for place in chosen])
        used |= set(chosen.tolist())
    return gallery, used


def _ask(
    voices: LabelledVoices, place: int, gallery: dict[UUID, NDArray[np.float32]], calibration: Calibration
) -> Identity:
    cosines = np.array(list(gallery.values())) @ voices.vectors[place]
    near = sorted(zip(gallery, cosines.tolist(), strict=True), key=lambda item: -item[1])[:_CANDIDATES]
    voice = Voice("", voices.seconds[place], [Candidate(who, cosine) for who, cosine in near])
    # However little is said is judged: how much of that there is depends on the list and not on the encoder.
    return identify([voice], calibration, len(gallery), Thresholds(seconds=0.0))[0]


def _id(name: str) -> UUID:
    return uuid5(NAMESPACE_OID, name)
