"""A server's Valkey comes back whatever ends it, and the data directory stays the server's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import redis
from structlog.testing import capture_logs

from steersman_vectors.errors import OperatorError
from steersman_vectors.registry import data_dir as directory
from steersman_vectors.registry import supervision
from steersman_vectors.registry.embedded import attach_or_start, open_registry
from steersman_vectors.registry.valkey_run import ValkeyRun

from .valkey_owners import (
    Start,
    eventually,
    processes_in,
    publish,
    valkey_pid,
    version_count,
)

pytestmark = pytest.mark.timeout(300)


def watchdog_pid(data_dir: Path, url: str) -> int:
    (pid,) = processes_in(data_dir) - {valkey_pid(url)}
    return pid


def kill_watchdog(data_dir: Path, url: str) -> None:
    os.kill(watchdog_pid(data_dir, url), signal.SIGKILL)


def kill_valkey(data_dir: Path, url: str) -> None:
    os.kill(valkey_pid(url), signal.SIGKILL)


def terminate_valkey(data_dir: Path, url: str) -> None:
    os.kill(valkey_pid(url), signal.SIGTERM)


def shut_down(data_dir: Path, url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.shutdown(nosave=True)


def kill_both(data_dir: Path, url: str) -> None:
    for pid in processes_in(data_dir):
        os.kill(pid, signal.SIGKILL)


Fate = Callable[[Path, str], None]
FATES = [kill_watchdog, kill_valkey, terminate_valkey, shut_down, kill_both]


def answering(url: str) -> int:
    """Returns the pid of the Valkey that answers; 0 when none does."""
    with suppress(redis.RedisError):
        return valkey_pid(url)
    return 0


@pytest.mark.parametrize("fate", FATES)
def test_it_comes_back_with_everything_and_nobody_else_gets_the_directory(
    tmp_path: Path, start: Start, fate: Fate
) -> None:
    server = start("open_registry", tmp_path)
    assert [publish(server.url, seed) for seed in range(3)] == [1, 2, 3]
    before = valkey_pid(server.url)
    fate(tmp_path, server.url)

    def is_back() -> bool:
        with pytest.raises(OperatorError) as caught:
            open_registry(tmp_path, wait_s=0.0)
        assert caught.value.code == "data_dir_held"
        assert f"pid {server.process.pid} (a server" in caught.value.message
        return answering(server.url) not in (0, before)

    assert eventually(is_back)
    assert version_count(server.url) == 3
    with attach_or_start(tmp_path) as command:
        assert not command.owned
        assert publish(command.url, 3) == 4
    assert eventually(lambda: len(processes_in(tmp_path)) == 2)
    server.kill()
    assert eventually(lambda: not processes_in(tmp_path))
    with open_registry(tmp_path) as registry:
        assert version_count(registry.url) == 4


@pytest.mark.parametrize("fate", FATES)
def test_it_ends_with_the_server_though_it_was_about_to_come_back(
    tmp_path: Path, start: Start, fate: Fate
) -> None:
    server = start("open_registry", tmp_path)
    publish(server.url, 0)
    fate(tmp_path, server.url)
    server.kill()
    with open_registry(tmp_path, wait_s=60.0) as registry:
        assert version_count(registry.url) == 1
        assert len(processes_in(tmp_path)) == 2
    assert processes_in(tmp_path) == set()


def test_nothing_acknowledged_is_lost_and_never_two_run_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "LONGEST_DELAY_S", 0.1)
    stop = threading.Event()
    acknowledged: list[int] = []

    def write() -> None:
        seed = 0
        while not stop.is_set():
            seed += 1
            with suppress(OperatorError):  # the same bytes again would be the same version
                acknowledged.append(publish(registry.url, seed))

    with open_registry(tmp_path) as registry:
        writer = threading.Thread(target=write)
        writer.start()
        try:
            for fate in FATES:
                done = len(acknowledged)
                assert eventually(lambda done=done: len(acknowledged) > done + 3)
                with suppress(redis.ConnectionError):  # how a Valkey answers SHUTDOWN
                    fate(tmp_path, registry.url)
                assert eventually(lambda: valkeys_in(tmp_path) == 1 and answering(registry.url))
        finally:
            stop.set()
            writer.join()
    with open_registry(tmp_path) as registry:
        assert version_count(registry.url) >= max(acknowledged)
        assert len(set(acknowledged)) == len(acknowledged)


def valkeys_in(data_dir: Path) -> int:
    """Returns how many Valkeys work in the folder; there may never be two."""
    count = 0
    for pid in processes_in(data_dir):
        with suppress(OSError):
            name = Path(f"/proc/{pid}/exe").readlink().name
            count += not name.startswith("python")
    assert count <= 1
    return count


def test_a_start_that_fails_is_tried_again_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "LONGEST_DELAY_S", 0.2)
    kept = directory.registry_dir(tmp_path) / "appendonlydir"
    with capture_logs() as lines, open_registry(tmp_path) as registry:
        publish(registry.url, 0)
        kept.rename(tmp_path / "aside")
        kept.touch()  # a Valkey refuses to start on this
        kill_valkey(tmp_path, registry.url)
        assert eventually(lambda: events(lines).count("registry_unavailable") >= 2)
        kept.unlink()
        (tmp_path / "aside").rename(kept)
        assert eventually(lambda: bool(answering(registry.url)))
        assert version_count(registry.url) == 1
    assert events(lines)[0] == "registry_ended"
    assert {line["log_level"] for line in lines} == {"warning"}


def test_closing_does_not_wait_for_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "FIRST_DELAY_S", 3600.0)
    with capture_logs() as lines, open_registry(tmp_path) as registry:
        kill_valkey(tmp_path, registry.url)
        assert eventually(lambda: "registry_ended" in events(lines))
    assert processes_in(tmp_path) == set()
    with open_registry(tmp_path, wait_s=0.0):
        pass


def test_delays_grow_to_a_bound() -> None:
    delays = list(islice(supervision._delays(), 12))
    assert delays == sorted(delays)
    assert delays[0] == supervision.FIRST_DELAY_S
    assert delays[-1] == delays[-2] == supervision.LONGEST_DELAY_S


class ShortRun:
    """A run that lasts `lasts_s` of a clock that only runs of it move."""

    now_s = 0.0

    def __init__(self, lasts_s: float) -> None:
        self.lasts_s = lasts_s

    def wait(self) -> int:
        ShortRun.now_s += self.lasts_s
        return 1

    def end(self) -> None: ...
    def close(self) -> None: ...
    def let_go(self) -> None: ...


def test_delays_begin_anew_after_a_steady_run_and_only_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steady_s = supervision.STEADY_S
    runs = iter([1.0, 1.0, steady_s - 1, steady_s, 1.0, 1.0])
    waited: list[float] = []
    over = threading.Event()

    class Ending(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            waited.append(timeout)
            if len(waited) == 6:
                self.set()
                over.set()
            return self.is_set()

    threads = SimpleNamespace(Event=Ending, Thread=threading.Thread)
    monkeypatch.setattr(supervision, "threading", threads)
    monkeypatch.setattr(supervision, "time", SimpleNamespace(monotonic=lambda: ShortRun.now_s))
    supervised = supervision.Supervision(lambda: cast(ValkeyRun, ShortRun(next(runs))))
    assert over.wait(10)
    supervised.close()
    first_s = supervision.FIRST_DELAY_S
    assert waited == pytest.approx([first_s * k for k in (1, 2, 4, 1, 2, 4)])


def test_a_child_that_the_server_forked_does_not_keep_the_directory(tmp_path: Path) -> None:
    script = (
        "import os, sys, time; from pathlib import Path\n"
        "from steersman_vectors.registry.embedded import open_registry\n"
        "registry = open_registry(Path(sys.argv[1]))\n"
        "if os.fork() == 0: time.sleep(600)\n"
        "print(flush=True); time.sleep(600)\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as server:
        assert server.stdout is not None
        server.stdout.readline()
        try:
            server.kill()
            server.wait()
            with open_registry(tmp_path, wait_s=60.0) as registry:
                assert publish(registry.url, 0) == 1
        finally:
            os.killpg(server.pid, signal.SIGKILL)
    # the pipe's end shows that the child lived until then


def events(lines: list) -> list[str]:
    return [line["event"] for line in lines]
