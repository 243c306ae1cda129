"""The page's colours can be read: contrast by WCAG 2.2, in light and in dark."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from steersman_vectors.report.heat import LEVELS
from steersman_vectors.report.sections.heat_maps import _STRONG

CSS = files("steersman_vectors.report").joinpath("page.css").read_text(encoding="utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    for block in re.findall(r":root \{(.*?)\n *\}", CSS, re.DOTALL)
)
TEXT, GRAPHIC = 4.5, 3.0
"""Least contrast of text, and of what a picture is understood by."""


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_lines_stand_out(theme: dict[str, str]) -> None:
    for ground in ("ground", "raised"):
        for ink in ("ink", "muted", "behaviour", "prompted", "degenerate", "good"):
            assert contrast(theme[ink], theme[ground]) >= TEXT, (ink, ground)
    for line in ("behaviour", "degenerate", "prompted", "ink", "muted", "good"):
        assert contrast(theme[line], theme["zone"]) >= GRAPHIC, line
    for line in ("side", "metric"):
        assert contrast(theme[line], theme["ground"]) >= GRAPHIC, line
    assert contrast(theme["metric"], theme["stripe"]) >= GRAPHIC


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ramp", ["h", "d"])
def test_a_heat_map_can_be_read_and_rises_evenly(theme: dict[str, str], ramp: str) -> None:
    cells = [theme[f"{ramp}{level}"] for level in range(LEVELS + 1)]
    for level, cell in enumerate(cells):
        ink = theme["cell-ink-strong" if level >= _STRONG else "cell-ink"]
        assert contrast(ink, cell) >= TEXT, level
    shades = [luminance(cell) for cell in cells]
    assert shades in (sorted(shades), sorted(shades, reverse=True))
