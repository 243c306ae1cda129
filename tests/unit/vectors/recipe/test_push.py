"""`steersman vectors push`: what goes beside a vector is checked against its card."""

from __future__ import annotations

from pathlib import Path

import pytest

from steersman_vectors.card import Preset
from steersman_vectors.formats import native
from steersman_vectors.registry import attached
from tests.unit.vectors.calibrations import calibration, estimate
from tests.unit.vectors.commands import Run
from tests.unit.vectors.recipe.samples import answer
from tests.unit.vectors.samples import FP_A, FP_B, vector


@pytest.fixture
def dial(tmp_path: Path) -> Path:
    """A vector with a preset, as calibration writes it."""
    made = vector(fingerprint=FP_A, presets={"low": Preset(alpha=0.5)}, alpha_max=2.0)
    native.save(made, tmp_path / "dial.safetensors")
    return tmp_path / "dial.safetensors"


def record(path: Path, name: str = "low", alpha: float = 0.5, fingerprint: str = FP_A) -> Path:
    figures = {name: {"warmth": estimate(0.8)}}
    made = calibration(alphas={name: alpha}, fingerprint=fingerprint, **figures)
    path.write_text(made.model_dump_json())
    return path


def test_record_and_report_are_kept_and_compared(run: Run, dial: Path, tmp_path: Path) -> None:
    (tmp_path / "dial.html").write_text("<html></html>")
    first = record(tmp_path / "dial.calibration.json")
    args = ("push", dial, "--report", tmp_path / "dial.html", "--calibration", first)
    pushed = answer(run, *args)
    assert {role: file["name"] for role, file in pushed["data"].items()} == {
        "calibration": "dial.calibration.json", "report": "dial.html",
    }  # fmt: skip
    said = run("vectors", "push", dial).stdout
    assert "registered already" in said
    assert pushed["digest"] in said
    other = native.load(dial)
    card = other.card.model_copy(update={"presets": {"low": Preset(alpha=0.9)}})
    native.save(type(other)(card, other.directions), tmp_path / "other.safetensors")
    second = record(tmp_path / "other.calibration.json", alpha=0.9)
    answer(run, "push", tmp_path / "other.safetensors", "--calibration", second)
    (preset,) = answer(run, "diff", "made@1", "made@2")["presets"]
    assert (preset["alpha_was"], preset["alpha_now"]) == (0.5, 0.9)
    (measure,) = preset["measures"]
    assert (measure["measure"], measure["was"]["low"], measure["worse"]) == ("warmth", 0.75, False)
    shown = run("vectors", "diff", "made@1", "made@2").stdout
    assert "warmth 0.8 [0.75, 0.85] -> 0.8 [0.75, 0.85]" in shown


@pytest.mark.parametrize(
    ("more", "got"),
    [
        ({"name": "high"}, "presets {'high': 0.5}"),
        ({"alpha": 0.6}, "presets {'low': 0.6}"),
        ({"fingerprint": FP_B}, f"base model {FP_B}"),
    ],
)
def test_a_record_of_another_vector_is_refused(
    run: Run, dial: Path, tmp_path: Path, more: dict[str, str], got: str
) -> None:
    other = record(tmp_path / "r.json", **more)  # type: ignore[arg-type]
    error = answer(run, "push", dial, "--calibration", other, code=3)
    assert error["code"] == "calibration_mismatch"
    assert got in error["message"]


def test_what_is_no_record_or_too_large_publishes_nothing(
    run: Run, dial: Path, tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r.json").write_text('{"vector": "made"}')
    error = answer(run, "push", dial, "--calibration", tmp_path / "r.json", code=3)
    assert error["code"] == "calibration_invalid"
    gone = answer(run, "push", dial, "--report", tmp_path / "none.html", code=3)
    assert gone["code"] == "data_unreadable"
    monkeypatch.setattr(attached, "MAX_FILE_BYTES", 3)
    assert answer(run, "push", dial, "--report", tmp_path / "r.json", code=3)["code"] == (
        "data_too_large"
    )
    assert answer(run, "list")["vectors"] == []


def test_a_record_that_this_steersman_does_not_know_keeps_nobody_from_the_rest(
    run: Run, dial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = record(tmp_path / "r.json")
    later.write_text(later.read_text().replace('"vector":', '"since":1,"vector":', 1))
    monkeypatch.setattr(
        "steersman_server.cli.push_files._check_calibration", lambda _card, _path, _data: None
    )
    answer(run, "push", dial, "--calibration", later)
    found = answer(run, "diff", "made", "made")
    assert "does not know it" in found["notes"][0]
    assert found["layers"]
