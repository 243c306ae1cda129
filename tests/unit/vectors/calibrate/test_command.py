"""`steersman vectors calibrate`: what it writes, what its exit code says, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from steersman_vectors.calibrate.record import Calibration
from steersman_vectors.fingerprint import fingerprint
from steersman_vectors.formats import native
from steersman_vectors.vector import SteeringVector, from_differences
from tests.tiny_model import HIDDEN, LAYERS, build_tiny_llama
from tests.unit.vectors.commands import Run
from tests.unit.vectors.extract.declared import distribution

from .planted_engine import WARM, planted_vector, prompts


@pytest.fixture
def given(tmp_path: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that the command takes; the planted engine is installed as `planted`."""
    info = tmp_path / "installed" / "planted-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[steersman.engines]\nplanted = tests.unit.vectors.calibrate.planted_engine:open_engine\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "installed")
    for name, seed in (("warmth", 0), ("other", 1)):
        vector = planted_vector(4, seed, name, fingerprint(model_dir).digest)
        native.save(vector, tmp_path / f"{name}.safetensors")
    lines = [
        {"prompt": p.messages[-1].content, "expected": p.expected, "id": p.id} for p in prompts(190)
    ]
    (tmp_path / "prompts.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "warm.txt").write_text("\n".join(WARM))
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "warm.txt").write_text("other")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def options(given: Path, out: str, *more: str) -> list[str]:
    return [
        "--model", str(given / "model"), "--prompts", str(given / "prompts.jsonl"),
        "--judge", f"keywords:{given / 'warm.txt'}", "--engine", "planted", "--halvings", "1",
        "--max-tokens", "40", "--out", str(given / out), *more,
    ]  # fmt: skip


def calibrate(run: Run, given: Path, vector: str, out: str, *more: str):
    return run("vectors", "calibrate", given / f"{vector}.safetensors", *options(given, out, *more))


