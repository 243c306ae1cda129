"""Dose and response: the behaviour by alpha, and under it how often answers break."""

from __future__ import annotations

from collections.abc import Sequence

from ..calibrate.record import ChosenPreset, Estimate, Point
from . import number_text
from .axes import CHARACTER, Axis, Frame, apart, band, extent, line, opened, svg, ticks
from .dial import DEGENERATE, Dial, gate_of, letter, told_of
from .markup import Markup, el, join

LEFT, MAIN, GAP, STRIP, BELOW = 46.0, 230.0, 30.0, 64.0, 40.0
ROW = 16.0
"""Height of a row of labels above the plot."""
POINT, DIAMOND = 3.5, 5.5


def draw(dial: Dial, width: float) -> Markup:
    """Returns the plot; `width` is what it is made to be read at."""
    right = width - (112.0 if width > 500 else 70.0)
    x = Axis(*_reach(dial), LEFT, right)
    rows = _label_rows(dial, x)
    marks = _marks(dial)
    top = ROW * (1 + max(rows.values(), default=-1)) + ROW * len(marks) + 8
    main = Frame(x, Axis(*_scale(dial), top + MAIN, top))
    broken = [each for each in dial.points if DEGENERATE in each.figures]
    bottom = top + MAIN
    parts: list[str | None] = [
        _zone(dial, main, marks),
        _main(dial, main),
        _references(dial, main, width),
    ]
    parts.append(_presets(dial, main, rows))
    if broken:
        strip = _strip_frame(dial, broken, x, bottom + GAP)
        parts.append(_strip(dial, broken, strip))
        bottom = strip.y.start
    else:
        parts.append(_alphas(main))
    middle = (x.start + x.end) / 2
    parts.append(el("text", "alpha", x=middle, y=bottom + 34, cls="axis middle"))
    title = f"{dial.record.behaviour} by alpha"
    return svg(width, bottom + BELOW, title, _described(dial), *parts)


def _reach(dial: Dial) -> tuple[float, float]:
    alphas = [0.0, *(point.alpha for point in dial.points)]
    alphas += [preset.alpha for preset in dial.record.presets.values()]
    alphas += [dial.record.alpha_max] if dial.record.alpha_max is not None else []
    low, high = min(alphas), max(alphas)
    air = 0.02 * (high - low) or 1.0
    return low - air, high + air


def _scale(dial: Dial) -> tuple[float, float]:
    """Returns the whole scale where it has two ends, for a half-shown one flatters."""
    told, behaviour = dial.told, dial.record.behaviour
    if told.low is not None and told.high is not None and told.high - told.low <= 10:
        return told.low, told.high
    ends: list[float] = []
    shown = [point.figures for point in dial.points]
    shown += [preset.heldout.figures for preset in dial.record.presets.values()]
    shown += [each.figures for each in dial.record.prompted] + [dial.record.unsteered]
    for figures in shown:
        if behaviour in figures:
            found = figures[behaviour]
            ends += [found.value, found.low, found.high]
    low, high = extent(ends)
    return opened(max(low, told.low) if told.low is not None else low, high)


def _marks(dial: Dial) -> list[tuple[float, str, str]]:
    """Returns (alpha, label, kind) of the two ends of a dial, one where they are the same."""
    safe, most = dial.safe_to, dial.record.alpha_max
    marks = []
    if safe is not None:
        same = " = alpha_max" if safe == most else ""
        marks.append((safe, f"safe up to {number_text.alpha(safe)}{same}", "zone"))
    if most is not None and most != safe:
        marks.append((most, f"alpha_max {number_text.alpha(most)}", "cap"))
    return marks


def _zone(dial: Dial, main: Frame, marks: Sequence[tuple[float, str, str]]) -> Markup:
    safe = dial.safe_to
    parts = [] if safe is None else [main.zone(0.0, safe)]
    for row, (alpha, label, kind) in enumerate(marks):
        end = main.x.at(alpha)
        inside = end - main.x.start >= len(label) * CHARACTER
        parts += [
            el("line", x1=end, x2=end, y1=main.y.end, y2=main.y.start, cls=f"{kind}-end"),
            el(
                "text", label, x=end if inside else main.x.at(0.0), y=12.0 + ROW * row,
                cls=f"{kind}-label end" if inside else f"{kind}-label",
            ),
        ]  # fmt: skip
    return join(*parts)


def _main(dial: Dial, main: Frame) -> Markup:
    behaviour, told = dial.record.behaviour, dial.told
    points = [point for point in dial.points if behaviour in point.figures]
    grid = main.grid(ticks(main.y.low, main.y.high, 6), lambda v: number_text.figure(v, told))
    found = [(point.alpha, point.figures[behaviour]) for point in points]
    marks = [
        el("circle", cx=main.x.at(point.alpha), cy=main.y.at(point.figures[behaviour].value),
           r=POINT, cls="dot failed" if point.failed else "dot")
        for point in points
    ]  # fmt: skip
    return join(grid, _curve(main, found, "behaviour"), *marks)


def _curve(frame: Frame, found: Sequence[tuple[float, Estimate]], kind: str) -> Markup:
    lower = [frame.spot(alpha, each.low) for alpha, each in found]
    upper = [frame.spot(alpha, each.high) for alpha, each in found]
    middle = [frame.spot(alpha, each.value) for alpha, each in found]
    return join(band(lower, upper, f"band {kind}"), line(middle, f"curve {kind}"))


