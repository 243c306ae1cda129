"""Calibration's options as a command line again, with the files where they are now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_server.cli.rebuild_calibration import arguments
from steersman_vectors.errors import CallerError
from steersman_vectors.recipe.calibrate_step import calibrate_step
from steersman_vectors.recipe.recipe import CalibrateStep

FP = "sha256:" + "0" * 64


def repeated(options: dict[str, Any], here: Path) -> list[str]:
    """Returns the command line that repeats these options, with files moved into `here`."""
    step = calibrate_step(options, command="typed", fingerprint=FP, seed=3)
    again = CalibrateStep.model_validate_json(step.model_dump_json())
    assert again == step
    return arguments(again, {role: here / role for role in step.data})


def test_every_kind_of_option_is_said_again_with_files_where_they_are_now(tmp_path: Path) -> None:
    for name in ("p.jsonl", "warm.txt", "5$ words.txt"):
        (tmp_path / name).write_text(name)
    said = repeated(
        {
            "prompts": tmp_path / "p.jsonl",
            "facts": None,
            "judge": f"keywords:{tmp_path / 'warm.txt'}",
            "also": ["refusal", f"keywords:{tmp_path / '5$ words.txt'}", "llm:behaviour"],
            "endpoint": ["http://127.0.0.1:8000/v1"],
            "seed": 3,
            "temperature": 0.5,
            "dry": True,
            "loud": False,
            "baseline-prompt": ["-x costs 5$, or $5 in ${prompts}"],
        },
        Path("/w"),
    )
    assert said == [
        "--prompts=/w/prompts",
        "--judge=keywords:/w/judge",
        "--also=refusal",
        "--also=keywords:/w/also.1",
        "--also=llm:behaviour",
        "--endpoint=http://127.0.0.1:8000/v1",
        "--seed=3",
        "--temperature=0.5",
        "--dry",
        "--baseline-prompt=-x costs 5$, or $5 in ${prompts}",
    ]


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.text(st.characters(codec="utf-8"))))
def test_texts_come_back_whatever_is_in_them(options: dict[str, str]) -> None:
    expected = [f"--{option}={text}" for option, text in options.items()]
    assert repeated(options, Path("/w")) == expected


def test_a_step_that_was_changed_by_hand_is_refused() -> None:
    step = CalibrateStep(
        command="", data={}, fingerprint=FP, options={"gates": {"kl": 1}}, seed=0, versions={}
    )
    with pytest.raises(CallerError) as caught:
        arguments(step, {})
    assert caught.value.code == "recipe_invalid"
    assert "--no-calibrate" in caught.value.message
    with pytest.raises(CallerError, match="'gone'"):
        arguments(step.model_copy(update={"options": {"prompts": "${gone}"}}), {})
