"""Numbers as the screen writes them: short, aligned, `-` for what is not known. Pure."""

from __future__ import annotations

UNKNOWN = "-"


def rate(value: float | None) -> str:
    """Returns 0, 0.25, 3.1, 31, 310, 3.1k, 31k, 3.1M."""
    if value is None:
        return UNKNOWN
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit * 0.9995:
            scaled = value / limit
            return f"{scaled:.1f}{unit}" if scaled < 9.95 else f"{scaled:.0f}{unit}"
    if value == 0:
        return "0"
    if value < 0.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def share(value: float | None, digits: int = 0) -> str:
    """Returns a share as percent; one that is not 0 or all never reads as if it were."""
    if value is None:
        return UNKNOWN
    percent = 100.0 * value
    least = 10.0**-digits
    if 0 < percent < least / 2:
        return f"<{least:.{digits}f}%"
    if 100 - least / 2 < percent < 100:
        return f">{100 - least:.{digits}f}%"
    return f"{percent:.{digits}f}%"


def alpha(value: float | None) -> str:
    """Returns a dose with its sign."""
    return UNKNOWN if value is None else f"{value:+.2f}" if abs(value) < 100 else f"{value:+.3g}"


def span(seconds: float | None) -> str:
    """Returns 230us, 1.2ms, 3.4s, 12m, 3h07m, 2d04h."""
    if seconds is None:
        return UNKNOWN
    if seconds < 0.9995e-3:
        return f"{seconds * 1e6:.0f}us"
    if seconds < 0.9995:
        ms = seconds * 1e3
        return f"{ms:.1f}ms" if ms < 99.95 else f"{ms:.0f}ms"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes}m"
    hours, left = divmod(minutes, 60)
    return f"{hours}h{left:02d}m" if hours < 48 else f"{hours // 24}d{hours % 24:02d}h"


def count(value: float | None) -> str:
    """Returns a number of things."""
    return UNKNOWN if value is None else f"{value:.0f}" if value < 1e4 else rate(value)
