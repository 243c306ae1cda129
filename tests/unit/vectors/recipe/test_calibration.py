"""Calibration's options as a command line again, with the files where they are now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from steersman_server.cli.rebuild_calibration import arguments
from steersman_vectors.errors import CallerError
from steersman_vectors.recipe.recipe import CalibrateStep

FP = "sha256:" + "0" * 64


def step(**options: Any) -> CalibrateStep:
    return CalibrateStep(data={}, fingerprint=FP, options=options, seed=0, versions={})


def test_every_kind_of_option_is_said_again() -> None:
    told = step(
        prompts="${prompts}",
        judge=["keywords=${words.0}", "refusal"],
        seed=3,
        temperature=0.5,
        quiet=True,
        loud=False,
        baseline=None,
        system="-x costs 5$ in ${other}",
    )
    paths = {"prompts": Path("/w/p.jsonl"), "words.0": Path("/w/$5 words.txt")}
    assert arguments(told, paths) == [
        "--prompts=/w/p.jsonl",
        "--judge=keywords=/w/$5 words.txt",
        "--judge=refusal",
        "--seed=3",
        "--temperature=0.5",
        "--quiet",
        "--system=-x costs 5$ in ${other}",
    ]


def test_what_no_command_line_says_is_refused() -> None:
    with pytest.raises(CallerError) as caught:
        arguments(step(gates={"kl": 1}), {})
    assert caught.value.code == "recipe_invalid"
    assert "--no-calibrate" in caught.value.message
