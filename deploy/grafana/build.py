"""Writes the dashboards from their declarations: `python -m deploy.grafana.build`."""

from __future__ import annotations

import json
from pathlib import Path

from .boards import engine, experiment, overview, registry, tenant
from .declare import Dashboard
from .model import dashboard

FOLDER = Path(__file__).with_name("dashboards")
BOARDS: tuple[Dashboard, ...] = (
    overview.BOARD,
    tenant.BOARD,
    experiment.BOARD,
    engine.BOARD,
    registry.BOARD,
)


def text(board: Dashboard) -> str:
    """Returns the file of a dashboard."""
    return json.dumps(dashboard(board), indent=2, ensure_ascii=False) + "\n"


def path(board: Dashboard) -> Path:
    """Returns where it is kept."""
    return FOLDER / f"{board.uid}.json"


if __name__ == "__main__":
    for one in BOARDS:
        path(one).write_text(text(one))
        print(path(one))
