"""One panel drawn into its place, in Grafana's dark colours."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from .prometheus import Series
from .units import written

PAGE, PANEL, EDGE = "#111217", "#181b1f", "#2c3036"
TEXT, MUTED = "#d8d9da", "#8e8e99"
PALETTE = ("#73bf69", "#fade2a", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#56c8d8", "#e0b400")
HEAT = LinearSegmentedColormap.from_list(
    "heat", [PANEL, "#3b0f70", "#b73779", "#fc8961", "#fcfdbf"]
)
_LABEL = re.compile(r"\{\{ *(\w+) *\}\}")

Json = Mapping[str, Any]
Box = tuple[float, float, float, float]
"""Left, top, width, height in pixels, from the top left corner."""


class Canvas:
    """A page of pixels on which axes are placed from the top left."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor=PAGE)

    def axes(self, box: Box) -> Axes:
        """Returns axes in a box."""
        left, top, width, height = box
        return self.figure.add_axes(
            (left / self.width, 1 - (top + height) / self.height,
             width / self.width, height / self.height)
        )  # fmt: skip

    def blank(self, box: Box) -> Axes:
        """Returns axes without a frame, in pixels from the top left of the box."""
        made = self.axes(box)
        made.set_axis_off()
        made.set_xlim(0, box[2])
        made.set_ylim(box[3], 0)
        return made


def panel(canvas: Canvas, box: Box, one: Json, answers: list[list[Series]]) -> None:
    """Draws a panel with its frame; `answers` has the series of each query."""
    left, top, width, height = box
    frame = canvas.blank(box)
    frame.add_patch(
        FancyBboxPatch((1, 1), width - 2, height - 2, boxstyle="round,pad=0,rounding_size=4",
                       facecolor=PANEL, edgecolor=EDGE, linewidth=1)
    )  # fmt: skip
    frame.text(11, 19, one["title"], color=TEXT, fontsize=9.5, fontweight="bold", va="center")
    if not any(answers):
        frame.text(width / 2, height / 2 + 8, "No data", color=MUTED, fontsize=11,
                   ha="center", va="center")  # fmt: skip
        return
    inner = (left + 8, top + 34, width - 16, height - 42)
    DRAWERS[one["type"]](canvas, inner, one, answers)


def named(one: Json, answers: list[list[Series]]) -> list[tuple[str, Series]]:
    """Returns every series with what its legend says, by name, so that colours stay."""
    out = []
    for target, found in zip(one["targets"], answers, strict=True):
        legend = target["legendFormat"]
        for series in found:
            labels = series.labels
            name = _LABEL.sub(lambda m, labels=labels: labels.get(m[1], ""), legend)
            out.append(("" if name == "__auto" else name, series))
    return out if len(answers) > 1 else sorted(out, key=lambda pair: pair[0])