def _references(dial: Dial, main: Frame, width: float) -> Markup:
    """Returns lines for what does not depend on alpha: unsteered, and each system prompt."""
    record, told = dial.record, dial.told
    lines: list[tuple[str, Estimate, str]] = []
    if record.behaviour in record.unsteered:
        lines.append(("unsteered", record.unsteered[record.behaviour], "unsteered"))
    for index, each in enumerate(record.prompted):
        if record.behaviour in each.figures:
            lines.append((f"prompt {letter(index)}", each.figures[record.behaviour], "prompted"))
    wanted = [main.y.at(found.value) for _, found, _ in lines]
    places = apart(wanted, 15.0, main.y.end + 4, main.y.start - 2)
    parts = []
    for (label, found, cls), place in zip(lines, places, strict=True):
        if width > 500:
            label = f"{label} {number_text.figure(found.value, told)}"
        parts.append(main.across(found.value, f"reference {cls}"))
        parts.append(el("text", label, x=main.x.end + 7, y=place + 4, cls=f"label {cls}"))
    return join(*parts)


def _label_rows(dial: Dial, x: Axis) -> dict[str, int]:
    """Returns the row above the plot in which each preset's name has room, 0 the lowest."""
    rows: dict[str, int] = {}
    ends: list[float] = []
    named = sorted(dial.record.presets.items(), key=lambda item: item[1].alpha)
    for name, preset in named:
        if dial.record.behaviour not in preset.heldout.figures:
            continue
        half = len(_label(name, preset)) * CHARACTER / 2 + 4
        at = x.at(preset.alpha)
        free = [row for row, end in enumerate(ends) if at - half >= end]
        row = free[0] if free else len(ends)
        ends[row : row + 1] = [at + half]
        rows[name] = row
    return rows


def _label(name: str, preset: ChosenPreset) -> str:
    short = name if len(name) <= 24 else f"{name[:23]}…"
    return short if preset.confirmed else f"{short} (not held)"


def _presets(dial: Dial, main: Frame, rows: dict[str, int]) -> Markup:
    parts = []
    for name in rows:
        preset = dial.record.presets[name]
        found = preset.heldout.figures[dial.record.behaviour]
        x, y = main.spot(preset.alpha, found.value)
        label = _label(name, preset)
        top = main.y.end - 6 - ROW * rows[name]
        low, high = main.y.at(found.low), main.y.at(found.high)
        cls = "preset" if preset.confirmed else "preset failed"
        diamond = " ".join(
            f"{x + dx:.1f},{y + dy:.1f}"
            for dx, dy in ((0, -DIAMOND), (DIAMOND, 0), (0, DIAMOND), (-DIAMOND, 0))
        )
        parts += [
            el("line", x1=x, x2=x, y1=top + 3, y2=main.y.start, cls="preset-line"),
            el("line", x1=x, x2=x, y1=low, y2=high, cls=f"{cls} bar"),
            el("polygon", points=diamond, cls=f"{cls} mark"),
            el("text", label, x=x, y=top, cls="preset-label middle"),
        ]
    return join(*parts)


def _strip_frame(dial: Dial, broken: Sequence[Point], x: Axis, top: float) -> Frame:
    high = max(each.figures[DEGENERATE].high for each in broken)
    gate = gate_of(dial.record, DEGENERATE)
    if gate is not None and gate.at_most is not None:
        high = max(high, 1.6 * gate.at_most)
    return Frame(x, Axis(0.0, min(1.0, max(high * 1.08, 0.04)), top + STRIP, top))


def _strip(dial: Dial, broken: Sequence[Point], strip: Frame) -> Markup:
    found = [(point.alpha, point.figures[DEGENERATE]) for point in broken]
    told = told_of(dial.record, DEGENERATE)
    gate = gate_of(dial.record, DEGENERATE)
    bound = None if gate is None or gate.compared != "absolute" else gate.at_most
    parts = [strip.grid(ticks(0.0, strip.y.high, 3), lambda v: number_text.figure(v, told))]
    if dial.safe_to is not None:
        parts.insert(0, strip.zone(0.0, dial.safe_to))
    parts.append(_curve(strip, found, "degenerate"))
    parts.append(el("text", "degenerate answers", x=strip.x.start, y=strip.y.end - 7,
                    cls="label degenerate"))  # fmt: skip
    if bound is not None:
        parts.append(strip.across(bound, "bound"))
        label = f"at most {number_text.figure(bound, told)}"
        parts.append(el("text", label, x=strip.x.end + 7, y=strip.y.at(bound) + 4, cls="label"))
    return join(*parts, _alphas(strip))


def _alphas(frame: Frame) -> Markup:
    most = 9 if frame.x.end > 400 else 6
    return join(
        frame.across(frame.y.low, "base"),
        frame.below(ticks(frame.x.low, frame.x.high, most), number_text.alpha),
    )


def _described(dial: Dial) -> str:
    behaviour, told = dial.record.behaviour, dial.told
    said = [
        f"{number_text.figure(point.figures[behaviour].value, told)} at alpha "
        f"{number_text.alpha(point.alpha)}"
        for point in dial.points
        if behaviour in point.figures
    ]
    return ", ".join(said) or "no point was measured"
