"""Counters made of workers' totals: exact through restarts, take-overs and late answers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from steersman_server.monitor.counted import TOTALS, CountedSoFar, growth
from steersman_vectors.worker_counters import WorkerCounters

SERVER = os.getpid()


def told(since: str, tokens: int) -> WorkerCounters:
    tone = (tokens, 0.0, tokens / 4, 0.0)
    return WorkerCounters(since, tokens=tokens, host_seconds=tokens / 8, tone=tone)


def test_the_first_answer_counts_whole_and_the_next_only_what_was_added(tmp_path):
    counted = CountedSoFar(tmp_path, SERVER)
    assert counted.advance({"w": told("one", 5)})["w"].tokens == 5
    assert counted.advance({"w": told("one", 5)})["w"] == told("one", 0)
    assert counted.advance({"w": told("one", 9)})["w"].tokens == 4


def test_a_worker_that_starts_again_counts_from_zero_even_above_where_it_was(tmp_path):
    counted = CountedSoFar(tmp_path, SERVER)
    counted.advance({"w": told("one", 5)})
    assert counted.advance({"w": told("two", 7)})["w"].tokens == 7


@given(st.integers(0, 99), st.integers(0, 99))
def test_nothing_is_ever_negative(before, now):
    grown = growth(told("one", before), told("one", now))
    assert min((*grown.tone, *(getattr(grown, name) for name in TOTALS if name != "tone"))) >= 0
    assert grown.tone == told("one", max(0, now - before)).tone
    assert grown.tokens == max(0, now - before)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["work", "work", "ask", "late", "restart", "end"]),
        st.integers(0, 1),
        st.integers(0, 2),
        st.integers(1, 20),
    ),
    max_size=40,
)
"""What happens; to which worker; which process asks; how many tokens."""


@settings(max_examples=150, deadline=None)
@given(events=EVENTS)
def test_any_process_may_ask_and_the_sum_is_what_the_workers_did(events, tmp_path_factory):
    """What all processes counted together is what was done until the last question."""
    folder = tmp_path_factory.mktemp("counted")
    processes = [CountedSoFar(folder, SERVER) for _ in range(3)]
    workers = [told(f"{k}-0", 0) for k in range(2)]
    ended = total = known = 0
    answers = []

    def ask(process: int, now: list[WorkerCounters]) -> int:
        grown = processes[process].advance({str(k): w for k, w in enumerate(now)})
        return sum(g.tokens for g in grown.values())

    for n, (what, worker, process, tokens) in enumerate(events):
        if what == "work":
            workers[worker] = told(workers[worker].since, workers[worker].tokens + tokens)
        elif what == "ask":
            total += ask(process, workers)
            known = ended + sum(w.tokens for w in workers)
            answers.append(list(workers))
        elif what == "late" and answers:  # an answer from before, told by a slow process
            total += ask(process, answers[tokens % len(answers)])
        elif what == "restart":  # what was done since the last question is lost with the worker
            total += ask(process, workers)
            ended += workers[worker].tokens
            known = ended + sum(w.tokens for i, w in enumerate(workers) if i != worker)
            workers[worker] = told(f"{worker}-{n + 1}", 0)
        elif what == "end":
            processes[process] = CountedSoFar(folder, SERVER)
    assert total == known


def test_two_processes_that_ask_at_once_count_everything_once(tmp_path):
    """Real processes, the same totals: the sum of what they counted is the last total."""
    code = (
        "import sys, time; from pathlib import Path;"
        "from steersman_server.monitor.counted import CountedSoFar;"
        "from steersman_vectors.worker_counters import WorkerCounters;"
        "counted = CountedSoFar(Path(sys.argv[1]), int(sys.argv[2]));"
        "print(sum(counted.advance({'w': WorkerCounters('one', tokens=n)})['w'].tokens"
        " for n in range(1, 301)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path), str(SERVER)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sum(int(process.communicate(timeout=120)[0]) for process in running) == 300


def test_a_folder_that_cannot_be_written_costs_nothing_while_one_process_asks(tmp_path):
    (tmp_path / "file").write_text("in the way")
    counted = CountedSoFar(tmp_path / "file" / "folder", SERVER)
    grown = [counted.advance({"w": told("one", n)})["w"].tokens for n in (3, 3, 8)]
    assert grown == [3, 0, 5]


def test_a_file_that_is_damaged_is_written_anew(tmp_path):
    CountedSoFar(tmp_path, SERVER).advance({"w": told("one", 3)})
    path = next(tmp_path.iterdir())
    path.write_text("[{")
    counted = CountedSoFar(tmp_path, SERVER)
    counted.advance({"w": told("one", 4)})
    assert CountedSoFar(tmp_path, SERVER).advance({"w": told("one", 6)})["w"].tokens == 2


def test_files_of_servers_that_have_ended_are_removed(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for pid in (ended.pid, SERVER):
        (tmp_path / f"{pid}.counted").write_text("[]")
    (tmp_path / "other.counted").write_text("not ours")
    CountedSoFar(tmp_path, SERVER)
    assert sorted(path.name for path in Path(tmp_path).iterdir()) == sorted(
        [f"{SERVER}.counted", "other.counted"]
    )
