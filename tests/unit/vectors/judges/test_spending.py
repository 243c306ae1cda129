"""Limits that hold whatever is asked; a cache that outlives kills and is shared by processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.errors import OperatorError
from steersman_vectors.judges.reply_cache import Reply, ReplyCache, key_of
from steersman_vectors.judges.spending import CHARS_PER_TOKEN, Limits, Spending

CALLS = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(1, 500), st.floats(0, 1), st.floats(0, 1)),
    max_size=40,
)
LIMITS = st.builds(
    Limits,
    max_calls=st.none() | st.integers(0, 30),
    max_tokens=st.none() | st.integers(0, 20_000),
    max_cost=st.none() | st.floats(0, 0.05),
    prompt_price=st.floats(0.1, 5),
    reply_price=st.floats(0.1, 20),
)


@given(LIMITS, CALLS, st.integers(1, 5))
def test_no_limit_is_passed_however_many_are_in_flight(
    limits: Limits, calls: list[tuple[int, int, float, float]], at_once: int
) -> None:
    """A call takes no more than was set aside, as it does unless tokens are very short."""
    spending, flying, made = Spending(limits), [], 0
    for chars, reply, prompt_part, reply_part in calls:
        try:
            reserved = spending.reserve(chars, reply)
        except OperatorError:
            break
        made += 1
        took = int(prompt_part * chars / CHARS_PER_TOKEN), int(reply_part * reply)
        flying.append((reserved, took))
        if len(flying) == at_once:
            done, took = flying.pop(0)
            spending.settle(done, *took)
    for done, took in flying:
        spending.settle(done, *took)
    assert spending.calls == made <= (limits.max_calls if limits.max_calls is not None else made)
    total = spending.prompt_tokens + spending.reply_tokens
    assert total <= (limits.max_tokens if limits.max_tokens is not None else total)
    if limits.max_cost is not None:
        assert spending.cost <= limits.max_cost + 1e-12


WRITER = """
import sys
from pathlib import Path
from steersman_vectors.judges.reply_cache import Reply, ReplyCache, key_of
cache = ReplyCache(Path(sys.argv[1]))
for n in range(int(sys.argv[2])):
    cache.put(key_of(n=n), Reply("x" * 5000 + str(n), "stop", n, n))
    print(n, flush=True)
"""


def writer(folder: Path, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def whole(n: int) -> Reply:
    return Reply("x" * 5000 + str(n), "stop", n, n)


@pytest.mark.parametrize("written", [1, 7, 40])
def test_a_killed_writer_leaves_whole_replies_only(written: int, tmp_path: Path) -> None:
    process = writer(tmp_path, 100_000)
    assert process.stdout is not None
    for _ in range(written):
        process.stdout.readline()
    process.kill()
    process.wait()
    process.stdout.close()
    cache = ReplyCache(tmp_path)
    there = [n for n in range(written + 2000) if cache.get(key_of(n=n)) is not None]
    assert there[:written] == list(range(written))
    assert all(cache.get(key_of(n=n)) == whole(n) for n in there)
    assert len(list(tmp_path.rglob("*.json"))) == len(there)


def test_processes_share_a_cache(tmp_path: Path) -> None:
    processes = [writer(tmp_path, 50) for _ in range(3)]
    cache = ReplyCache(tmp_path)
    while any(process.poll() is None for process in processes):
        for n in range(50):
            assert cache.get(key_of(n=n)) in (None, whole(n))
    for process in processes:
        assert process.communicate()[0].split() == [str(n) for n in range(50)]
        assert process.returncode == 0
    assert [cache.get(key_of(n=n)) for n in range(50)] == [whole(n) for n in range(50)]
