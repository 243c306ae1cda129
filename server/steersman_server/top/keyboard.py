"""Single keys from a terminal, without waiting for Enter; the terminal is as before afterwards."""

from __future__ import annotations

import os
import re
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ESCAPED = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]?|O.?|.?)", re.S)
"""Arrows, function keys and pasted text: an escape, and letters that nobody pressed."""
Wait = Callable[[float], str]
"""Returns what was typed within so many seconds at the most; `q` once nobody can type any more."""


@contextmanager
def keyboard() -> Iterator[Wait | None]:
    """Gives what waits for keys; None where stdin is no terminal."""
    try:
        fd = sys.stdin.fileno()
        before = termios.tcgetattr(fd)
    except (OSError, ValueError, AttributeError, termios.error):
        yield None
        return
    try:
        tty.setcbreak(fd)
        _without_suspending(fd)
        yield lambda timeout_s: _read(fd, timeout_s)
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def nobody(timeout_s: float) -> str:
    """Waits as a keyboard does that nobody touches."""
    time.sleep(timeout_s)
    return ""


def _without_suspending(fd: int) -> None:
    """Has Ctrl-Z do nothing: a suspended screen would leave the shell on its alternate screen."""
    attributes = termios.tcgetattr(fd)
    attributes[6][termios.VSUSP] = b"\0"
    termios.tcsetattr(fd, termios.TCSADRAIN, attributes)


def _read(fd: int, timeout_s: float) -> str:
    ready, _, _ = select.select([fd], [], [], timeout_s)
    if not ready:
        return ""
    try:
        data = os.read(fd, 64)
    except OSError:  # the terminal is gone
        return "q"
    if not data:
        return "q"
    return ESCAPED.sub("", data.decode(errors="replace"))
