"""Draws docs/pictures/top.svg: `steersman top` over the scene beside it, as a terminal shows it.

python deploy/pictures/top.py docs/pictures/top.svg
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.terminal_theme import MONOKAI

from steersman_server.top.compare import compare
from steersman_server.top.frame import Frame
from steersman_server.top.sample import Sample, read_series
from steersman_server.top.screen import screen
from steersman_server.top.view import View

SCENE = Path(__file__).with_name("top_scene.py")
WIDTH, HEIGHT = 120, 24
NOON = 1_795_694_400.0
"""The picture's clock and the server's uptime do not change from one drawing to the next."""
UPTIME_S = 273_600.0


def sample_of(moment: dict[str, Any]) -> Sample:
    """Returns a moment of the scene as `steersman top` has it."""
    series = dict(read_series(moment["metrics"]))
    series["process_start_time_seconds"] = {frozenset(): NOON - UPTIME_S}
    backed_off = {b["tenant"]: b["scale"] for b in moment["backoff"]["backoffs"] if b["scale"] < 1}
    return Sample(float(moment["at"]), NOON, series, moment["health"], backed_off)


def scene() -> Frame:
    """Returns the frame at the end of the scene."""
    command = [sys.executable, str(SCENE)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    oldest, before, now = map(sample_of, json.loads(told))
    return compare(before, now, oldest)


def main(out: Path) -> None:
    """Draws it."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    console = Console(
        record=True, width=WIDTH, height=HEIGHT, file=io.StringIO(), force_terminal=True,
        color_system="truecolor", highlight=False, markup=False,
    )  # fmt: skip
    view = replace(View("http://127.0.0.1:8000", 1.0), keys=True)
    console.print(screen(scene(), view, WIDTH, HEIGHT))
    out.parent.mkdir(parents=True, exist_ok=True)
    svg = console.export_svg(title="steersman top", theme=MONOKAI, unique_id="top")
    # Pictures fetch no fonts: what is there of these will do, as every text says its length.
    svg = re.sub(r"@font-face \{.*?\n    \}\n", "", svg, flags=re.S)
    svg = svg.replace("Fira Code, monospace", "Menlo, Consolas, DejaVu Sans Mono, monospace")
    out.write_text("\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
