"""`steersman vectors extract`, as people and programs use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steersman_vectors.formats import native
from tests.tiny_model import HIDDEN, LAYERS, build_tiny_llama
from tests.unit.vectors.commands import Run, imported
from tests.unit.vectors.extract.declared import distribution

TOPICS = ["my order", "the invoice", "a password", "the delivery", "this problem", "the phone"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_llama(tmp_path_factory.mktemp("model"))


@pytest.fixture(autouse=True)
def _declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(distribution(tmp_path / "meta")))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    lines = [
        {"prompt": f"Please explain {topic}", "positive": f"thanks, {topic} yes", "negative": "no"}
        for topic in TOPICS
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_for_programs(run: Run, model: Path, pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "kind.safetensors"
    options = ["--positions", "answer", "--layers", "sparse:2", "--scale", "token", "--json"]
    options += ["--description", "Kind, or curt.", "--license", "Apache-2.0"]
    args = ("--model", model, "--pairs", pairs, "--out", out, "--split", "none")
    done = run("vectors", "extract", *args, *options)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    vector = native.loads(out.read_bytes())
    assert told["digest"] == native.digest(out.read_bytes())
    assert (vector.card.name, vector.card.scale, vector.card.hidden_size) == (
        "kind",
        "token",
        HIDDEN,
    )
    assert (vector.card.description, vector.card.license) == ("Kind, or curt.", "Apache-2.0")
    assert told["layers"] == list(vector.layers) == [2, 3]
    assert told["positive"] == told["negative"] == 6
    assert told["tokens"] > told["resumed_tokens"] == 0
    assert told["quality"] == vector.card.quality
    assert set(told["quality"]["layers"]) == {"2", "3"}
    command = vector.card.recipe["command"]
    assert isinstance(command, str)
    assert command.startswith("steersman vectors extract --model ")
    assert "--layers sparse:2" in command
    assert not list(tmp_path.glob("*.states")), "removed at the end"


def test_for_people_with_rivals_from_the_registry(
    run: Run, model: Path, pairs: Path, tmp_path: Path
) -> None:
    first = tmp_path / "first.safetensors"
    args = ("vectors", "extract", "--model", model, "--pairs", pairs, "--split", "none")
    assert run(*args, "--out", first, "--no-metrics").returncode == 0
    imported(run, first, "first", model)
    done = run(*args, "--out", tmp_path / "second.safetensors")
    assert done.returncode == 0, done.stderr
    assert "first@1 +1.00" in done.stdout
    assert "6 positive and 6 negative examples" in done.stdout
    table = [line.split() for line in done.stdout.splitlines()]
    layers = [row[0].lstrip("*") for row in table if row and row[0].lstrip("*").isdigit()]
    assert layers == [str(i) for i in range(LAYERS)]
    assert sum(row[0].startswith("*") for row in table if row) == 1
    again = run(*args, "--out", tmp_path / "third.safetensors", "--name", "first")
    assert "first@1" not in again.stdout, "an earlier version of itself is no rival"


def test_prompt_sets_and_a_kept_workdir(run: Run, model: Path, tmp_path: Path) -> None:
    for name, tone in (("kind", "thanks"), ("harsh", "no")):
        (tmp_path / f"{name}.txt").write_text("".join(f"{t}, {tone}\n" for t in TOPICS))
    args = ("vectors", "extract", "--model", model, "--pairs", tmp_path / "kind.txt", "--negative",
            tmp_path / "harsh.txt", "--positions", "prompt-last", "--split", "none", "--keep-near",
            "--workdir", tmp_path / "work", "--json")  # fmt: skip
    first = run(*args, "--out", tmp_path / "a.safetensors")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["resumed_tokens"] == 0
    second = run(*args, "--out", tmp_path / "b.safetensors", "--method", "probe")
    assert second.returncode == 0, second.stderr
    told = json.loads(second.stdout)
    assert told["resumed_tokens"] == told["tokens"]
    third = run(*args, "--out", tmp_path / "c.safetensors", "--method", "pca")
    assert third.returncode == 3
    assert json.loads(third.stderr)["error"]["code"] == "pairs_needed"


@pytest.mark.parametrize(
    ("more", "code", "remedy"),
    [
        (("--layers", "9"), "invalid_layers", "blocks from 0 to 3"),
        (("--backend", "tpu"), "unknown_backend", "expected one of"),
        (("--name", "Kind!"), "invalid_name", "a-z"),
        (("--probe-c", "-1"), "invalid_option", "auto, cv"),
        (("--shares", "1"), "invalid_option", "0.6,0.2,0.2"),
        (("--positions", "prompt-last"), "no_contrast", "--positions last or answer"),
        (("--shares", "0,1,0", "--split", "train"), "no_examples", "--split none"),
    ],
)
def test_refused_with_the_remedy(
    more: tuple[str, ...],
    code: str,
    remedy: str,
    run: Run,
    model: Path,
    pairs: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "v.safetensors"
    args = ("vectors", "extract", "--model", model, "--pairs", pairs, "--out", out)
    done = run(*args, "--split", "none", *more, "--json")
    assert done.returncode == 3, done.stderr
    error = json.loads(done.stderr)["error"]
    assert error["code"] == code
    assert remedy in error["message"]
    assert not out.exists()


def test_out_is_looked_at_before_any_work(
    run: Run, model: Path, pairs: Path, tmp_path: Path
) -> None:
    args = ("vectors", "extract", "--model", model, "--pairs", pairs, "--split", "none", "--out")
    (tmp_path / "v.safetensors").write_text("mine")
    assert "--force" in run(*args, tmp_path / "v.safetensors").stderr
    assert "a folder that exists" in run(*args, tmp_path / "no" / "v.safetensors").stderr
    assert "not a folder" in run(*args, tmp_path).stderr
    assert run(*args, tmp_path / "v.safetensors", "--force", "--no-metrics").returncode == 0
    assert native.loads((tmp_path / "v.safetensors").read_bytes()).card.quality == {}


def test_the_pairs_are_not_replaced_by_the_vector(
    run: Run, model: Path, pairs: Path, tmp_path: Path
) -> None:
    before = pairs.read_bytes()
    args = ("--model", model, "--pairs", pairs, "--out", pairs, "--split", "none")
    done = run("vectors", "extract", *args, "--force")
    assert done.returncode == 3
    assert "path_unusable" in done.stderr
    assert pairs.read_bytes() == before


def test_a_seed_below_0_is_refused_before_the_model_is_read(
    run: Run, model: Path, pairs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "kind.safetensors"
    args = ("--model", model, "--pairs", pairs, "--out", out, "--split", "none")
    done = run("vectors", "extract", *args, "--seed", "-1")
    assert done.returncode == 2, done.stderr
    assert "--seed" in done.stderr
    assert "Traceback" not in done.stderr
