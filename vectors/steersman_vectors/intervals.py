"""How far a share or a mean of a sample may be from the truth. Pure.

A share gets Wilson's interval, which stays within 0 and 1 and is honest at either end; a mean gets
Student's, for which the values must be independent, and either near to normal or many; differences
of pairs get Newcombe's interval where they are of shares, else Student's.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist, fmean, stdev

from .errors import CallerError

Interval = tuple[float, float]
"""Low, high; infinite where the sample says nothing."""
CONFIDENCE = 0.95
_TERMS, _TINY, _CLOSE = 300, 1e-300, 1e-15


def wilson(successes: float, n: float, confidence: float = CONFIDENCE) -> Interval:
    """Returns Wilson's score interval of a share, as `wilson_at`.

    Raises `CallerError(invalid_interval)` if not 0 <= successes <= n and 0 < confidence < 1.
    """
    _check(confidence)
    if not 0 <= successes <= n:
        raise _invalid(f"{successes} successes of {n}", "0 <= successes <= n")
    return wilson_at(successes, n, NormalDist().inv_cdf((1 + confidence) / 2))


def wilson_at(successes: float, n: float, z: float) -> Interval:
    """Returns Wilson's score interval of a share (1927); (0, 1) for n = 0.

    With p = successes / n and z the normal quantile:
    `(p + z*z/2n -+ z * sqrt(p*(1-p)/n + z*z/4n*n)) / (1 + z*z/n)`.
    """
    if n == 0:
        return 0.0, 1.0
    p = successes / n
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # At either end the formula is exact, and its floating point is not.
    low = 0.0 if successes == 0 else max(0.0, (centre - half) / scale)
    high = 1.0 if successes == n else min(1.0, (centre + half) / scale)
    return low, high


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Returns Student's interval of the mean; unbounded for fewer than two values.

    `mean -+ t(n - 1) * s / sqrt(n)`. NOTE: of values that are all the same it has no width, which
    says more of the sample than of the truth; of zeros and ones use `wilson`.

    Raises `CallerError(invalid_interval)` for values or a confidence that are none.
    """
    _check(confidence)
    if not all(map(math.isfinite, values)):
        raise _invalid("a value that is not finite", "finite values")
    if len(values) < 2:
        return -math.inf, math.inf
    mean = fmean(values)
    half = t_quantile((1 + confidence) / 2, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return mean - half, mean + half


def paired_difference(
    a: Sequence[float], b: Sequence[float], confidence: float = CONFIDENCE
) -> Interval:
    """Returns the interval of the mean of `a[i] - b[i]`, both of the same item i.

    Narrower than that of two means, for what makes an item hard is in both. Of zeros and ones it is
    Newcombe's (`paired_shares`), which has a width even where no item changed; else Student's.

    Raises `CallerError(invalid_interval)` if they differ in length.
    """
    if len(a) != len(b):
        raise _invalid(f"{len(a)} and {len(b)} values", "two of each item")
    if a and all(value in (0, 1) for value in (*a, *b)):
        counted = Counter(zip(a, b, strict=True))
        return paired_shares(counted[1, 1], counted[1, 0], counted[0, 1], counted[0, 0], confidence)
    return mean_interval([one - other for one, other in zip(a, b, strict=True)], confidence)


def paired_shares(
    both: float, first: float, second: float, neither: float, confidence: float = CONFIDENCE
) -> Interval:
    """Returns the interval of the difference of two shares of the same items: (first - second) / n.

    Newcombe's method 10 (Statistics in Medicine 17, 1998, 2635-2650): Wilson's intervals of the two
    shares, put together by how the items go along with each other.
    """
    n = both + first + second + neither
    if n == 0:
        return -1.0, 1.0
    p1, p2 = (both + first) / n, (both + second) / n
    (low1, high1), (low2, high2) = (
        wilson(min(count, n), n, confidence) for count in (both + first, both + second)
    )
    phi = _phi(both, first, second, neither)

    def apart(one: float, other: float) -> float:
        return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))

    difference = (first - second) / n
    return (
        max(-1.0, difference - apart(p1 - low1, high2 - p2)),
        min(1.0, difference + apart(high1 - p1, p2 - low2)),
    )


def _phi(both: float, first: float, second: float, neither: float) -> float:
    """Returns the correlation of the two, towards 0 by half an item; 0 where one never changes."""
    sides = (both + first) * (second + neither) * (both + second) * (first + neither)
    if sides == 0:
        return 0.0
    crossed = float(both * neither - first * second)
    if crossed > 0:
        crossed = max(0.0, crossed - (both + first + second + neither) / 2)
    return crossed / math.sqrt(sides)


@lru_cache(maxsize=4096)
def t_quantile(probability: float, freedom: int) -> float:
    """Returns Student's quantile, for 0.5 <= probability < 1 and at least one degree of freedom.

    By bisection on `t_cdf`, in milliseconds: to 1e-7 of its size up to probability 0.99999.
    """
    high = 1.0
    while t_cdf(high, freedom) < probability:
        high *= 2
    low = 0.0
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if t_cdf(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def t_cdf(t: float, freedom: int) -> float:
    """Returns the probability that Student's t is at most `t`, for t >= 0."""
    # Not 1 - I of the rest: of a small t that would lose all digits.
    return 0.5 + _regularised_beta(t * t / (freedom + t * t), 0.5, freedom / 2) / 2


def _regularised_beta(x: float, a: float, b: float) -> float:
    """Returns I_x(a, b) by its continued fraction (Numerical Recipes 6.4, Lentz's method)."""
    if x in (0.0, 1.0):
        return x
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on one side only
        return 1 - front * _fraction(1 - x, b, a) / b
    return front * _fraction(x, a, b) / a


def _fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1 / _nonzero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        step = 1.0
        for term in (even, odd):
            d = 1 / _nonzero(1 + term * d)
            c = _nonzero(1 + term / c)
            step = d * c
            value *= step
        if abs(step - 1) < _CLOSE:
            break
    return value


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _check(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise _invalid(f"confidence {confidence}", "between 0 and 1, such as 0.95")


def _invalid(got: str, expected: str) -> CallerError:
    return CallerError(f"interval: got {got}, expected {expected}", code="invalid_interval")
