"""The decision log: a line per decision, whole, from many processes, and never in anybody's way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial

from steersman_server.admission.inbound import LOCAL_CALLER, Caller
from steersman_server.monitor.decision_line import decided, refused
from steersman_server.monitor.decision_log import DecisionLog, read_backwards
from steersman_server.tenants.tenant import Tenant
from tests.unit.server.samples import resolve_field


def test_what_was_decided_is_read_back_newest_first(tmp_path):
    log = DecisionLog(tmp_path)
    decision = resolve_field({"vectors": {"empathy": 0.5}})
    log.write(lambda: decided("r1", "/v1/completions", LOCAL_CALLER, decision))
    caller = Caller("acme", Tenant(), "k1")
    log.write(lambda: refused("r2", "/v1/completions", caller, "vector_not_found", 400))
    log.close()
    second, first = read_backwards(tmp_path)
    assert first["applied"] == [{"vector": "empathy", "version": 2, "alpha": 0.5}]
    assert (first["tenant"], first["reason"], first["request_id"]) == ("local", "request", "r1")
    assert (second["refused"], second["status"], second["key"]) == ("vector_not_found", 400, "k1")


def test_processes_append_to_one_file_without_mixing_lines(tmp_path):
    code = (
        "import sys; from pathlib import Path;"
        "from steersman_server.monitor.decision_log import append;"
        "[append(Path(sys.argv[1]) / 'decisions', [{'who': sys.argv[2], 'n': n, 'pad': 'x' * 3000}])"  # noqa: E501
        " for n in range(200)]"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(k)]) for k in range(3)
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    lines = [(line["who"], line["n"]) for line in read_backwards(tmp_path)]
    assert sorted(lines) == sorted((str(k), n) for k in range(3) for n in range(200))


def test_a_folder_that_cannot_be_written_costs_lines_and_nothing_else(tmp_path):
    (tmp_path / "decisions").write_text("in the way")
    counted = []
    log = DecisionLog(tmp_path, counted.append)
    for n in range(5):
        log.write(partial(dict, n=n))
    log.close()
    assert log.lost == sum(counted) == 5


def test_a_line_that_cannot_be_made_costs_its_batch_and_not_the_thread(tmp_path):
    log = DecisionLog(tmp_path)
    log._append([(0.0, partial(dict, n=0)), (0.0, lambda: 1 / 0)])  # what the thread calls
    assert log.lost == 2
    log.write(partial(dict, n=1))
    log.close()
    assert [line["n"] for line in read_backwards(tmp_path)] == [1]


def test_a_write_that_was_cut_short_is_counted_and_spoils_no_other(tmp_path, monkeypatch):
    log = DecisionLog(tmp_path)
    write, room = os.write, [100]

    def short(fd, data):
        return write(fd, data[: room.pop()] if room else data)

    monkeypatch.setattr(os, "write", short)
    waiting = [(0.0, partial(dict, n=n, pad="x" * 20)) for n in range(4)]
    log._append(waiting)
    log._append([(0.0, partial(dict, n=9))])
    lines = [line["n"] for line in read_backwards(tmp_path)]
    assert lines == [9, 0]
    assert log.lost == 3


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    log = DecisionLog(tmp_path)
    log.write(partial(dict, n=1))
    log.close()
    (path,) = (tmp_path / "decisions").iterdir()
    path.write_bytes(path.read_bytes() + b'{"at": "2026')
    assert [line["n"] for line in read_backwards(tmp_path)] == [1]
    assert list(read_backwards(tmp_path / "nowhere")) == []


def test_the_command_filters_and_exports(tmp_path, capsys):
    from datetime import UTC, datetime, timedelta

    from steersman_server.cli.main import app

    log = DecisionLog(tmp_path)
    for n, (tenant, reason) in enumerate([("acme", "default"), ("other", "safety_override")] * 2):
        flags = {"dose": f"v{n}"}
        log.write(partial(dict, tenant=tenant, reason=reason, n=n, flags=flags))
    log.write(partial(dict, tenant="acme", refused="steering_not_allowed", n=4))
    log.close()

    def lines(*options: str) -> list[int]:
        command = ["decisions", "--data-dir", str(tmp_path), "--json-lines", *options]
        app(command, standalone_mode=False)
        return [json.loads(line)["n"] for line in capsys.readouterr().out.splitlines()]

    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert lines() == [4, 3, 2, 1, 0]
    assert lines("--tenant", "acme") == [4, 2, 0]
    assert lines("--reason", "safety_override", "--limit", "1") == [3]
    assert lines("--reason", "steering_not_allowed") == [4]
    assert lines("--flag", "dose=v2") == [2]
    assert lines("--since", "1h") == [4, 3, 2, 1, 0]
    assert lines("--since", tomorrow) == []
    app(["decisions", "--data-dir", str(tmp_path)], standalone_mode=False)
    assert "refused: steering_not_allowed" in capsys.readouterr().out
