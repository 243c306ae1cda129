"""Whether a tenant's steering is scaled down further. Pure.

A window is looked at after each of its answers, so chance has many tries: under the usual interval
of 90% healthy traffic at half its limit of 5%, with 20 answers in the window, crosses it once in
600 answers. At 99.9% it is once in 39,000, and traffic at three times its limit still needs 40
answers (median). docs/backoff.md has the figures.
"""

from __future__ import annotations

from steersman_vectors.intervals import wilson_at

from ..tenants.backoff import BackoffPolicy
from .window import Counts

Z = 3.2905267314919255
"""Of a normal distribution, 99.9% are within so many standard deviations."""


def next_scale(
    policy: BackoffPolicy, counts: Counts, scale: float, since_change_s: float
) -> float | None:
    """Returns the lower scale that shall be in force, 0 for off; None where nothing is to be done.

    scale: what is in force; what is returned is always less. since_change_s: seconds since it was
    changed, by whomever.
    """
    if scale == 0.0 or since_change_s < policy.cooldown_s or counts.answers < policy.min_answers:
        return None
    if not surely_above(policy.max_degenerate_rate, counts):
        return None
    lower = scale * policy.factor
    return lower if lower >= policy.floor else 0.0


def surely_above(limit: float, counts: Counts) -> bool:
    """Returns whether the degenerate rate is above the limit by more than chance explains."""
    return wilson_low(counts.degenerate, counts.answers) > limit


def wilson_low(hits: int, of: int, z: float = Z) -> float:
    """Returns the lower end of Wilson's score interval for a rate; 0 without any trial."""
    return wilson_at(hits, of, z)[0]
