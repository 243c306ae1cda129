"""`steersman top` as it is typed: on a terminal of its own, in a pipe, against a real server."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .http_server import Recorded, serving

STEERSMAN = (sys.executable, "-m", "steersman_server.cli.main", "top")
ROOT = Path(__file__).parents[4]
ENVIRONMENT = {
    **{k: v for k, v in os.environ.items() if k not in ("STEERSMAN_ADMIN_KEY", "NO_COLOR")},
    "TERM": "xterm-256color",
}  # fmt: skip
PATIENCE_S = 60.0
ENTER, LEAVE, CURSOR = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25h"


@pytest.fixture
def server() -> Iterator[Recorded]:
    with serving() as recorded:
        yield recorded


def top(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*STEERSMAN, *args], capture_output=True, text=True, timeout=PATIENCE_S, cwd=ROOT,
        env=ENVIRONMENT | env,
    )  # fmt: skip


@dataclass
class Terminal:
    """The command on a terminal, and all that it wrote so far."""

    process: subprocess.Popen[bytes]
    master: int
    slave: int
    before: list[object]
    said: str = ""
    at: int = 0
    """Where what was waited for last ended."""

    def wait_for(self, text: str) -> None:
        """Reads until the text came after what was waited for last."""
        deadline = time.monotonic() + PATIENCE_S
        while (found := self.said.find(text, self.at)) < 0:
            assert time.monotonic() < deadline, f"no {text!r} in {self.said[-3000:]!r}"
            self.read()
        self.at = found + len(text)

    def read(self) -> None:
        ready, _, _ = select.select([self.master], [], [], 0.2)
        if ready:
            self.said += os.read(self.master, 65536).decode(errors="replace")

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)

    def ended(self) -> int:
        """Returns the exit status, with all that was written read."""
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.said[-3000:]
            self.read()
        while select.select([self.master], [], [], 0)[0]:
            self.read()
        return self.process.returncode

    def is_as_before(self) -> bool:
        at_last = max(self.said.rfind(ENTER), self.said.rfind("\x1b[?25l"))
        return (
            termios.tcgetattr(self.slave) == self.before
            and self.said.rfind(LEAVE) > at_last
            and self.said.rfind(CURSOR) > at_last
        )


@pytest.fixture
def terminal(server: Recorded) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(slave)
    process = subprocess.Popen(
        [*STEERSMAN, "--url", server.url, "--interval", "0.3"], stdin=slave, stdout=slave,
        stderr=slave, cwd=ROOT, start_new_session=True,
        env={**ENVIRONMENT, "COLUMNS": "80", "LINES": "24"},  # as some shells export them
    )  # fmt: skip
    running = Terminal(process, master, slave, before)
    yield running
    process.kill()
    process.wait()
    os.close(master)
    os.close(slave)


def test_keys_and_a_clean_end(terminal: Terminal, server: Recorded) -> None:
    terminal.wait_for("acme-support")
    assert ENTER in terminal.said
    terminal.wait_for("sort: requests")
    terminal.type("s")
    terminal.wait_for("sort: steered")
    terminal.type("\x1b[A\x1bOP")  # an arrow and F1 are no keys of ours
    terminal.type("p")
    terminal.wait_for("PAUSED")
    terminal.resize(120, 40)
    terminal.wait_for(server.url)
    terminal.type("q")
    assert terminal.ended() == 0
    assert terminal.is_as_before()
    assert "Traceback" not in terminal.said


def test_the_screen_is_drawn_over_and_never_cleared(terminal: Terminal) -> None:
    """Clearing between two frames is what flickers."""
    terminal.wait_for("acme-support")
    begun = len(terminal.said)
    for _ in range(3):
        terminal.type("s")
        terminal.wait_for("sort: ")
    assert not re.search(r"\x1b\[[0-3]?J", terminal.said[begun:])
    terminal.type("q")
    assert terminal.ended() == 0


@pytest.mark.parametrize(
    ("how", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_signals_give_the_terminal_back(
    terminal: Terminal, how: signal.Signals, status: int
) -> None:
    terminal.wait_for("acme-support")
    terminal.process.send_signal(how)
    assert terminal.ended() == status
    assert terminal.is_as_before()
    assert "Traceback" not in terminal.said


def test_an_outage_is_shown_and_ends(terminal: Terminal, server: Recorded) -> None:
    terminal.wait_for("acme-support")
    server.answers["/metrics"] = (500, b"")
    terminal.wait_for("NO DATA")
    terminal.wait_for("HTTP 500")
    assert terminal.process.poll() is None
    del server.answers["/metrics"]
    # A frame without the alarm: right below the title comes the state of the registry again.
    pattern = re.compile(r"steersman top[^\n]*\n[^\n]*registry")
    deadline = time.monotonic() + PATIENCE_S
    while not pattern.search(terminal.said, terminal.at):
        assert time.monotonic() < deadline, terminal.said[-3000:]
        terminal.read()
    terminal.type("q")
    assert terminal.ended() == 0


def test_once(server: Recorded) -> None:
    done = top("--url", server.url, "--once", "--interval", "0.2", COLUMNS="100")
    assert done.returncode == 0, done.stderr
    assert "acme-support" in done.stdout
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert [path for path, _ in server.seen].count("/metrics") == 2


def test_once_as_json_of_one_tenant(server: Recorded) -> None:
    server.key = "sk-viewer"
    done = top("--url", server.url, "--once", "--json", "--interval", "0.2", "--tenant", "globex",
               STEERSMAN_ADMIN_KEY="sk-viewer")  # fmt: skip
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    body = json.loads(line)
    (tenant,) = body["tenants"]
    assert (tenant["name"], tenant["scale"]) == ("globex", 0.5)
    assert {v["name"] for v in body["vectors"]} == {"empathy", "concise", "formal", "playful"}
    assert body["server"]["killed"] is False


def test_json_goes_on_through_an_outage_and_ends_with_its_reader(server: Recorded) -> None:
    process = subprocess.Popen(
        [*STEERSMAN, "--url", server.url, "--json", "--interval", "0.2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        assert "tenants" in json.loads(process.stdout.readline())
        server.answers["/metrics"] = (500, b"")
        seen = [json.loads(process.stdout.readline()) for _ in range(4)]
        assert seen[-1]["error"]["code"] == "server_answer"
        del server.answers["/metrics"]
        seen = [json.loads(process.stdout.readline()) for _ in range(4)]
        assert "tenants" in seen[-1]
        process.stdout.close()
        process.wait(timeout=PATIENCE_S)
        assert process.stderr.read() == ""
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--once",), 3, "STEERSMAN_ADMIN_KEY"),
        (("--key", "sk-wrong"), 3, "role viewer"),
        (("--url", "http://127.0.0.1:1"), 4, "no answer from http://127.0.0.1:1"),
        (("--url", "nonsense"), 3, "http://127.0.0.1:8000"),
        (("--sort", "nonsense"), 2, "degenerate"),
        (("--interval", "0"), 2, "0.2"),
    ],
)
def test_what_cannot_be_shown_is_one_line(
    server: Recorded, args: tuple[str, ...], code: int, said: str
) -> None:
    server.key = "sk-right"
    done = top("--url", server.url, *args)
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    if code != 2:
        assert len(done.stderr.splitlines()) == 1


def test_errors_as_json(server: Recorded) -> None:
    server.answers["/v1/steering/health"] = (404, b"{}")
    done = top("--url", server.url, "--json", "--once")
    assert done.returncode == 4
    assert json.loads(done.stderr)["error"]["code"] == "steering_not_enabled"


def test_help_has_examples() -> None:
    done = top("--help", COLUMNS="100")
    assert done.returncode == 0
    assert "steersman top --once --tenant acme" in done.stdout
    assert "Exit codes" in done.stdout
