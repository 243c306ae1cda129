"""Draws a dashboard as a picture: `python -m deploy.grafana.render BOARD.json --url ... --out ...`.

For the documentation, where there is no Grafana: the same JSON, the same queries, drawn with
matplotlib in Grafana's colours.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .pictures.draw import MUTED, TEXT, Canvas, panel
from .pictures.prometheus import Prometheus, Series
from .queries import EVERY, filled

COLUMN, LINE, GAP, HEAD = 62, 32, 6, 56
"""Pixels: of a column and a line of the grid, between panels, above them."""


def render(board: Mapping[str, Any], source: Prometheus, choices: Mapping[str, str]) -> Canvas:
    """Returns the drawn page of a dashboard's JSON."""
    lines = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in board["panels"])
    canvas = Canvas(24 * COLUMN + 2 * GAP, HEAD + lines * LINE + GAP)
    head = canvas.blank((0, 0, canvas.width, HEAD))
    head.text(16, 22, board["title"], color=TEXT, fontsize=14, fontweight="bold", va="center")
    chosen = [(v["label"], v["name"]) for v in board["templating"]["list"][1:]]
    said = "    ".join(f"{label}: {spoken(choices[name])}" for label, name in chosen)
    head.text(16, 43, said, color=MUTED, fontsize=8.5, va="center")
    for one in board["panels"]:
        at = one["gridPos"]
        box = (GAP + at["x"] * COLUMN + GAP / 2, HEAD + at["y"] * LINE + GAP / 2,
               at["w"] * COLUMN - GAP, at["h"] * LINE - GAP)  # fmt: skip
        if one["type"] == "row":
            title = one["title"].replace("$flag", choices.get("flag", ""))
            row = canvas.blank(box)
            row.text(6, box[3] / 2, f"▾  {title}", color=TEXT, fontsize=11, va="center")
        else:
            panel(canvas, box, one, ask(one, source, choices))
    return canvas


def spoken(value: str) -> str:
    """Returns a choice in words."""
    return "All" if value in (".*", ".+") else value


def ask(
    one: Mapping[str, Any], source: Prometheus, choices: Mapping[str, str]
) -> list[list[Series]]:
    """Returns what Prometheus says to each query of a panel."""
    answers = []
    for target in one["targets"]:
        expr = filled(target["expr"], choices)
        answers.append(source.now(expr) if target["instant"] else source.over_time(expr))
    return answers


def main() -> None:
    """Draws the dashboards that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("boards", nargs="+", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:9090")
    parser.add_argument("--out", type=Path, required=True, help="folder for BOARD.png")
    parser.add_argument("--end", type=float, default=time.time(), help="Unix time")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--choose", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    source = Prometheus(options.url, options.end - 60 * options.minutes, options.end)
    own = {"__range": f"{60 * options.minutes:.0f}s"}
    choices = {**EVERY, **own, **dict(pair.split("=", 1) for pair in options.choose)}
    options.out.mkdir(parents=True, exist_ok=True)
    for file in options.boards:
        board = json.loads(file.read_text())
        to = options.out / f"{file.stem.removeprefix('steersman-')}.png"
        render(board, source, choices).figure.savefig(to, dpi=100)
        print(to)


if __name__ == "__main__":
    main()
