"""Figures as people read them."""

from __future__ import annotations

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
    low, high = figure(found.low, told), figure(found.high, told)
    return f"{figure(found.value, told)} ({low} to {high})"


def change_estimate(found: Estimate, told: MeasureTold) -> str:
    """Returns `+3.5 points (−1.2 points to +5 points)`, briefly."""
    low, high = (change(end, told).removesuffix(" points") for end in (found.low, found.high))
    return f"{change(found.value, told)} ({low} to {high})"


def unit_of(told: MeasureTold) -> str:
    """Returns what an axis says of the unit; nothing for shares, whose ticks say %."""
    return "" if told.unit in ("share", "") else told.unit


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


def _percent(value: float) -> str:
    shown = f"{100 * value:.1f}".removesuffix(".0")
    return "0" if float(shown) == 0 else shown.replace("-", MINUS)
