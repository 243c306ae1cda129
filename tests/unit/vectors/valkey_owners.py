"""Processes that own the registry of a data directory, and what tests ask about them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import redis

from steersman_vectors.registry import data_dir as directory
from steersman_vectors.registry.store import RegistryStore

from .samples import FP_A, vector

OWNER = """
import sys, time
from pathlib import Path
from steersman_vectors.registry import embedded
with getattr(embedded, sys.argv[1])(Path(sys.argv[2])) as registry:
    print(registry.url, registry.owned, flush=True)
    time.sleep(float(sys.argv[3]))
"""


class Owner:
    """Another process that opened the registry of a data directory."""

    def __init__(self, call: str, data_dir: Path, seconds: float = 60.0) -> None:
        command = [sys.executable, "-c", OWNER, call, str(data_dir), str(seconds)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url, self.owned = self.process.stdout.readline().split()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


Start = Callable[..., Owner]


def processes_in(data_dir: Path) -> set[int]:
    """Returns the pids of watchdogs and Valkeys whose working directory is the registry's."""
    folder, found = directory.registry_dir(data_dir), set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/cwd") == str(folder):
                found.add(int(pid))
        except OSError:
            continue
    return found


def valkey_pid(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])


def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
    deadline_s = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.02)
    return True


def publish(url: str, seed: int) -> int:
    async def run() -> int:
        async with RegistryStore(url) as store:
            done = await store.publish(vector(seed), name="v", fingerprint=FP_A, actor="x")
            return done.version

    return asyncio.run(run())


def version_count(url: str) -> int:
    async def run() -> int:
        async with RegistryStore(url) as store:
            snapshot = await store.snapshot()
            for entry in snapshot.entries():
                await store.blob(entry.digest)
            return len(snapshot.entries())

    return asyncio.run(run())
