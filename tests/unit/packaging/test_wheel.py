"""The wheel holds the three packages, their entry points and the licence, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = {"steersman_server", "vllm_steersman", "steersman_vectors"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("steersman-*-py3-none-any.whl")
    return zipfile.ZipFile(built)


def test_it_holds_the_three_packages_and_not_the_demo(wheel: zipfile.ZipFile) -> None:
    folders = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in folders if not name.endswith(".dist-info")} == PACKAGES


def test_every_module_of_the_tree_is_in_it(wheel: zipfile.ZipFile) -> None:
    roots = [ROOT / "server", ROOT / "plugins", ROOT / "vectors"]
    modules = {
        str(path.relative_to(root))
        for root in roots
        for package in PACKAGES
        for path in (root / package).rglob("*.py")
    }
    assert modules - set(wheel.namelist()) == set()


def test_what_classifiers_are_loaded_from_is_in_it(wheel: zipfile.ZipFile) -> None:
    root = ROOT / "server"
    folders = [root / "steersman_server/intent" / name for name in ("embedding", "demo")]
    shipped = [path for folder in folders for path in folder.iterdir()]
    assert len(shipped) == 6
    for path in shipped:
        assert wheel.read(str(path.relative_to(root))) == path.read_bytes()


def test_it_carries_entry_points_and_licence(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    (entry_points,) = [name for name in names if name.endswith(".dist-info/entry_points.txt")]
    text = wheel.read(entry_points).decode()
    for group in (
        "console_scripts",
        "steersman.engines",
        "vllm.endpoint_plugins",
        "vllm.general_plugins",
    ):
        assert f"[{group}]" in text
    assert [name for name in names if name.endswith("/licenses/LICENSE")]
