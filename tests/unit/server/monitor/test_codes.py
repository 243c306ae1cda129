"""The codes that begin at 0 are those that the source raises, each in its place."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

from steersman_server.monitor import codes
from steersman_vectors.quality.judgement import Finding

ROOT = Path(__file__).parents[4]
SERVER, VECTORS = ROOT / "server/steersman_server", ROOT / "vectors/steersman_vectors"
ADMISSION = [
    *(SERVER / "admission").glob("*.py"),
    *(SERVER / name for name in ("openai/body.py", "vector_supply.py")),
    VECTORS / "registry/snapshot.py",
]
ELSEWHERE = {
    "engine_unavailable": SERVER / "engine/link.py",
    "invalid_name": VECTORS / "names.py",
    "invalid_plan": VECTORS / "plan.py",
    "vector_corrupt": SERVER / "engine/link.py",
    "vector_layers_not_served": VECTORS / "engine_contract.py",
}
"""Codes that reach admission from modules that raise others too, which do not."""


def raised(*files: Path) -> set[str]:
    """Returns the codes that are written there."""
    text = "".join(file.read_text() for file in files)
    found = set(re.findall(r'\bcode = "(\w+)"|\bcode="(\w+)"| else "(invalid_\w+)"', text))
    return {code for each in found for code in each if code}


def test_admission_raises_these_and_no_others():
    made = {f"{what}_conflict" for what in ("schedule", "scope")}
    made |= {"invalid_alpha", "invalid_vectors"}
    text = "".join(file.read_text() for file in ADMISSION)
    assert 'f"{what}_conflict"' in text
    assert all(f'"{name}"' in text for name in ("invalid_alpha", "invalid_vectors"))
    assert set(codes.ADMISSION) == raised(*ADMISSION) | made | set(ELSEWHERE)
    assert {code for code, file in ELSEWHERE.items() if code not in raised(file)} == set()


def test_the_gate_turns_away_with_these_and_no_others():
    gate = (*(SERVER / "access").glob("*.py"), SERVER / "openai/errors.py")
    made = {"api_key_expired", "api_key_revoked"}
    assert set(codes.ACCESS) == raised(*gate) | made


def test_following_the_registry_fails_with_these():
    follows = (
        *(VECTORS / "registry" / name for name in ("connection.py", "layout.py", "reader.py")),
        SERVER / "live_registry.py",
    )
    assert set(codes.REGISTRY) | {"redis_url_invalid"} == (
        raised(*follows) | {"internal_error"}
    )  # a wrong address ends the start


def test_asking_the_engine_fails_with_these():
    assert set(codes.ENGINE) | {"vector_corrupt"} == raised(SERVER / "engine/link.py")


def test_they_are_at_0_before_anything_happens():
    """In a process of its own: others have counted in this one."""
    lines = subprocess.run(
        [sys.executable, "-c", "import steersman_server.monitor.catalogue, prometheus_client as p;"
         "print(p.generate_latest().decode())"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip

    def at_0(name: str, label: str) -> set[str]:
        return set(
            re.findall(rf'^{name}_total{{.*{label}="(\w+)".*}} 0.0$', "\n".join(lines), re.M)
        )

    assert at_0("steering_refusals", "code") == set(codes.ADMISSION)
    assert at_0("steering_access_refusals", "code") == set(codes.ACCESS)
    assert at_0("steering_fallbacks", "code") == set(codes.ADMISSION)
    assert at_0("steering_registry_errors", "code") == set(codes.REGISTRY)
    assert at_0("steering_engine_errors", "code") == set(codes.ENGINE)
    assert at_0("steering_quality_findings", "finding") == set(get_args(Finding))
    assert at_0("steering_quality_findings", "steered") == {"yes", "no"}
    assert at_0("steering_quality_skipped", "why") == {
        "busy",
        "error",
        *(f"shadow_{why}" for why in ("busy", "unsuitable", "error")),
    }
    assert at_0("steering_quality_nll_moved", "sign") == {"positive", "negative"}
