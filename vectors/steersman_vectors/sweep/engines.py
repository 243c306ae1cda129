"""Offline engines by name, out of whatever packages are installed."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import cast

from ..errors import CallerError, OperatorError
from .contract import ENTRY_POINTS, OpenEngine


def find_engine(name: str) -> OpenEngine:
    """Returns the opener of the engine `name`; imports what it needs, such as vLLM.

    Raises `CallerError(unknown_engine)`, and `OperatorError(engine_missing)` for one whose packages
    are not installed here.
    """
    known = entry_points(group=ENTRY_POINTS)
    found = [entry for entry in known if entry.name == name]
    if not found:
        names = ", ".join(sorted(known.names)) or "none (install Steersman again)"
        raise CallerError(
            f"--engine: got {name[:80]!r}, expected one of those installed: {names}",
            code="unknown_engine",
            param="engine",
        )
    try:
        return cast(OpenEngine, found[0].load())
    except ImportError as error:
        raise OperatorError(
            f"--engine {name} cannot be used here: {error}. Install Steersman with its engine: "
            "steersman[cpu] or steersman[cuda]",
            code="engine_missing",
        ) from error