def colour_of(one: Json, name: str, at: int) -> str:
    """Returns the colour that the panel gives a series."""
    for override in one["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] == name:
            for prop in override["properties"]:
                if prop["id"] == "color":
                    return prop["value"]["fixedColor"]
    return PALETTE[at % len(PALETTE)]


def threshold(one: Json, value: float) -> str:
    """Returns the colour of a value."""
    colour = TEXT
    for step in one["fieldConfig"]["defaults"]["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            colour = step["color"]
    return colour


def shown(one: Json, value: float) -> tuple[str, str]:
    """Returns a value as text, and its colour."""
    defaults = one["fieldConfig"]["defaults"]
    for mapping in defaults["mappings"]:
        said = mapping["options"].get(f"{value:g}")
        if said:
            return said["text"], said["color"]
    return written(value, defaults["unit"], defaults.get("decimals")), threshold(one, value)


def stat(canvas: Canvas, box: Box, one: Json, answers: list[list[Series]]) -> None:
    """Draws the newest value, with its course as a shadow."""
    left, top, width, height = box
    series = answers[0][0]
    text, colour = shown(one, series.last)
    if one["options"]["graphMode"] == "area" and len(series.values) > 2:
        back = canvas.axes((left - 5, top + height * 0.52, width + 10, height * 0.56))
        back.set_axis_off()
        values = np.array(series.values)
        low = min(0.0, float(np.nanmin(values))) if np.isfinite(values).any() else 0.0
        back.fill_between(series.times, values, low, color=colour, alpha=0.18, linewidth=0)
        back.plot(series.times, values, color=colour, linewidth=1.2, alpha=0.8)
        back.margins(x=0, y=0.08)
    front = canvas.blank(box)
    front.text(width / 2, height * 0.36, text, color=colour, fontsize=21, fontweight="bold",
               ha="center", va="center")  # fmt: skip


def lines(canvas: Canvas, box: Box, one: Json, answers: list[list[Series]]) -> None:
    """Draws series over time with a legend below."""
    left, top, width, height = box
    defaults = one["fieldConfig"]["defaults"]
    found = named(one, answers)
    rows = legend(
        canvas, box, [(name, colour_of(one, name, i)) for i, (name, _) in enumerate(found)]
    )
    axes = canvas.axes((left + 54, top, width - 62, height - 26 - 16 * rows))
    _time_axes(axes, one, found)
    if defaults["custom"]["stacking"]["mode"] == "normal":
        _stack(axes, one, found)
    else:
        for i, (name, series) in enumerate(found):
            colour = colour_of(one, name, i)
            axes.plot(series.times, series.values, color=colour, linewidth=1.5)
            if len(found) <= 3:
                floor = defaults.get("min", 0.0)
                axes.fill_between(series.times, series.values, floor, color=colour, alpha=0.07,
                                  linewidth=0)  # fmt: skip
    low, high = axes.get_ylim()
    smallest = min(
        (float(np.nanmin(s.values)) for _, s in found if math.isfinite(s.last)), default=0
    )
    low = defaults.get("min", 0.0 if smallest >= 0 else low)
    high = defaults.get("max", 1.0 if smallest == 0 and high < 0.1 > -low and flat(found) else high)
    if high - low < 1e-9:
        high = low + (1.0 if low < 1 else 0.2 * low)
    axes.set_ylim(low, high * 1.001)


def flat(found: list[tuple[str, Series]]) -> bool:
    """Returns whether nothing ever moved."""
    return len({v for _, series in found for v in series.values if math.isfinite(v)}) < 2


def _stack(axes: Axes, one: Json, found: list[tuple[str, Series]]) -> None:
    times = sorted({t for _, series in found for t in series.times})
    floor = np.zeros(len(times))
    for i, (name, series) in enumerate(found):
        at = dict(zip(series.times, series.values, strict=True))
        values = np.nan_to_num(np.array([at.get(t, 0.0) for t in times]))
        colour = colour_of(one, name, i)
        axes.fill_between(times, floor, floor + values, color=colour, alpha=0.35, linewidth=0)
        axes.plot(times, floor + values, color=colour, linewidth=1.3)
        floor = floor + values


def _time_axes(axes: Axes, one: Json, found: list[tuple[str, Series]]) -> None:
    defaults = one["fieldConfig"]["defaults"]
    axes.set_facecolor(PANEL)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.grid(color=EDGE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, labelsize=7.5, length=0)
    axes.yaxis.set_major_locator(
        MaxNLocator(5, integer=defaults.get("decimals") == 0, steps=[1, 2, 2.5, 5, 10])
    )
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: written(v, defaults["unit"])))
    times = [t for _, series in found for t in series.times]
    if times:
        axes.set_xlim(min(times), max(times) + 1e-6)
        axes.xaxis.set_major_locator(FixedLocator(_whole_minutes(min(times), max(times))))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda t, _: datetime.fromtimestamp(t, UTC).strftime("%H:%M"))
    )


def _whole_minutes(start: float, end: float) -> list[float]:
    step = next((m * 60 for m in (1, 2, 5, 10, 15, 30, 60, 120) if (end - start) / m < 420), 14400)
    first = math.ceil(start / step) * step
    return [float(t) for t in range(int(first), int(end) + 1, step)]


def legend(canvas: Canvas, box: Box, entries: list[tuple[str, str]]) -> int:
    """Writes names with their colours at the bottom; returns how many lines they take."""
    left, top, width, height = box
    lines_: list[list[tuple[str, str, float]]] = [[]]
    used = 0.0
    for name, colour in entries:
        if not name:
            continue
        wide = 32 + 6.0 * len(name)
        if used + wide > width and lines_[-1]:
            lines_.append([])
            used = 0.0
        lines_[-1].append((name, colour, used))
        used += wide
    if not lines_[0]:
        return 0
    axes = canvas.blank((left, top + height - 16 * len(lines_), width, 16 * len(lines_)))
    for i, line in enumerate(lines_):
        for name, colour, at in line:
            axes.add_patch(Rectangle((at + 2, 16 * i + 7), 12, 3, color=colour, linewidth=0))
            axes.text(at + 18, 16 * i + 8.5, name, color=TEXT, fontsize=7.5, va="center")
    return len(lines_)


