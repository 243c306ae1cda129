"""How tests run the `steersman` command."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STEERSMAN = (sys.executable, "-m", "steersman_server.cli.main")


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


def imported(run: Run, file: Path, name: str, model: Path, *more: str) -> dict[str, Any]:
    done = run("vectors", "import", file, "--name", name, "--model", model, "--json", *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]
