"""A vector is made again for another model, calibration included, by the command and the engine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from steersman_demo.directions import contrast_chats
from steersman_demo.heldout import prompts
from steersman_vectors.calibrate.record import Calibration
from steersman_vectors.card import VectorCard
from steersman_vectors.fingerprint import fingerprint
from steersman_vectors.formats import native
from steersman_vectors.recipe.calibrate_step import calibrate_step
from steersman_vectors.recipe.recipe import recipe_on, with_calibration
from steersman_vectors.vector import SteeringVector
from tests.unit.vectors.commands import STEERSMAN

pytestmark = pytest.mark.engine

DEMO = Path(__file__).parents[2] / "vectors" / "demo-model"
NO_GATES = {
    f"max-{name}": "none"
    for name in ("degenerate", "kl", "facts-drop", "refusal-rise", "unsafe-drop")
}
"""Ten prompts in a half decide nothing."""


def steersman(folder: Path, *args: object) -> dict[str, Any]:
    """Returns what a vectors command prints for programs; engines run beside it."""
    environment = {
        **os.environ,
        "STEERSMAN_DATA_DIR": str(folder / "data"),
        "VLLM_CPU_KVCACHE_SPACE": "1",
    }
    done = subprocess.run(
        [*STEERSMAN, "vectors", *map(str, args), "--json"],
        capture_output=True, text=True, cwd=folder, env=environment, timeout=1000, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def write_lines(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def old(model_dir, tmp_path: Path) -> Path:
    """A vector of the tiny model, with the recipe of a calibration on its card."""
    toward, away = contrast_chats("empathy", 24)
    pairs = write_lines(
        tmp_path / "warm.jsonl",
        [
            {"positive_prompt": one, "negative_prompt": other}
            for one, other in zip(toward, away, strict=True)
        ],
    )
    asked = write_lines(
        tmp_path / "prompts.jsonl",
        [
            {"prompt": list(each.messages), "expected": [[fact] for fact in each.truth.facts]}
            for each in prompts(20, 11)
        ],
    )
    file = tmp_path / "warm.safetensors"
    steersman(
        tmp_path, "extract", "--model", model_dir, "--pairs", pairs, "--positions", "prompt-last",
        "--scale", "raw", "--split", "none", "--keep-near", "--no-metrics", "--out", file,
    )  # fmt: skip
    vector = native.load(file)
    step = calibrate_step(
        {
            "prompts": asked,
            "judge": "python:steersman_demo.judges:warm",
            "layers": ("single",),
            "alphas": "0.1,0.25",
            "halvings": 0,
            "max-tokens": 64,
            "seed": 0,
            **NO_GATES,
        },
        command="steersman vectors calibrate ...",
        fingerprint=fingerprint(model_dir).digest,
        seed=0,
    )
    recipe = with_calibration(recipe_on(vector.card), step)
    card = VectorCard.model_validate({**vector.card.model_dump(), "recipe": recipe})
    native.save(SteeringVector(card, vector.directions), file)
    return file


@pytest.mark.timeout(1200)
def test_extraction_and_calibration_are_repeated_on_another_model(old, tmp_path) -> None:
    steersman(tmp_path, "push", old, "--alias", "prod")
    for path in tmp_path.glob("*.*"):
        path.unlink()  # what is made again is made of what the registry keeps
    again = steersman(
        tmp_path, "rebuild", "warm@prod", "--model", DEMO, "--push", "--report", "--alias",
        "canary", "--out", "new.safetensors",
    )  # fmt: skip
    (one,) = again["rebuilt"]
    made = native.load(tmp_path / "new.safetensors")
    assert made.card.fingerprint == fingerprint(DEMO).digest == again["fingerprint"]
    assert made.layers == (4,), "single, of six blocks"
    assert set(made.card.presets) >= {"strong"}
    for preset in made.card.presets.values():
        assert preset.evidence["half"] == "heldout"
        assert preset.evidence["changes"]["warm"]["low"] > 0
    kept = steersman(
        tmp_path, "export", "warm@canary", "--model", DEMO, "--out", "x.safetensors", "--data",
        "files",
    )  # fmt: skip
    assert one["new"]["digest"] == native.digest((tmp_path / "x.safetensors").read_bytes())
    assert set(kept["data"]) == {
        "extract.pairs", "calibration.prompts", "calibration", "report",
    }  # fmt: skip
    record = Calibration.model_validate_json(
        (tmp_path / "files" / "calibration" / "warm.calibration.json").read_bytes()
    )
    offered = {name: each.alpha for name, each in record.presets.items() if each.confirmed}
    assert offered == {name: preset.alpha for name, preset in made.card.presets.items()}
    assert "Dose and response" in (tmp_path / "new.html").read_text()
    step = recipe_on(made.card).calibration
    assert step is not None
    assert step.options["judge"] == "python:steersman_demo.judges:warm"
    assert step.fingerprint == again["fingerprint"]
    assert not (tmp_path / "new.safetensors.rebuild").exists()
