"""Open files that no forked child keeps: what they hold ends with the process that opened them.

Python's files are closed in what a process executes, but not in what it forks, and vLLM may fork
its engine. A forked copy of a lock would keep a data directory for a server that is dead.
"""

from __future__ import annotations

import os
from typing import Protocol, TypeVar
from weakref import WeakSet


class Closable(Protocol):
    """A file or a socket."""

    def close(self) -> None:
        """Closes it; may be called again."""


F = TypeVar("F", bound=Closable)
_kept: WeakSet[Closable] = WeakSet()


def owner_only(file: F) -> F:
    """Returns the file, which will be closed in every child that this process forks."""
    _kept.add(file)
    return file


def _close_all() -> None:
    for file in list(_kept):
        file.close()
    _kept.clear()


os.register_at_fork(after_in_child=_close_all)
