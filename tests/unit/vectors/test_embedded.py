"""The private Valkey: one per data directory, durable, and never outliving its owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from steersman_vectors.errors import OperatorError
from steersman_vectors.registry import data_dir as directory
from steersman_vectors.registry.embedded import attach_or_start, exists, open_registry

from .valkey_owners import (
    Start,
    eventually,
    processes_in,
    publish,
    valkey_pid,
    version_count,
)


def test_it_is_private_and_listens_on_no_port(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    assert not exists(data_dir)
    with open_registry(data_dir) as registry:
        assert exists(data_dir)
        folder = directory.registry_dir(data_dir)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "valkey.sock").stat().st_mode & 0o077 == 0
        with redis.Redis.from_url(registry.url) as client:
            config = client.config_get("port", "appendonly", "appendfsync")
        assert config == {"port": "0", "appendonly": "yes", "appendfsync": "always"}
    assert processes_in(data_dir) == set()


def test_a_folder_that_others_could_enter_is_closed_to_them(tmp_path: Path) -> None:
    folder = directory.registry_dir(tmp_path)
    folder.mkdir()
    folder.chmod(0o755)
    assert directory.prepare(tmp_path) == folder
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_was_acknowledged_survives_closing(tmp_path: Path) -> None:
    for seed in range(3):
        with open_registry(tmp_path) as registry:
            assert publish(registry.url, seed) == seed + 1


@pytest.mark.parametrize("call", ["open_registry", "attach_or_start"])
def test_sigkill_of_the_owner_ends_valkey_and_loses_nothing(
    tmp_path: Path, start: Start, call: str
) -> None:
    owner = start(call, tmp_path)
    acknowledged = [publish(owner.url, seed) for seed in range(5)]
    assert len(processes_in(tmp_path)) == 2
    owner.kill()
    assert eventually(lambda: not processes_in(tmp_path))
    with open_registry(tmp_path) as registry:
        assert version_count(registry.url) == len(acknowledged) == 5


def test_sigkill_of_everything_at_once_loses_nothing(tmp_path: Path, start: Start) -> None:
    owner = start("open_registry", tmp_path)
    done: list[int] = []

    def write() -> None:
        try:
            for seed in range(1000):
                done.append(publish(owner.url, seed))
        except OperatorError:
            return

    writer = threading.Thread(target=write)
    writer.start()
    assert eventually(lambda: len(done) > 10)
    for pid in [valkey_pid(owner.url), *processes_in(tmp_path)]:
        os.kill(pid, signal.SIGKILL)
    owner.kill()
    writer.join()
    with open_registry(tmp_path) as registry:
        # One change may have been stored without its acknowledgement having arrived.
        assert version_count(registry.url) in (len(done), len(done) + 1)


def test_sigkill_of_a_commands_watchdog_ends_valkey_too(tmp_path: Path, start: Start) -> None:
    owner = start("attach_or_start", tmp_path)
    (watchdog,) = processes_in(tmp_path) - {valkey_pid(owner.url)}
    os.kill(watchdog, signal.SIGKILL)
    assert eventually(lambda: not processes_in(tmp_path))


def test_a_child_that_the_owner_forked_does_not_keep_valkey(tmp_path: Path) -> None:
    script = (
        "import os, sys, time; from pathlib import Path\n"
        "from steersman_vectors.registry.embedded import open_registry\n"
        "registry = open_registry(Path(sys.argv[1]))\n"
        "if os.fork() == 0: time.sleep(60)\n"
        "print(flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        owner.kill()
        owner.wait()
        ended = eventually(lambda: not processes_in(tmp_path))
        os.killpg(owner.pid, signal.SIGKILL)
    assert ended


def test_the_thread_that_opened_it_may_end(tmp_path: Path) -> None:
    opened = []
    thread = threading.Thread(target=lambda: opened.append(open_registry(tmp_path)))
    thread.start()
    thread.join()
    time.sleep(0.5)
    with opened[0] as registry:
        assert publish(registry.url, 0) == 1


def test_signals_of_the_terminal_reach_the_owner_only(tmp_path: Path) -> None:
    with open_registry(tmp_path) as registry:
        for pid in processes_in(tmp_path):
            assert os.getpgid(pid) != os.getpgrp()
        assert publish(registry.url, 0) == 1


def test_commands_attach_to_a_server(tmp_path: Path, start: Start) -> None:
    server = start("open_registry", tmp_path)
    with attach_or_start(tmp_path) as registry:
        assert not registry.owned
        assert publish(registry.url, 0) == 1
    assert version_count(server.url) == 1


def test_a_second_server_is_told_who_holds_the_directory(tmp_path: Path, start: Start) -> None:
    server = start("open_registry", tmp_path)
    with pytest.raises(OperatorError) as caught:
        open_registry(tmp_path, wait_s=0.2)
    assert caught.value.code == "data_dir_held"
    assert f"pid {server.process.pid} (a server" in caught.value.message


@pytest.mark.parametrize("call", [open_registry, attach_or_start])
def test_a_command_is_waited_for(tmp_path: Path, start: Start, call: Callable) -> None:
    command = start("attach_or_start", tmp_path, 0.5)
    with call(tmp_path) as registry:
        assert registry.owned
    assert command.owned == "True"


@pytest.mark.parametrize("call", [open_registry, attach_or_start])
def test_waiting_for_a_command_is_bounded(tmp_path: Path, start: Start, call: Callable) -> None:
    command = start("attach_or_start", tmp_path)
    with pytest.raises(OperatorError, match=f"pid {command.process.pid} \\(a command"):
        call(tmp_path, wait_s=0.2)


def test_many_commands_take_turns(tmp_path: Path) -> None:
    versions: list[int] = []

    def command(seed: int) -> None:
        with attach_or_start(tmp_path, wait_s=30.0) as registry:
            versions.append(publish(registry.url, seed))

    threads = [threading.Thread(target=command, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(versions) == [1, 2, 3, 4]


def test_what_a_killed_holder_left_does_not_block(tmp_path: Path) -> None:
    folder = directory.prepare(tmp_path)
    (folder / "valkey.sock").touch()
    (folder / "lock").write_text('{"pid": 1, "role": "server", "since": "then"}')
    with attach_or_start(tmp_path) as registry:
        assert registry.owned
    (folder / "lock").write_bytes(b"\xff{")
    with open_registry(tmp_path) as registry:
        assert publish(registry.url, 0) == 1


@pytest.mark.parametrize("name", ["x" * 120, "with space & ?query#part%20", "ünï"])
def test_any_path_will_do(tmp_path: Path, name: str) -> None:
    with open_registry(tmp_path / name) as registry, attach_or_start(tmp_path / name) as attached:
        assert publish(attached.url, 0) == 1
        assert version_count(registry.url) == 1


def test_a_relative_path_may_outlive_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_registry(Path("data")) as registry:
        monkeypatch.chdir("/")
        assert publish(registry.url, 0) == 1


def test_a_directory_that_cannot_be_used_is_an_operator_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "x"):
        with pytest.raises(OperatorError) as caught:
            open_registry(path)
        assert caught.value.code == "data_dir_unusable"


def test_damaged_data_is_reported_with_the_log(tmp_path: Path) -> None:
    with open_registry(tmp_path) as registry:
        publish(registry.url, 0)
        publish(registry.url, 1)
    (incr,) = (directory.registry_dir(tmp_path) / "appendonlydir").glob("*.incr.aof")
    data = bytearray(incr.read_bytes())
    data[40:80] = b"\xff" * 40
    incr.write_bytes(bytes(data))
    with pytest.raises(OperatorError, match=r"(?s)did not start.*valkey\.log") as caught:
        open_registry(tmp_path)
    assert caught.value.code == "registry_unavailable"
    assert processes_in(tmp_path) == set()


def test_a_half_written_change_is_dropped_and_the_rest_is_kept(tmp_path: Path) -> None:
    with open_registry(tmp_path) as registry:
        publish(registry.url, 0)
        publish(registry.url, 1)
    (incr,) = (directory.registry_dir(tmp_path) / "appendonlydir").glob("*.incr.aof")
    incr.write_bytes(incr.read_bytes()[:-10])
    with open_registry(tmp_path) as registry:
        assert version_count(registry.url) == 1
        assert publish(registry.url, 1) == 2
