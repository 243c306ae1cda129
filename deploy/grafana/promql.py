"""PromQL that is said more than once: rates, shares, quantiles, and an interval around a share."""

from __future__ import annotations

Z = 1.96
"""Standard deviations on both sides: 95%."""


def rate(series: str, by: str = "", window: str = "$__rate_interval") -> str:
    """Returns counts per second, summed by labels."""
    return f"sum {f'by ({by}) ' if by else ''}(rate({series}[{window}]))"


def count(series: str, by: str = "", window: str = "$__range") -> str:
    """Returns how many in a window, summed by labels."""
    return f"sum {f'by ({by}) ' if by else ''}(increase({series}[{window}]))"


def top(expr: str, most: int = 8) -> str:
    """Returns the largest series: more than eight lines cannot be told apart."""
    return f"topk({most}, {expr})"


def share(part: str, whole: str) -> str:
    """Returns part / whole: 0 where nothing was ever counted as a part, nothing where no whole."""
    return f"({part} or {whole} * 0) / ({whole} > 0)"


def quantile(q: float, histogram: str, by: str = "", window: str = "$__rate_interval") -> str:
    """Returns a quantile of a classic histogram, named without `_bucket`."""
    name, brace, rest = histogram.partition("{")
    return f"histogram_quantile({q}, {rate(f'{name}_bucket{brace}{rest}', f'{by}, le' if by else 'le', window)})"  # noqa: E501


def mean(histogram: str, by: str = "", window: str = "$__rate_interval") -> str:
    """Returns the mean of a histogram's values.

    NOTE: never of one with values below 0: its sum may fall, which a rate takes for a restart, and
    Prometheus' client gives none. `mean_of_signed` is for these.
    """
    name, brace, rest = histogram.partition("{")
    total = rate(f"{name}_sum{brace}{rest}", by, window)
    return f"{total} / ({rate(f'{name}_count{brace}{rest}', by, window)} > 0)"


def mean_of_signed(
    histogram: str, added: str, by: str = "", window: str = "$__rate_interval"
) -> str:
    """Returns the mean of a histogram's values that may be below 0.

    added: a counter of the values without their sign, by the label `sign`; ends in a brace, as
    `name{` or `name{label="value", `.
    """
    up, down = (rate(f'{added}sign="{sign}"}}', by, window) for sign in ("positive", "negative"))
    name, brace, rest = histogram.partition("{")
    return f"({up} - {down}) / ({rate(f'{name}_count{brace}{rest}', by, window)} > 0)"


def wilson(part: str, whole: str, side: int) -> str:
    """Returns a bound of the 95% interval around part / whole (Wilson 1927); side -1 or 1.

    (p + z^2/2n + side * z * sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), with p = part / n. It stays
    within 0 and 1 and says something of 0 in 20, where the usual p +- z * sqrt(p(1-p)/n) does not.
    """
    n, z2 = f"({whole} > 0)", f"{Z * Z:.4f}"
    p = f"clamp(({part} or {whole} * 0) / {n}, 0, 1)"
    sign = "+" if side > 0 else "-"
    root = f"sqrt({p} * (1 - {p}) / {n} + {z2} / (4 * {n} * {n}))"
    # Of 0 in n the lower bound is 0, or in floating point a little below.
    return f"clamp(({p} + {z2} / (2 * {n}) {sign} {Z} * {root}) / (1 + {z2} / {n}), 0, 1)"