def test_a_dial_and_then_two_of_them_together(run: Run, given: Path) -> None:
    done = calibrate(
        run, given, "warmth", "warm-dial.safetensors", "--layers", "single", "--layers", "own",
        "--alphas", "0.5,1,3", "--also", "length", "--baseline-prompt", "Answer warmly.", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "at most " in done.stderr
    said = json.loads(done.stdout)
    written = native.load(given / "warm-dial.safetensors")
    assert said["digest"] == native.digest((given / "warm-dial.safetensors").read_bytes())
    assert set(said["presets"]) == set(written.card.presets) == {"low", "medium", "strong"}
    assert said["why_none"] is None
    record = Calibration.model_validate_json((given / "warm-dial.calibration.json").read_bytes())
    assert record.alpha_max == written.card.alpha_max == said["alpha_max"]
    assert record.prompted[0].system_prompt == "Answer warmly."
    assert "length" in record.unsteered
    assert "facts" in record.unsteered  # the prompts say what is expected
    recipe = written.card.recipe["calibration"]
    assert recipe["options"]["layers"] == ["single", "own"]
    assert Path(recipe["data"]["prompts"]["path"]).name == "prompts.jsonl"
    people = calibrate(
        run, given, "warmth", "warm-dial.safetensors", "--layers", "single", "--layers", "own",
        "--alphas", "0.5,1,3", "--also", "length", "--baseline-prompt", "Answer warmly.",
    )  # fmt: skip
    assert people.returncode == 0
    for shown in ("low", "strong", "unsteered", "prompt: Answer warmly.", "alpha_max"):
        assert shown in people.stdout

    other = calibrate(run, given, "other", "other-dial.safetensors", "--alphas", "0.5,1,3")
    assert other.returncode == 0, other.stderr
    jointly = [
        "--with", str(given / "other-dial.safetensors"), "--with-judge",
        f"keywords:{given / 'warm.txt'}", "--with-out", str(given / "other-joint.safetensors"),
        "--json",
    ]  # fmt: skip
    dry = calibrate(run, given, "warm-dial", "warm-joint.safetensors", *jointly, "--dry-run")
    assert json.loads(dry.stdout)["answers_at_most"] == 16 * 190
    assert not (given / "warm-joint.safetensors").exists()
    joint = calibrate(run, given, "warm-dial", "warm-joint.safetensors", *jointly)
    assert joint.returncode in (0, 1), joint.stderr
    told = json.loads(joint.stdout)
    assert told["vectors"] == ["warmth", "other"]
    assert told["combinations"] == 9
    assert joint.returncode == (0 if told["safe"] else 1)
    again = calibrate(run, given, "warm-dial", "warm-joint.safetensors", *jointly)
    assert again.returncode == joint.returncode, again.stderr
    for option, value in (("--max-kl", "1"), ("--max-tokens", "41"), ("--also", "length")):
        other_options = calibrate(
            run, given, "warm-dial", "warm-joint.safetensors", *jointly, option, value, "--dry-run"
        )  # fmt: skip
        said = json.loads(other_options.stderr.splitlines()[-1])
        assert said["error"]["code"] == "file_exists", option
    card = native.load(given / "other-joint.safetensors").card
    assert len(card.quality["joint"]["warmth"]["safe"]) == len(told["safe"])

    third = native.load(given / "other-dial.safetensors")
    renamed = third.card.model_copy(update={"name": "third"})
    native.save(SteeringVector(renamed, third.directions), given / "third-dial.safetensors")
    three = [
        "--with", str(given / "other-dial.safetensors"), "--with",
        str(given / "third-dial.safetensors"), "--with-judge", f"keywords:{given / 'warm.txt'}",
        "--with-judge", "length", "--with-toward", "judge", "--with-toward", "higher",
        "--with-out", str(given / "other-3.safetensors"), "--with-out",
        str(given / "third-3.safetensors"),
    ]  # fmt: skip
    dry = calibrate(run, given, "warm-dial", "warm-3.safetensors", *three, "--dry-run", "--json")
    said = json.loads(dry.stdout)
    assert (len(said["pairs"]), len(said["of_all"]), said["whole"]) == (27, 27, True)
    assert said["answers_at_most"] == (1 + 9 + 27 + 27) * 190
    few = calibrate(
        run, given, "warm-dial", "warm-3.safetensors", *three, "--most-of-all", "9"
    )  # fmt: skip
    assert few.returncode in (0, 1), few.stderr
    assert "27 pairs of presets, and of warmth, other, third together equal levels only" in (
        " ".join(few.stderr.split())
    )
    for shown in ("interference", "at once, against each alone", "of 30 combinations are safe"):
        assert shown in few.stdout
    card = native.load(given / "third-3.safetensors").card
    assert set(card.quality["joint"]) == {"warmth", "other", "warmth+other"}
    assert card.quality["joint"]["warmth+other"]["tried"] == 3


def test_a_vector_that_passes_no_gate_exits_with_1(
    run: Run, given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED_CLIFF", "0")
    done = calibrate(run, given, "warmth", "d.safetensors", "--layers", "own", "--alphas", "1")
    assert done.returncode == 1, done.stderr
    assert "no presets: no setting passes the gates" in done.stdout
    card = native.load(given / "d.safetensors").card
    assert card.presets == {}
    assert "no setting passes" in card.quality["calibration"]["why_no_presets"]
    again = calibrate(run, given, "warmth", "d.safetensors", "--layers", "own", "--alphas", "1")
    assert again.returncode == 1, again.stderr


def test_what_it_would_ask_is_told_without_an_engine(run: Run, given: Path) -> None:
    done = calibrate(
        run, given, "warmth", "d.safetensors", "--engine", "no-such", "--dry-run", "--json"
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["answers_at_most"] > 3 * 5 * 90
    assert {gate["measure"] for gate in said["gates"]} == {"degenerate", "kl", "refusal", "facts"}
    assert not (given / "d.calibration").exists()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (["--alphas", "0,1"], "invalid_option"),
        (["--alphas", "x"], "invalid_grid"),
        (["--max-kl", "lots"], "invalid_option"),
        (["--max-degenerate", "2"], "invalid_gate"),
        (["--max-degenerate", "0.01"], "too_few_prompts"),
        (["--judge", "length"], "invalid_option"),
        (["--judge", "kl"], "invalid_option"),
        (["--judge", "python:no.such:judge"], "invalid_judge"),
        (["--judge", "python:json:dumps_all"], "invalid_judge"),
        (["--judge", "python:collections:OrderedDict"], "invalid_judge"),
        (["--judge", "python:json"], "invalid_judge"),
        (["--layers", "9"], "invalid_layers"),
        (["--samples", "2"], "invalid_option"),
        (["--judge", "llm:behaviour", "--concept", "warm", "--endpoint", "no"], "invalid_option"),
        (["--with", "other.safetensors"], "invalid_option"),
        (
            [
                "--with",
                "a",
                "--with",
                "b",
                "--with-judge",
                "length",
                "--with-judge",
                "length",
                "--with-out",
                "c",
                "--with-out",
                "d",
                "--with-toward",
                "lower",
            ],
            "invalid_option",
        ),
        (["--also", "keywords:more/warm.txt"], "invalid_option"),
    ],
)
def test_what_it_cannot_do_is_refused_before_an_engine_boots(
    run: Run, given: Path, more: list[str], code: str
) -> None:
    done = calibrate(run, given, "warmth", "d.safetensors", *more, "--engine", "no-such", "--json")
    assert done.returncode == 3, done.stdout
    assert json.loads(done.stderr.splitlines()[-1])["error"]["code"] == code


@pytest.mark.parametrize(
    "lost", ["prompts.jsonl", "warmth.safetensors", "d.safetensors", "d.joint.json"]
)
def test_no_other_vector_is_written_over_what_is_read_or_written(
    run: Run, given: Path, lost: str
) -> None:
    done = calibrate(
        run, given, "warmth", "d.safetensors", "--with", "other.safetensors",
        "--with-judge", "length", "--with-out", str(given / lost), "--dry-run", "--json",
    )  # fmt: skip
    assert done.returncode == 3, done.stdout
    assert json.loads(done.stderr.splitlines()[-1])["error"]["code"] == "path_unusable"


def test_a_judge_of_another_package_is_taken(
    run: Run, given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (given / "installed" / "my_judges.py").write_text(
        "from steersman_vectors.judges.length import length_judge as words\n"
    )
    done = calibrate(
        run, given, "warmth", "d.safetensors", "--judge", "python:my_judges:words", "--toward",
        "higher", "--layers", "own", "--alphas", "0.5,1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert native.load(given / "d.safetensors").card.quality["calibration"]["behaviour"] == "length"


def test_a_read_out_stands_beside_the_behaviour(
    run: Run, given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted engine's answers have the same tokens under any dose, so nothing moves."""
    monkeypatch.syspath_prepend(str(distribution(given / "meta")))
    tiny = build_tiny_llama(given / "tiny")
    random = np.random.default_rng(5)
    vector = from_differences(
        {layer: random.normal(size=HIDDEN) for layer in range(LAYERS)},
        name="warmth", scale="raw", fingerprint=fingerprint(tiny).digest,
    )  # fmt: skip
    native.save(vector, given / "tiny.safetensors")
    read_out = f"readout@1:{given / 'tiny.safetensors'}"
    done = calibrate(
        run, given, "tiny", "d.safetensors", "--layers", "own", "--alphas", "0.5,1",
        "--model", str(tiny), "--also", read_out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = Calibration.model_validate_json((given / "d.calibration.json").read_bytes())
    name = "readout@1:tiny"
    assert record.measures[name].unit == "along it"
    assert record.unsteered[name].n == record.prompts["heldout"]
    assert record.unsteered[name].value != 0
    assert {point.changes[name].value for point in record.curve} == {0.0}
    assert f"{name} (change)" in done.stdout
    step = native.load(given / "d.safetensors").card.recipe["calibration"]
    assert step["options"]["also"] == ["readout@1:${also.0}"]
    assert Path(step["data"]["also.0"]["path"]).name == "tiny.safetensors"


@pytest.mark.parametrize("lost", ["warmth.safetensors", "prompts.jsonl", "warm.txt", "more"])
@pytest.mark.parametrize("dry", [True, False])
def test_what_is_given_is_never_replaced(run: Run, given: Path, lost: str, dry: bool) -> None:
    path = given / lost
    before = path.read_bytes() if path.is_file() else None
    done = calibrate(run, given, "warmth", lost, *(["--dry-run"] if dry else []))
    assert done.returncode == 3
    assert "--out: " in done.stderr
    assert (path.read_bytes() if path.is_file() else None) == before


def test_another_file_is_replaced_only_by_force(run: Run, given: Path) -> None:
    asked = ["--layers", "own", "--alphas", "0.5,1"]
    (given / "notes.safetensors").write_text("of another kind")
    (given / "d.calibration.json").write_text("of another kind")
    for out, kept in (("notes.safetensors", "notes.safetensors"), ("d.st", "d.calibration.json")):
        for dry in ([], ["--dry-run"]):
            done = calibrate(run, given, "warmth", out, *asked, *dry, "--json")
            assert done.returncode == 3, done.stdout
            assert json.loads(done.stderr.splitlines()[-1])["error"]["code"] == "file_exists"
            assert (given / kept).read_text() == "of another kind"
    out = given / "notes.safetensors"
    assert calibrate(run, given, "warmth", out.name, *asked, "--force").returncode == 0
    first = out.read_bytes()
    again = calibrate(run, given, "warmth", out.name, *asked)  # as after any end
    assert again.returncode == 0, again.stderr
    for other in (("warmth", "--max-kl", "1"), ("other",)):
        vector, *more = other
        done = calibrate(run, given, vector, out.name, *asked, *more)
        assert done.returncode == 3
        assert "Add --force to replace it" in " ".join(done.stderr.split())
    assert native.load(out).card.presets == native.loads(first).card.presets


def test_the_same_command_goes_on_wherever_it_is_typed(
    run: Run, given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["--layers", "own", "--alphas", "0.5,1"]
    out = given / "d.safetensors"
    assert calibrate(run, given, "warmth", out.name, *asked).returncode == 0
    monkeypatch.chdir(given / "more")
    relative = [
        "--prompts", "../prompts.jsonl", "--judge", "keywords:../warm.txt", "--out",
        "../d.safetensors", "--json",
    ]  # fmt: skip
    again = calibrate(run, given, "warmth", out.name, *asked, *relative)
    assert again.returncode == 0, again.stderr
    out.unlink()  # as after an end between record and vector
    assert calibrate(run, given, "warmth", out.name, *asked, "--dry-run").returncode == 0
    other = calibrate(run, given, "warmth", out.name, *asked, "--max-tokens", "41", "--dry-run")
    assert other.returncode == 3, "the record is of other options"
    assert "its record" in other.stderr


def test_an_outcome_that_has_been_worked_on_since_is_kept(run: Run, given: Path) -> None:
    asked = ["--layers", "own", "--alphas", "0.5,1"]
    out = given / "d.safetensors"
    assert calibrate(run, given, "warmth", out.name, *asked).returncode == 0
    dial = native.load(out)
    joint = {**dial.card.quality, "joint": {"other": {}}}
    for update in ({"description": "Mine."}, {"quality": joint}):
        native.save(SteeringVector(dial.card.model_copy(update=update), dial.directions), out)
        done = calibrate(run, given, "warmth", out.name, *asked, "--dry-run", "--json")
        assert done.returncode == 3, done.stdout
        assert json.loads(done.stderr.splitlines()[-1])["error"]["code"] == "file_exists"
