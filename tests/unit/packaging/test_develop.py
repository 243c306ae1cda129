"""`make setup` installs only what changed, and starts over when .venv cannot be mended.

The real script in a small tree of its own; install.sh and .venv's Python are stand-ins that say
when they are called.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
REAL = ("develop.sh", "engine.sh", "messages.sh", "python.sh")
STAND_IN_PYTHON = f"""#!/bin/sh
case "$*" in
    -c*) exec '{sys.executable}' "$@" ;;
    *verify.py*) echo VERIFIED ;;
    *--editable*) echo EDITABLE >>calls ;;
esac
"""
STAND_IN_INSTALL = """#!/bin/sh
echo "LOCKS $1"
mkdir -p "$2/bin" "$2/lib/python3.11/site-packages/vllm_$1-0.32.0.dist-info"
cp python-stand-in "$2/bin/python"
"""


class Tree:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        setup = folder / "deploy/setup"
        setup.mkdir(parents=True)
        for name in REAL:
            shutil.copy(ROOT / "deploy/setup" / name, setup / name)
        self.write("deploy/setup/install.sh", STAND_IN_INSTALL)
        self.write("python-stand-in", STAND_IN_PYTHON)
        for name in ("pyproject.toml", "requirements/cpu.lock", "requirements/dev.lock"):
            self.write(name, "")
        self.write("requirements/build.lock", "")
        self.write("vectors/steersman_vectors/__init__.py", "")

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def setup(self, **env: str) -> str:
        done = subprocess.run(
            [str(self.folder / "deploy/setup/develop.sh")],
            env={"PATH": os.environ["PATH"], "ENGINE": "cpu"} | env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    fresh = Tree(tmp_path / "a tree")
    first = fresh.setup()
    assert "LOCKS cpu" in first
    assert "VERIFIED" in first
    return fresh


def test_nothing_changed_does_nothing(tree: Tree) -> None:
    assert tree.setup() == ""


def test_asked_to_verify_it_only_verifies(tree: Tree) -> None:
    assert tree.setup(VERIFY="always") == "VERIFIED\n"


def test_a_changed_pyproject_installs_the_tree_only(tree: Tree) -> None:
    tree.write("pyproject.toml", "changed")
    said = tree.setup()
    assert "LOCKS" not in said
    assert "this tree" in said
    assert "VERIFIED" in said
    assert (tree.folder / "calls").read_text() == "EDITABLE\n" * 2


def test_a_changed_lock_installs_the_locks(tree: Tree) -> None:
    tree.write("requirements/dev.lock", "changed")
    assert "LOCKS cpu" in tree.setup()


def test_the_other_engine_starts_over(tree: Tree) -> None:
    other = tree.folder / ".venv/lib/python3.11/site-packages/vllm-0.32.0.dist-info"
    other.mkdir()
    said = tree.setup()
    assert "it holds the other engine" in said
    assert "LOCKS cpu" in said
    assert not other.exists()


def test_a_python_that_no_longer_runs_starts_over(tree: Tree) -> None:
    (tree.folder / ".venv/bin/python").unlink()
    assert "its Python no longer runs" in tree.setup()


def test_a_moved_tree_starts_over(tree: Tree) -> None:
    tree.folder = tree.folder.rename(tree.folder.with_name("elsewhere"))
    assert "cannot be moved" in tree.setup()


def test_an_unfit_python_costs_nothing(tree: Tree) -> None:
    done = subprocess.run(
        [str(tree.folder / "deploy/setup/develop.sh")],
        env={"PATH": os.environ["PATH"], "ENGINE": "cpu", "PYTHON": "/nowhere/python"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "PYTHON=/nowhere/python does not run" in done.stderr
    assert (tree.folder / ".venv/bin/python").exists()
