"""Sources of activations by name, out of whatever packages are installed."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import cast

from ..errors import CallerError, OperatorError
from .contract import ENTRY_POINTS, OpenSource


def find_source(name: str) -> OpenSource:
    """Returns the opener of the source `name`; imports what it needs, torch or vLLM.

    Raises `CallerError(unknown_backend)`, and `OperatorError(backend_missing)` for one whose
    packages are not installed here.
    """
    known = entry_points(group=ENTRY_POINTS)
    found = [entry for entry in known if entry.name == name]
    if not found:
        names = ", ".join(sorted(known.names)) or "none (install Steersman again)"
        raise CallerError(
            f"--backend: got {name[:80]!r}, expected one of those installed: {names}",
            code="unknown_backend",
            param="backend",
        )
    try:
        return cast(OpenSource, found[0].load())
    except ImportError as error:
        raise OperatorError(
            f"--backend {name} cannot be used here: {error}. Install Steersman with its engine: "
            "steersman[cpu] or steersman[cuda]",
            code="backend_missing",
        ) from error
