"""Sources of activations by name, out of whatever packages are installed."""

from __future__ import annotations

from typing import cast

from ..installed import find_installed
from .contract import ENTRY_POINTS, OpenSource


def find_source(name: str) -> OpenSource:
    """Returns the opener of the source `name`; imports what it needs, torch or vLLM.

    Raises `CallerError(unknown_backend)`, and `OperatorError(backend_missing)` for one whose
    packages are not installed here.
    """
    return cast(OpenSource, find_installed(ENTRY_POINTS, name, "backend"))
