"""Processes of a server end with the one that started them, even when that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from steersman_vectors.engine_contract import SERVER_ENV
from vllm_steersman.orphan import OFFLINE_ENV

PARENT = r"""
import multiprocessing, os, time

def child(stubborn):
    import signal
    if stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    from vllm_steersman import orphan
    orphan.POLL_S, orphan.GRACE_S = 0.05, 0.2
    orphan.end_with_parent()
    os.write(1, b"ready\n")  # at once: two children share the pipe
    time.sleep(300)

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    for stubborn in (False, True):
        context.Process(target=child, args=(stubborn,)).start()
    time.sleep(300)
"""


@pytest.fixture
def family(tmp_path):
    """Starts a parent with two children; ends whatever is left of them."""
    started = []

    def start(environment: dict[str, str]) -> tuple[psutil.Process, list[psutil.Process]]:
        script = tmp_path / "parent.py"
        script.write_text(PARENT)
        process = subprocess.Popen(
            [sys.executable, script], stdout=subprocess.PIPE, env=os.environ | environment
        )
        started.append(process)
        for _ in range(2):
            assert process.stdout.readline() == b"ready\n"
        parent = psutil.Process(process.pid)
        children = [
            c for c in parent.children(recursive=True) if "spawn_main" in " ".join(c.cmdline())
        ]
        assert len(children) == 2
        started.extend(children)
        return parent, children

    yield start
    for process in started:
        if isinstance(process, subprocess.Popen):
            process.stdout.close()
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
        process.wait(10)


@pytest.mark.parametrize("ours", [{SERVER_ENV: "{}"}, {OFFLINE_ENV: "1"}])
def test_children_of_a_killed_server_or_offline_engine_end(family, ours):
    parent, children = family(ours)
    parent.send_signal(signal.SIGKILL)
    gone, alive = psutil.wait_procs(children, timeout=30)
    assert (len(gone), alive) == (2, [])


def test_other_programs_keep_their_ways(family):
    parent, children = family({})
    parent.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=1)
    assert len(alive) == 2
