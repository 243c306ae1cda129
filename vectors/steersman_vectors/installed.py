"""What installed packages offer by name, in an entry point group."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from .errors import CallerError, OperatorError


def find_installed(group: str, name: str, option: str) -> Any:
    """Returns what the group's entry `name` stands for; imports what it needs.

    option: of the command line, without dashes; it names the codes. Raises
    `CallerError(unknown_OPTION)`, and `OperatorError(OPTION_missing)` for one whose packages are
    not installed here.
    """
    known = entry_points(group=group)
    found = [entry for entry in known if entry.name == name]
    if not found:
        names = ", ".join(sorted(known.names)) or "none (install Steersman again)"
        raise CallerError(
            f"--{option}: got {name[:80]!r}, expected one of those installed: {names}",
            code=f"unknown_{option}",
            param=option,
        )
    try:
        return found[0].load()
    except ImportError as error:
        raise OperatorError(
            f"--{option} {name} cannot be used here: {error}. Install Steersman with its engine: "
            "steersman[cpu] or steersman[cuda]",
            code=f"{option}_missing",
        ) from error
