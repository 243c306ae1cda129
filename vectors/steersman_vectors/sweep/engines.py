"""Offline engines by name, out of whatever packages are installed."""

from __future__ import annotations

from typing import cast

from ..installed import find_installed
from .contract import ENTRY_POINTS, OpenEngine


def find_engine(name: str) -> OpenEngine:
    """Returns the opener of the engine `name`; imports what it needs, such as vLLM.

    Raises `CallerError(unknown_engine)`, and `OperatorError(engine_missing)` for one whose packages
    are not installed here.
    """
    return cast(OpenEngine, find_installed(ENTRY_POINTS, name, "engine"))
