"""Options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def default_data_dir() -> Path:
    """Returns `$XDG_DATA_HOME/steersman`, below ~/.local/share when that is not set."""
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "steersman"


DataDir = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        envvar="STEERSMAN_DATA_DIR",
        default_factory=default_data_dir,
        show_default="~/.local/share/steersman",
        help="Where the registry lives. `vectors` commands also work on a running server's.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
