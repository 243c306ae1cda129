"""One side effect along the dial, small: its interval, its gate, the safe zone."""

from __future__ import annotations

from ..calibrate.record import Gate
from . import number_text
from .axes import Axis, Frame, band, extent, held, inside, line, opened, svg, ticks
from .dial import Dial, compared, gate_of, told_of, value_at
from .markup import Markup, el, join

WIDTH, HEIGHT = 260.0, 150.0
FAR = 2.0
"""How far beyond the gate a plot reaches, in distances of the gate from 0."""
LEFT, RIGHT, TOP, BOTTOM = 46.0, 252.0, 12.0, 122.0


def draw(dial: Dial, measure: str) -> Markup | None:
    """Returns the plot; None where nothing was measured."""
    record = dial.record
    found = [
        (point, at) for point in dial.points
        if (at := value_at(record, point, measure)) is not None
    ]  # fmt: skip
    if not found:
        return None
    told, gate = told_of(record, measure), gate_of(record, measure)
    changes = compared(record, measure)
    say = number_text.change if changes else number_text.figure
    ends = [end for _, at in found for end in (at.low, at.value, at.high)]
    bounds = _bounds(gate)
    low, high = extent(ends, around=[*bounds, *([0.0] if changes else [])])
    if bounds:  # what lies far beyond the gate would hide what lies at it
        reach = FAR * (max(*bounds, 0.0) - min(*bounds, 0.0))
        low, high = max(low, min(*bounds, 0.0) - reach), min(high, max(*bounds, 0.0) + reach)
    if not changes and told.low is not None:
        low = max(low, told.low)
    if not changes and told.high is not None:
        high = min(high, told.high)
    alphas = [0.0, *(point.alpha for point, _ in found)]
    air = 0.03 * (max(alphas) - min(alphas)) or 1.0
    x = Axis(min(alphas) - air, max(alphas) + air, LEFT, RIGHT)
    frame = Frame(x, Axis(*opened(low, high), BOTTOM, TOP))
    parts: list[str | None] = []
    if dial.safe_to is not None:
        parts.append(frame.zone(0.0, dial.safe_to))
    parts.append(
        frame.grid(
            ticks(frame.y.low, frame.y.high, 4), lambda v: say(v, told).removesuffix(" points")
        )
    )
    if changes:
        parts.append(frame.across(0.0, "zero"))
    parts += [frame.across(bound, "bound") for bound in bounds]
    lower, upper, middle = (
        [(x.at(point.alpha), frame.y.beyond(value)) for point, value in edge]
        for edge in (
            [(point, at.low) for point, at in found],
            [(point, at.high) for point, at in found],
            [(point, at.value) for point, at in found],
        )
    )
    parts.append(band(held(lower, TOP, BOTTOM), held(upper, TOP, BOTTOM), "band side"))
    parts += [line(piece, "curve side") for piece in inside(middle, TOP, BOTTOM)]
    for (point, _), (at_x, at_y) in zip(found, middle, strict=True):
        if not TOP <= at_y <= BOTTOM:
            continue
        cls = "dot side failed" if measure in point.failed else "dot side"
        parts.append(el("circle", cx=at_x, cy=at_y, r=2.8, cls=cls))
    parts.append(frame.below(ticks(x.low, x.high, 5), number_text.alpha))
    said = ", ".join(
        f"{say(at.value, told)} at alpha {number_text.alpha(point.alpha)}" for point, at in found
    )
    return svg(WIDTH, HEIGHT, f"{measure} by alpha", said, join(*parts))


def _bounds(gate: Gate | None) -> list[float]:
    if gate is None:
        return []
    return [bound for bound in (gate.at_most, gate.at_least) if bound is not None]
