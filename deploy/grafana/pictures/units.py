"""Values as Grafana writes them, for the units that our panels have."""

from __future__ import annotations

import math

_SHORT = ((1e9, " Bil"), (1e6, " Mil"), (1e3, " K"))
_BYTES = ((2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB"))


def written(value: float, unit: str, decimals: int | None = None) -> str:
    """Returns a value with its unit; `-` where it is not a number."""
    if not math.isfinite(value):
        return "-"
    if unit == "percentunit":
        return f"{value * 100:.{_places(value * 100) if decimals is None else decimals}f}%"
    if unit == "s":
        return _seconds(value, decimals)
    if unit == "bytes":
        return _scaled(value, _BYTES, " B", decimals)
    suffix = {"reqps": " req/s", "cps": " c/s"}.get(unit, "")
    if unit.startswith("suffix:"):
        suffix = unit.removeprefix("suffix:")
    return _scaled(value, _SHORT, "", decimals) + suffix


def _seconds(value: float, decimals: int | None) -> str:
    if value == 0:
        return "0 s"
    for factor, name in ((1.0, " s"), (1e-3, " ms"), (1e-6, " µs")):
        if abs(value) >= factor or factor == 1e-6:
            scaled = value / factor
            return f"{scaled:.{_places(scaled) if decimals is None else decimals}f}{name}"
    raise AssertionError("the last unit takes whatever is left")


def _scaled(
    value: float, units: tuple[tuple[float, str], ...], plain: str, decimals: int | None
) -> str:
    for factor, name in units:
        if abs(value) >= factor:
            return f"{value / factor:.{_places(value / factor)}f}{name}"
    return f"{value:.{_places(value) if decimals is None else decimals}f}{plain}"


def _places(value: float) -> int:
    if value == round(value, 9) and float(value).is_integer():
        return 0
    return 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
