"""The dose-response plot: effect, facts and degenerate answers against alpha."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from steersman_demo.evaluate import Figure
from steersman_demo.measure import Row

_COLORS = {"vector": "#0f766e", "random": "#9ca3af"}
_TARGET = {"empathy": "warm", "concise": "words"}


def plot(path: Path, unsteered: Row, ladders: Mapping[str, Sequence[Row]]) -> None:
    """Write the figure: one line of panels per vector."""
    figure, axes = plt.subplots(
        len(ladders), 3, figsize=(11, 3.1 * len(ladders)), squeeze=False, layout="constrained"
    )
    for line, (name, rows) in zip(axes, ladders.items(), strict=True):
        target = _TARGET[name]
        _panel(line[0], name, target, unsteered, rows)
        _panel(line[1], name, "facts", unsteered, rows)
        _panel(line[2], name, "degenerate", unsteered, rows)
        line[0].set_title(
            f"{name}: {'warm answers, %' if target == 'warm' else 'words per answer'}"
        )
        line[1].set_title("answers with the right facts, %")
        line[1].set_ylim(80, 100.5)
        line[2].set_title("degenerate answers, %")
        line[2].set_ylim(0, 10)
        line[0].legend(frameon=False, loc="best")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _panel(axes: Axes, name: str, field: str, unsteered: Row, rows: Sequence[Row]) -> None:
    factor = 1.0 if field == "words" else 100.0
    for label, direction in (("vector", name), ("random", "random")):
        line = sorted(
            [unsteered, *(row for row in rows if row.direction == direction)],
            key=lambda row: row.alpha,
        )
        figures: list[Figure] = [getattr(row, field) for row in line]
        axes.errorbar(
            [row.alpha for row in line],
            [factor * figure.mean for figure in figures],
            yerr=[1.96 * factor * figure.error for figure in figures],
            color=_COLORS[label],
            marker="o",
            markersize=4,
            capsize=2,
            linewidth=1.6,
            label=name if label == "vector" else "random direction, equal norm",
        )
    axes.axvline(0, color="#e5e7eb", zorder=0)
    axes.set_xlabel("alpha")
    axes.grid(axis="y", color="#f3f4f6")
    axes.spines[["top", "right"]].set_visible(False)
