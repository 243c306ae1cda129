"""Our own lines in the server's log.

A disk that is full or a pipe that nobody reads costs lines, and nothing else: structlog's own
printer would raise into whatever had something to say, the following of the registry among them.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TextIO

import structlog


class Printer:
    """Where structlog's rendered lines go."""

    def __init__(self, to: TextIO | None = None) -> None:
        self._to = to

    def msg(self, line: str) -> None:
        """Prints a line, if that is possible; never raises."""
        with suppress(OSError, ValueError):  # ValueError: a stream that was closed
            print(line, file=self._to or sys.stdout, flush=True)

    log = debug = info = warning = warn = error = exception = critical = fatal = failure = msg


def configure_logs() -> None:
    """Sends the lines of this process to standard output."""
    structlog.configure(logger_factory=lambda *_: Printer())