def bars(canvas: Canvas, box: Box, one: Json, answers: list[list[Series]]) -> None:
    """Draws the newest values as horizontal bars, those of a variant together."""
    _, _, width, height = box
    found = sorted(named(one, answers), key=lambda pair: pair[0].split(":")[0])
    axes = canvas.blank(box)
    most = one["fieldConfig"]["defaults"].get("max") or max((s.last for _, s in found), default=1)
    tall = min(30.0, height / max(1, len(found)))
    label = min(width * 0.42, 16 + 6.0 * max(len(name) for name, _ in found))
    for i, (name, series) in enumerate(found):
        text, colour = shown(one, series.last)
        y = i * tall + 3
        axes.text(0, y + tall / 2 - 3, name, color=TEXT, fontsize=8, va="center")
        full = width - label - 58
        axes.add_patch(Rectangle((label, y), full, tall - 6, color="#22252b", linewidth=0))
        part = full * max(0.0, min(1.0, series.last / most if most else 0.0))
        axes.add_patch(Rectangle((label, y), part, tall - 6, color=colour, alpha=0.75, linewidth=0))
        axes.text(width, y + tall / 2 - 3, text, color=colour, fontsize=9, fontweight="bold",
                  ha="right", va="center")  # fmt: skip


def table(canvas: Canvas, box: Box, one: Json, answers: list[list[Series]]) -> None:
    """Draws rows of equal labels, with a column for each query."""
    _, _, width, height = box
    titles = [o["matcher"]["options"] for o in one["fieldConfig"]["overrides"]]
    units = [o["properties"][0]["value"] for o in one["fieldConfig"]["overrides"]]
    keys = sorted({tuple(sorted(s.labels.items())) for found in answers for s in found})
    names = list(dict.fromkeys(label for key in keys for label, _ in key))
    cells = [{tuple(sorted(s.labels.items())): s.last for s in found} for found in answers]
    axes = canvas.blank(box)
    texts = [[dict(key).get(n, "") for n in names] + [
        written(column.get(key, math.nan), unit) for column, unit in zip(cells, units, strict=True)
    ] for key in keys]  # fmt: skip
    header = [*names, *titles]
    wide = [max(len(row[i]) for row in [header, *texts]) + 3 for i in range(len(header))]
    edges = np.cumsum([0, *wide]) / sum(wide) * width
    for i, title in enumerate(header):
        axes.text(edges[i] + 6, 10, title, color="#6e9fff", fontsize=8.5, va="center")
    for r, row in enumerate(texts):
        y = 24 + r * 25
        if y + 25 > height:
            break
        axes.plot([0, width], [y, y], color=EDGE, linewidth=0.8)
        for i, text in enumerate(row):
            axes.text(edges[i] + 6, y + 13, text, color=TEXT, fontsize=8.5, va="center")


def heatmap(canvas: Canvas, box: Box, one: Json, answers: list[list[Series]]) -> None:
    """Draws how many values fell between two bounds, over time."""
    left, top, width, height = box
    by_bound = sorted(answers[0], key=lambda s: float(s.labels["le"]))
    times = sorted({t for series in by_bound for t in series.times})
    rows = np.array([
        [dict(zip(s.times, s.values, strict=True)).get(t, 0.0) for t in times] for s in by_bound
    ])  # fmt: skip
    counts = np.diff(np.nan_to_num(rows), axis=0, prepend=0).clip(min=0)
    axes = canvas.axes((left + 54, top, width - 62, height - 26))
    _time_axes(axes, one, [("", series) for series in by_bound[:1]])
    axes.grid(False)
    axes.pcolormesh(times, np.arange(len(by_bound) + 1) - 0.5,
                    counts[:, :-1], cmap=HEAT, shading="flat")  # fmt: skip
    axes.yaxis.set_major_locator(MaxNLocator(10, integer=True))
    bounds = [series.labels["le"] for series in by_bound]
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda v, _: bounds[int(v)] if 0 <= v < len(bounds) else "")
    )


DRAWERS = {"stat": stat, "timeseries": lines, "bargauge": bars, "table": table, "heatmap": heatmap}
