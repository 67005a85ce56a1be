"""How likely a match is chance: the expected number of equally good matches by accident, and what follows from it."""

from __future__ import annotations

import math

from sonicgen.domain.match import Decision

DEFAULT_FALSE_POSITIVE_RATE = 1e-3
# What is measured errs on the safe side: of two kinds of decoys that which leaves less is believed, and the places that
# are tried are not independent. One power of ten is given back, the rest kept as a margin (docs/fingerprint.md).
CREDIT_LOG10 = 1.0
# Rates outside these are not trusted: a decoy rate of 0 comes from too few peaks, one near 1 from a loop.
LOWEST_RATE, HIGHEST_RATE = 1e-3, 0.9


def log10_tail(matched: int, tried: int, rate: float) -> float:
    """Return a bound on log10 of the chance that `matched` or more of `tried` align when each does with `rate`.

    Chernoff's bound for the binomial tail.
    """
    if tried <= 0 or matched <= tried * rate:
        return 0.0
    share = matched / tried
    divergence = share * math.log(share / rate)
    if share < 1.0:
        divergence += (1.0 - share) * math.log((1.0 - share) / (1.0 - rate))
    return -tried * divergence / math.log(10.0)


def log10_expected(matched: int, tried: int, rate: float, trials: float) -> float:
    """Return log10 of how many matches this good are expected by chance in `trials` places that were tried."""
    rate = min(max(rate, LOWEST_RATE), HIGHEST_RATE)
    return log10_tail(matched, tried, rate) + log10_of_trials(trials)


def log10_of_trials(trials: float) -> float:
    """Return by how much (log10) evidence is reduced when so many places were tried."""
    return math.log10(max(trials, 1.0)) - CREDIT_LOG10


def probability(log10_chance: float) -> float:
    """Return the probability that a match is real: one real match against the expected number by chance."""
    return float(1.0 / (1.0 + 10.0 ** min(log10_chance, 30.0)))


def decide(log10_chance: float, false_positive_rate: float) -> Decision | None:
    """Return the decision, None when the match is no better than chance."""
    if log10_chance <= math.log10(false_positive_rate):
        return Decision.MATCH
    return Decision.UNSURE if log10_chance < 0.0 else None
