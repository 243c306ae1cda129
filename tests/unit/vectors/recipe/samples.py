"""Pairs as files, and vectors extracted from them, for tests of push and rebuild."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.unit.vectors.commands import Run

TOPICS = ["my order", "the invoice", "a password", "the delivery", "this problem", "the phone"]


def write_pairs(path: Path) -> Path:
    lines = [
        {"prompt": f"Please explain {topic}", "positive": f"thanks, {topic} yes", "negative": "no"}
        for topic in TOPICS
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def answer(run: Run, *args: object, code: int = 0) -> dict[str, Any]:
    """Returns what a vectors command prints for programs: its answer, or its error."""
    done = run("vectors", *args, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout if code == 0 else done.stderr.splitlines()[-1])
    return found.get("error", found)  # type: ignore[no-any-return]


def extract(run: Run, model: Path, pairs: Path, out: Path, *more: object) -> dict[str, Any]:
    return answer(
        run, "extract", "--model", model, "--pairs", pairs, "--out", out, "--positions", "answer",
        "--split", "none", *more,
    )  # fmt: skip
