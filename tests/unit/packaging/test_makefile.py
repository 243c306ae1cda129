"""`make help` shows every target, and the targets that people were promised exist."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]
MAKEFILE = (ROOT / "Makefile").read_text()
PROMISED = {
    *("help", "setup", "lock", "check", "test", "test-gpu", "bench", "bench-gpu"),
    *("demo", "demo-model", "demo-vectors", "docker-check", "clean"),
}
INTERNAL = {"installed"}


def make(*arguments: str) -> str:
    command = ["make", "--no-print-directory", "--directory", str(ROOT), *arguments]
    # As from a shell, also when this test was started by make.
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


def test_help_is_the_default_and_lists_every_target_with_a_line() -> None:
    listed = set(re.findall(r"^  make ([a-z-]+) +\S", make(), re.MULTILINE))
    assert listed == set(re.findall(r"^\.PHONY: (\S+)", MAKEFILE, re.MULTILINE)) - INTERNAL
    assert listed >= PROMISED


def test_every_rule_is_phony() -> None:
    rules = set(re.findall(r"^([a-z-]+):(?! export)", MAKEFILE, re.MULTILINE))
    assert rules == set(re.findall(r"^\.PHONY: (\S+)", MAKEFILE, re.MULTILINE))


def test_demo_becomes_the_server_with_port_and_data_dir() -> None:
    recipe = make("--dry-run", "demo", "PORT=8123", "DATA_DIR=/tmp/a b").splitlines()[-1]
    assert recipe == 'exec .venv/bin/steersman demo --port "8123" --data-dir "/tmp/a b"'


def test_what_a_user_adds_comes_after_what_make_says() -> None:
    recipe = make("--dry-run", "test", "ARGS=-n 0 -k 'a or b'").splitlines()[-1]
    assert recipe.endswith(" -m pytest -n 2 -n 0 -k 'a or b'")


def test_ci_runs_setup_check_and_test() -> None:
    assert re.search(r"^make setup check test$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
