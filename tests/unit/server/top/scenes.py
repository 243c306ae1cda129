"""The scene of the docs' picture as tests use it: what a server's routes answered, and samples."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steersman_server.top.frame import Frame
from steersman_server.top.sample import Labels, Sample, read_series

SCENE = Path(__file__).parents[4] / "deploy" / "pictures" / "top_scene.py"


@functools.cache
def moments() -> tuple[dict[str, Any], ...]:
    """Returns the answers at 0, 59 and 60 s, made with the catalogue's own metrics."""
    command = [sys.executable, str(SCENE)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return tuple(json.loads(told.stdout))


def sampled(moment: Mapping[str, Any]) -> Sample:
    scales = {b["tenant"]: b["scale"] for b in moment["backoff"]["backoffs"] if b["scale"] < 1}
    series = read_series(moment["metrics"])
    return Sample(float(moment["at"]), moment["unix"], series, moment["health"], scales)


def frame() -> Frame:
    """Returns the scene's last frame: an interval of 1 s, a window of 60 s."""
    from steersman_server.top.compare import compare

    oldest, before, now = map(sampled, moments())
    return compare(before, now, oldest)


def made(
    at: float, series: Mapping[str, Mapping[tuple[tuple[str, str], ...], float]] | None = None,
    health: Mapping[str, Any] | None = None,
) -> Sample:  # fmt: skip
    """Returns a sample of just these values; labels as pairs."""
    told: dict[str, dict[Labels, float]] = {
        name: {frozenset(labels): value for labels, value in values.items()}
        for name, values in (series or {}).items()
    }
    return Sample(at, 1_700_000_000.0 + at, told, health or {"status": "ok"}, None)
