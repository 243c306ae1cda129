"""The Kullback-Leibler divergence of two next-token distributions of which only the top is known.

KL(p || q) of distributions that are made coarser is never more than of the distributions themselves
(the data processing inequality), so tokens are put into buckets whose mass is known, and where that
of q is not, it is chosen for the least divergence. The result is a lower bound, and exact once the
top is the whole vocabulary. In nats. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

TopLogprobs = Mapping[int, float]
"""Token -> log-probability of the likeliest tokens, and perhaps of more."""
NOTHING = 1e-6
"""Mass below which a rest is the rounding of log-probabilities in fp32, and no mass."""


def kl_lower_bound(p: TopLogprobs, q: TopLogprobs) -> float:
    """Returns a lower bound of KL(p || q) = sum over all tokens of p * log(p / q).

    Args:
        p: The `top` likeliest tokens of the one, as a mapping of exactly these.
        q: Those of the other.

    Three kinds of buckets: each token in both tops; together, those in p's only, of which q gives
    none more than its least likely top token; together, all others.
    """
    shared = p.keys() & q.keys()
    known = sum(_part(math.exp(p[token]), math.exp(q[token])) for token in shared)
    p_only = sum(math.exp(p[token]) for token in p.keys() - shared)
    p_shared = sum(math.exp(p[token]) for token in shared)
    q_shared = sum(math.exp(q[token]) for token in shared)
    p_other, q_other = _rest(p_shared), _rest(q_shared)
    p_only = min(p_only, p_other)
    # The most that q can give to the tokens that p alone has on top.
    least = math.exp(min(q.values())) if q else 1.0
    q_seen = sum(map(math.exp, q.values()))
    most = min(len(p.keys() - shared) * least, _rest(q_seen))
    return max(0.0, known + _bounded_rest(p_only, p_other - p_only, q_other, most))


def _bounded_rest(p_only: float, p_rest: float, q_other: float, most: float) -> float:
    """Returns the least of the two last buckets' divergence over all that q may do there.

    q gives the first x <= most of q_other: the sum falls in x until x is in p's own proportion.
    """
    p_other = p_only + p_rest
    if p_other < NOTHING:
        return 0.0
    if q_other < NOTHING:
        q_other = NOTHING  # less is not told apart from rounding; more mass means less divergence
    x = min(most, q_other * p_only / p_other)
    return _part(p_only, x) + _part(p_rest, q_other - x)


def _part(p: float, q: float) -> float:
    if p < NOTHING**2:
        return 0.0
    return p * math.log(p / max(q, NOTHING**2))


def _rest(mass: float) -> float:
    return max(0.0, 1.0 - mass)


def kl(p: Mapping[int, float], q: Mapping[int, float]) -> float:
    """Returns KL(p || q) of two whole distributions, as log-probabilities of the same tokens."""
    return sum(math.exp(p[token]) * (p[token] - q[token]) for token in p)
