"""Options that several commands share."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Annotated

import typer

from steersman_vectors.home import expand_home


def default_data_dir() -> Path:
    """Returns `$XDG_DATA_HOME/steersman`, below ~/.local/share when that is not set."""
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return expand_data_dir(Path(base)) / "steersman"


def expand_data_dir(path: Path) -> Path:
    """Returns the path with `~` replaced; raises `CallerError(path_unusable)` where it cannot."""
    return expand_home(path, remedy="give --data-dir a folder that you can write to")


def this_user() -> str:
    """Returns the name of the user who runs the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"uid {os.getuid()}"


DataDir = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        envvar="STEERSMAN_DATA_DIR",
        default_factory=default_data_dir,
        callback=expand_data_dir,
        show_default="~/.local/share/steersman",
        help="Where the registry lives; commands work on a running server's, too.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def complete_redis_url(url: str | None) -> str | None:
    """Returns the URL with the name and password that the environment gives, if it has none."""
    from steersman_vectors.registry.connection import with_credentials

    if url is None:
        return None
    username = os.environ.get("STEERSMAN_REDIS_USERNAME")
    return with_credentials(url, username, os.environ.get("STEERSMAN_REDIS_PASSWORD"))


RedisUrl = Annotated[
    str | None,
    typer.Option(
        "--redis-url",
        envvar="STEERSMAN_REDIS_URL",
        metavar="URL",
        callback=complete_redis_url,
        help="A Redis or Valkey that keeps the registry: redis://HOST:PORT/DB, rediss:// for TLS. "
        "Default: a private one in the data directory. Name and password: in the URL, or in "
        "STEERSMAN_REDIS_USERNAME and STEERSMAN_REDIS_PASSWORD.",
    ),
]
Actor = Annotated[
    str, typer.Option(default_factory=this_user, help="Who is recorded as doing this.")
]
OnlyModel = Annotated[
    str | None,
    typer.Option(
        "--model", help="Only vectors of this model: a folder, hub name, or sha256:<prefix>."
    ),
]
ForModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="The base model that the steering must work for: a folder, hub name, or "
        "sha256:<prefix>. Default: any that has the vectors.",
    ),
]
