"""Axes, and what all plots share. Coordinates are pixels of the SVG's own; colours are classes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .markup import Markup, el, join

Spot = tuple[float, float]
CHARACTER = 6.4
"""About the width of a letter at the plots' 12 pixels, to keep labels apart."""
_NEAR = 1e-6


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear scale from values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Returns the pixel of a value, no farther out than the axis reaches."""
        return self.beyond(min(max(value, self.low), self.high))

    def beyond(self, value: float) -> float:
        """Returns the pixel of a value, outside of the axis too."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a plot is drawn."""

    x: Axis
    y: Axis

    def spot(self, x: float, y: float) -> Spot:
        """Returns the pixel of a point."""
        return self.x.at(x), self.y.at(y)

    def grid(self, values: Iterable[float], say: Callable[[float], str]) -> Markup:
        """Returns horizontal lines at these values, each with its figure at the left."""
        parts = []
        for value in values:
            y = self.y.at(value)
            parts.append(el("line", x1=self.x.start, x2=self.x.end, y1=y, y2=y, cls="grid"))
            label = say(value)
            parts.append(el("text", label, x=self.x.start - 6, y=y + 4, cls="tick end"))
        return join(*parts)

    def below(self, values: Iterable[float], say: Callable[[float], str]) -> Markup:
        """Returns the figures under the x axis."""
        y = self.y.start + 16
        return join(
            *(
                el("text", say(value), x=self.x.at(value), y=y, cls="tick middle")
                for value in values
            )
        )

    def across(self, value: float, cls: str) -> Markup:
        """Returns a horizontal line at a value."""
        y = self.y.at(value)
        return el("line", x1=self.x.start, x2=self.x.end, y1=y, y2=y, cls=cls)

    def zone(self, low: float, high: float) -> Markup:
        """Returns the ground of the safe zone between two values of x."""
        left, right = self.x.at(low), self.x.at(high)
        height = self.y.start - self.y.end
        return el("rect", x=left, y=self.y.end, width=right - left, height=height, cls="zone")


def svg(width: float, height: float, title: str, description: str, *parts: str | None) -> Markup:
    """Returns a picture that says what it shows to those who do not see it."""
    return el(
        "svg",
        el("title", title),
        el("desc", description),
        *parts,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=f"{title}. {description}",
        xmlns="http://www.w3.org/2000/svg",
    )


def line(spots: Sequence[Spot], cls: str) -> Markup:
    """Returns a line through the points."""
    return el("polyline", points=_points(spots), cls=cls)


def band(lower: Sequence[Spot], upper: Sequence[Spot], cls: str) -> Markup:
    """Returns the area between two lines."""
    return el("polygon", points=_points([*lower, *reversed(upper)]), cls=cls)


def inside(spots: Sequence[Spot], top: float, bottom: float) -> list[list[Spot]]:
    """Returns the pieces of a line that lie between two heights, cut exactly at them."""
    pieces: list[list[Spot]] = []
    for one, other in pairwise(_with_crossings(spots, top, bottom)):
        if not top - _NEAR <= (one[1] + other[1]) / 2 <= bottom + _NEAR:
            continue
        if pieces and pieces[-1][-1] == one:
            pieces[-1].append(other)
        else:
            pieces.append([one, other])
    return pieces


def held(spots: Sequence[Spot], top: float, bottom: float) -> list[Spot]:
    """Returns a line with what is beyond two heights brought back to them: an edge of a band."""
    crossed = _with_crossings(spots, top, bottom)
    return [(x, min(max(y, top), bottom)) for x, y in crossed]


def _with_crossings(spots: Sequence[Spot], top: float, bottom: float) -> list[Spot]:
    found = list(spots[:1])
    for (x0, y0), (x1, y1) in pairwise(spots):
        cuts = [
            (edge - y0) / (y1 - y0) for edge in (top, bottom) if min(y0, y1) < edge < max(y0, y1)
        ]
        found += [(x0 + cut * (x1 - x0), y0 + cut * (y1 - y0)) for cut in sorted(cuts)]
        found.append((x1, y1))
    return found


def ticks(low: float, high: float, most: int) -> list[float]:
    """Returns round values within the range, at most so many."""
    span = high - low
    if not span > 0:
        return [low]
    size = 10.0 ** math.floor(math.log10(span / most))
    step = next(
        size * factor
        for factor in (1, 2, 2.5, 5, 10, 20)
        if _count(low, high, size * factor) <= most
    )
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def extent(values: Iterable[float], *, around: Iterable[float] = ()) -> tuple[float, float]:
    """Returns a range that holds all values, with some air; never empty."""
    known = [value for value in (*values, *around) if math.isfinite(value)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    air = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return low - air, high + air


def opened(low: float, high: float) -> tuple[float, float]:
    """Returns the range, or one around its end where nothing is left of it."""
    return (low, high) if low < high else (high - 0.5, high + 0.5)


def apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Returns the positions of labels, moved so that they are a gap apart and within the ends."""
    order = sorted(range(len(wanted)), key=lambda index: (wanted[index], index))
    placed = list(wanted)
    before = low - gap
    for index in order:
        placed[index] = before = max(placed[index], before + gap)
    after = high + gap
    for index in reversed(order):
        placed[index] = after = min(placed[index], after - gap)
    return placed


def _count(low: float, high: float, step: float) -> int:
    return math.floor(high / step + 1e-9) - math.ceil(low / step - 1e-9) + 1


def _points(spots: Iterable[Spot]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
