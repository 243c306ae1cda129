"""A Redis server of our own: on a port of loopback, to be frozen, killed, wiped and restarted."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import redis

START_S = 20.0


class RedisServer:
    """One `redis-server`, keeping its data in `folder` from one start to the next."""

    def __init__(self, folder: Path, *options: str, password: str = "") -> None:
        self.binary = shutil.which("redis-server") or "redis-server"
        self.folder = folder
        self.options: Sequence[str] = (*options, *(("--requirepass", password) if password else ()))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}/0"
        self.url = f"redis://{f':{password}@' if password else ''}{self.address}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    self.binary, "--port", str(self.port), "--bind", "127.0.0.1",
                    "--dir", str(self.folder), "--appendonly", "yes", "--appendfsync", "always",
                    "--save", "", *self.options,
                ],
                stdout=log,
                stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        while not self.answers():
            assert self.process.poll() is None, (self.folder / "redis.log").read_text()
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.02)

    def answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def freeze(self) -> None:
        """Leaves its connections open and answers nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def wipe(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()


@contextlib.contextmanager
def redis_server(folder: Path, *options: str, password: str = "") -> Iterator[RedisServer]:
    """Gives a running server, ended with the block."""
    server = RedisServer(folder, *options, password=password)
    server.start()
    try:
        yield server
    finally:
        server.kill()
