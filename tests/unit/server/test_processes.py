"""What the API processes of one server know of each other."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from steersman_server.processes import ProcessBoard, ProcessReport, recent


def test_each_process_has_its_newest_report_and_the_dead_have_none(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    now, server = time.monotonic(), os.getpid()
    board = ProcessBoard(tmp_path / "processes", server)
    assert board.read() == []
    board.post(ProcessReport(ended.pid, 4, now, None))
    board.post(ProcessReport(os.getpid(), 5, None, "registry_unavailable"))
    board.post(ProcessReport(os.getpid(), 7, now - 2.0, None))
    ProcessBoard(tmp_path / "processes", 1).post(ProcessReport(os.getppid(), 9, now, None))
    (report,) = board.read()
    told = report.as_json()
    assert (told["pid"], told["revision"], told["error"]) == (os.getpid(), 7, None)
    assert 2.0 <= told["age_s"] < 60.0
    assert len(list((tmp_path / "processes").iterdir())) == 2  # ours and the other server's
    (tmp_path / "processes" / f"{server}-{os.getpid()}.json").write_text("{")
    assert board.read() == []


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_report(tmp_path):
    (tmp_path / "file").write_text("")
    board = ProcessBoard(tmp_path / "file", os.getpid())
    board.post(ProcessReport(os.getpid(), 1, None, None))
    assert board.read() == []


def test_recent_are_those_who_live_and_report(tmp_path):
    for server in (1, 2):
        ProcessBoard(tmp_path, server).post(ProcessReport(os.getpid(), server, None, None))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    ProcessBoard(tmp_path, 3).post(ProcessReport(ended.pid, 3, None, None))
    assert [report.revision for report in recent(tmp_path)] == [1, 2]
    os.utime(tmp_path / f"1-{os.getpid()}.json", (0, 0))
    assert [report.revision for report in recent(tmp_path)] == [2]
