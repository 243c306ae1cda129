"""Figures as people read them."""

from __future__ import annotations

import math

from ..calibrate.record import Estimate, MeasureTold

MINUS = "\u2212"
UNKNOWN = MeasureTold(better="neither", unit="", low=None, high=None)


def alpha(value: float) -> str:
    """Returns alpha with a real minus sign: `−0.5`, `0`, `1.25`."""
    return number(value)


def number(value: float, digits: int = 3) -> str:
    """Returns a number at a few significant digits, without an exponent where that reads well."""
    shown = f"{value:.{digits}g}"
    if "e" in shown and 1e-4 <= abs(value) < 1e7:
        shown = f"{value:,.0f}" if abs(value) >= 1 else f"{value:.4f}"
    return "0" if float(shown.replace(",", "")) == 0 else shown.replace("-", MINUS)


def figure(value: float, told: MeasureTold) -> str:
    """Returns a measure's value: shares as percent, others as they are."""
    return f"{_percent(value)}%" if told.unit == "share" else number(value)


def change(value: float, told: MeasureTold) -> str:
    """Returns a difference with its sign; of shares in percentage points."""
    shown = _percent(value) if told.unit == "share" else number(value)
    signed = shown if shown.startswith(MINUS) or shown in ("0", "0.0") else f"+{shown}"
    return f"{signed} points" if told.unit == "share" else signed


def estimate(found: Estimate, told: MeasureTold) -> str:
    """Returns `64.5% (60.1% to 68.2%)`."""
    value, low, high = estimate_parts(found, told)
    return f"{value} ({low} to {high})"


def estimate_parts(found: Estimate, told: MeasureTold) -> tuple[str, str, str]:
    """Returns value, low and high, to the digits that the interval leaves a meaning."""
    if told.unit == "share":
        value, low, high = (f"{100 * v:.1f}%" for v in (found.value, found.low, found.high))
        return value, low, high
    digits = _decimals(found)
    value, low, high = (_fixed(v, digits) for v in (found.value, found.low, found.high))
    return value, low, high


def change_estimate(found: Estimate, told: MeasureTold) -> str:
    """Returns `+3.5 points (-1.2 to +5.0)`, with real minus signs."""
    value, low, high = change_parts(found, told)
    return f"{value} ({low} to {high})"


def change_parts(found: Estimate, told: MeasureTold) -> tuple[str, str, str]:
    """Returns value, low and high with their signs; the value says what it is counted in."""
    factor, digits = (100, 1) if told.unit == "share" else (1, _decimals(found))
    value, low, high = (
        _signed(_fixed(factor * v, digits)) for v in (found.value, found.low, found.high)
    )
    return (f"{value} points" if told.unit == "share" else value), low, high


def unit_of(told: MeasureTold) -> str:
    """Returns what an axis says of the unit; nothing for shares, whose ticks say %."""
    return "" if told.unit in ("share", "") else told.unit


def layers_named(chosen: tuple[int, ...]) -> str:
    """Returns `layer 2`, or `layers 5, 9`."""
    return f"layer{'' if len(chosen) == 1 else 's'} {layers(chosen)}"


def layers(chosen: tuple[int, ...]) -> str:
    """Returns layer indices, runs shortened: `2`, `5, 9`, `20–31`."""
    runs: list[list[int]] = []
    for layer_idx in sorted(chosen):
        if runs and layer_idx == runs[-1][-1] + 1:
            runs[-1].append(layer_idx)
        else:
            runs.append([layer_idx])
    return ", ".join(
        f"{run[0]}\u2013{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs
    )


def _decimals(found: Estimate) -> int:
    """Returns how many decimals show two digits of half the interval."""
    half = (found.high - found.low) / 2
    if not 0 < half < math.inf:
        half = abs(found.value) / 10 or 1.0
    return min(max(1 - math.floor(math.log10(half)), 0), 6)


def _fixed(value: float, digits: int) -> str:
    shown = f"{value:,.{digits}f}"
    return shown.removeprefix("-") if float(shown.replace(",", "")) == 0 else shown.replace(
        "-", MINUS
    )  # fmt: skip


def _signed(shown: str) -> str:
    return shown if shown.startswith(MINUS) or not shown.strip("0.,") else f"+{shown}"


def _percent(value: float) -> str:
    shown = f"{100 * value:.1f}".removesuffix(".0")
    return "0" if float(shown) == 0 else shown.replace("-", MINUS)
