"""Labelled texts, written by hand: fine answers that look odd, and degenerate ones."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from steersman_vectors.quality.judgement import Finding

FOLDER = Path(__file__).parent / "texts"
TUNE, TEST = FOLDER / "tune.toml", FOLDER / "test.toml"
FINDINGS: tuple[Finding, ...] = get_args(Finding)


@dataclass(frozen=True)
class Labelled:
    """One answer and what must be found in it."""

    kind: str
    prompt: str
    text: str
    finish_reason: str
    found: frozenset[Finding]


def read(path: Path) -> list[Labelled]:
    """Read the texts of a file; ValueError for a label that is no finding."""
    return [_labelled(entry) for entry in tomllib.loads(path.read_text())["answer"]]


def _labelled(entry: dict) -> Labelled:
    found = frozenset(entry.get("found", ()))
    if not found <= set(FINDINGS):
        raise ValueError(f"{sorted(found)}: not all of {FINDINGS}")
    loop = entry.get("loop", "") * entry.get("times", 1)
    return Labelled(
        entry["kind"], entry["prompt"], entry.get("text", "") + loop + entry.get("after", ""),
        entry.get("finish_reason", "stop"), found,
    )  # fmt: skip
