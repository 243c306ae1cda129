"""What is typed, and what only looks like it."""

from __future__ import annotations

import os
import pty
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress

import pytest

from steersman_server.top.keyboard import keyboard


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Gives the end of a terminal that a person would type into."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "r") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield master
    os.close(master)


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("s", "s"), ("sp", "sp"), ("\x1b[Ap", "p"), ("\x1bOPs", "s"), ("\x1b[15~s", "s"),
        ("\x1bq", ""), ("s\x1b[1;5Cp", "sp"), ("\x1b", ""),
    ],
)  # fmt: skip
def test_keys(typing: int, typed: str, keys: str) -> None:
    with keyboard() as wait:
        assert wait is not None
        os.write(typing, typed.encode())
        assert wait(30.0) == keys
        assert wait(0.0) == ""


def test_the_terminal_is_as_before_even_after_an_error(typing: int) -> None:
    before = termios.tcgetattr(sys.stdin.fileno())
    with suppress(RuntimeError), keyboard():
        during = termios.tcgetattr(sys.stdin.fileno())
        assert not during[3] & termios.ICANON
        assert not during[3] & termios.ECHO
        assert during[6][termios.VSUSP] == b"\0"
        raise RuntimeError
    assert termios.tcgetattr(sys.stdin.fileno()) == before


def test_no_keys_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with keyboard() as wait:
            assert wait is None
