"""How well scores tell voices apart, and what they mean: error rates, costs, and the fit of a calibration.

Definitions as in the NIST speaker recognition evaluations; Cllr as in Brümmer and du Preez, "Application-independent
evaluation of speaker detection", 2006. A *target* is a comparison of a voice with itself, an *impostor* one with
another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonicgen.errors import InputError
from sonicgen.voices.encoder import Calibration

Scores = NDArray[np.float64]

# The costs' prior: one comparison in a hundred is of the same voice (NIST's minDCF at 0.01).
TARGET_PRIOR = 0.01
# How much a fit keeps to the encoder's own calibration, as a share of one comparison's weight. Thousands of comparisons
# do not feel it, and a few that happen to be told apart perfectly cannot drive the slope to infinity.
_STIFFNESS = 0.05
_ROUNDS = 100
FEWEST_COMPARISONS = 10
_BINS = 10


@dataclass(frozen=True, slots=True)
class ErrorCurve:
    """Misses and false alarms for every threshold: what scores at least the threshold is accepted."""

    thresholds: Scores
    misses: Scores
    false_alarms: Scores


def error_curve(targets: Scores, impostors: Scores) -> ErrorCurve:
    """Return the rates at every score that occurs, and above all of them. Raises InputError when a side is empty."""
    if not len(targets) or not len(impostors):
        raise InputError("Comparisons of the same voice and of different voices are both needed.")
    scores = np.unique(np.concatenate((targets, impostors)))
    thresholds = np.append(scores[np.isfinite(scores)], np.inf)
    misses = np.searchsorted(np.sort(targets), thresholds, side="left") / len(targets)
    accepted = len(impostors) - np.searchsorted(np.sort(impostors), thresholds, side="left")
    return ErrorCurve(thresholds, misses, accepted / len(impostors))


def equal_error(targets: Scores, impostors: Scores) -> tuple[float, float]:
    """Return the rate at which as many voices are missed as strangers accepted, and the score where that is."""
    curve = error_curve(targets, impostors)
    place = int(np.abs(curve.misses - curve.false_alarms).argmin())
    return float((curve.misses[place] + curve.false_alarms[place]) / 2), float(curve.thresholds[place])


def least_cost(targets: Scores, impostors: Scores, prior: float = TARGET_PRIOR) -> tuple[float, float]:
    """Return minDCF, the least cost of any threshold (1: no better than always saying no), and that threshold."""
    curve = error_curve(targets, impostors)
    costs = (prior * curve.misses + (1 - prior) * curve.false_alarms) / min(prior, 1 - prior)
    place = int(costs.argmin())
    return float(costs[place]), float(curve.thresholds[place])


def misses_at(targets: Scores, impostors: Scores, false_alarm_rate: float) -> tuple[float, float]:
    """Return how many are missed when at most this share of strangers is accepted, and the threshold that does so.

    For open-set identification a target that was given the wrong name scores -inf.
    """
    curve = error_curve(targets, impostors)
    place = int((curve.false_alarms <= false_alarm_rate).argmax())
    return float(curve.misses[place]), float(curve.thresholds[place])


def likelihood_cost(targets: Scores, impostors: Scores) -> float:
    """Return Cllr of log-likelihood ratios: 0 is perfect, 1 says nothing, more is misleading."""
    return float((np.logaddexp(0, -targets).mean() + np.logaddexp(0, impostors).mean()) / (2 * np.log(2)))


def calibration_error(probabilities: Scores, is_true: NDArray[np.bool_]) -> float:
    """Return the expected calibration error: how far probabilities are from how often they come true, in ten bins."""
    bins = np.minimum((np.asarray(probabilities) * _BINS).astype(int), _BINS - 1)
    error = 0.0
    for each in np.unique(bins):
        inside = bins == each
        error += inside.mean() * abs(float(np.mean(probabilities[inside])) - float(np.mean(is_true[inside])))
    return float(error)


def check_enough(targets: Scores, impostors: Scores) -> None:
    """Raise InputError when there are too few comparisons to learn anything from."""
    if len(targets) < FEWEST_COMPARISONS or len(impostors) < FEWEST_COMPARISONS:
        raise InputError(
            f"{len(targets)} comparisons of the same voice and {len(impostors)} of different ones are too few to fit "
            f"a calibration; {FEWEST_COMPARISONS} of each are the least."
        )


def fit(targets: Scores, impostors: Scores, start: Calibration) -> Calibration:
    """Return the calibration under which the comparisons are most likely, at even odds; `start` is the encoder's own.

    Both sides count the same, however many comparisons each has. Raises InputError when there are too few to learn
    from, or when they say that a voice is less like itself than like others.
    """
    check_enough(targets, impostors)
    scores = np.concatenate((targets, impostors))
    design = np.column_stack((scores, np.ones_like(scores)))
    truth = np.concatenate((np.ones_like(targets), np.zeros_like(impostors)))
    share = np.concatenate((np.full(len(targets), 0.5 / len(targets)), np.full(len(impostors), 0.5 / len(impostors))))
    centre = np.array([start.slope, start.offset])
    stiff = _STIFFNESS / len(targets) / np.square(np.maximum(np.abs(centre), 1.0))
    weights = centre.copy()
    for _ in range(_ROUNDS):
        probability = 1 / (1 + np.exp(-np.clip(design @ weights, -500, 500)))
        gradient = design.T @ (share * (probability - truth)) + stiff * (weights - centre)
        curvature = (design * (share * probability * (1 - probability))[:, None]).T @ design + np.diag(stiff)
        step = np.linalg.solve(curvature, gradient)
        # A full step from far off overshoots; one of the weights' own size never does for long.
        weights = weights - step * min(1.0, np.linalg.norm(centre) / max(float(np.linalg.norm(step)), 1e-12))
        if np.abs(step).max() < 1e-9:
            break
    if weights[0] <= 0:
        raise InputError("These voices are less like themselves than like each other; check who is named in the list.")
    return Calibration(float(weights[0]), float(weights[1]))
