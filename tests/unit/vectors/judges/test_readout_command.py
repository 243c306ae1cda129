"""`--judge readout:FILE`: a projection that a plain forward finds as well; what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from steersman_vectors.errors import CallerError
from steersman_vectors.fingerprint import fingerprint
from steersman_vectors.formats import native
from steersman_vectors.judges.readout_file import along, is_read_out, read_outs
from steersman_vectors.judges.readout_model import end_tokens_of
from steersman_vectors.judges.scores import read_scores
from steersman_vectors.sweep.grid import Grid, runs
from steersman_vectors.sweep.results import read_results
from steersman_vectors.vector import SteeringVector, from_differences
from tests.tiny_model import HIDDEN, LAYERS, build_tiny_llama
from tests.unit.vectors.commands import Run
from tests.unit.vectors.extract.declared import distribution

from .sweep_file import a_grid, write_sweep


def direction(model: Path, *, residual: bool = True, seed: int = 3) -> SteeringVector:
    random = np.random.default_rng(seed)
    return from_differences(
        {layer: random.normal(size=HIDDEN) for layer in range(LAYERS)},
        name="tone",
        scale="raw",
        residual_norms={layer: 3.0 + layer for layer in range(LAYERS)} if residual else None,
        fingerprint=fingerprint(model).digest,
        quality={"try_first": 2},
    )


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_llama(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def sweep(tmp_path: Path, model_dir: Path) -> Path:
    """Answers with the model's own tokens, some with the one that ends them, one with none."""
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    grid: Grid = replace(a_grid(), model=fingerprint(model_dir).digest)
    path = write_sweep(tmp_path / "sweep.jsonl", grid)
    lines = path.read_text().splitlines()
    rows = [json.loads(line) for line in lines[1:]]
    for at, row in enumerate(rows):
        ids = tokenizer(row["text"], add_special_tokens=False)["input_ids"]
        row["token_ids"] = [] if at == 4 else [*ids, *([1] if at % 2 else [])]
        row["logprobs"] = [0.0] * len(row["token_ids"])
    path.write_text("\n".join([lines[0], *map(json.dumps, rows)]) + "\n")
    return path


@pytest.fixture(autouse=True)
def _sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(distribution(tmp_path / "meta")))


def plainly(model_dir: Path, messages, token_ids, layer: int) -> np.ndarray:
    """Returns the mean state over the answer, `[hidden]` fp64, by `output_hidden_states`."""
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    model = AutoModelForCausalLM.from_pretrained(model_dir).eval()
    prompt = tokenizer.apply_chat_template(
        [turn.as_json() for turn in messages], add_generation_prompt=True, return_dict=False
    )
    with torch.no_grad():
        seen = model(torch.tensor([[*prompt, *token_ids]]), output_hidden_states=True)
    return seen.hidden_states[layer + 1][0, len(prompt) :].double().mean(0).numpy()


@pytest.mark.parametrize(("spec", "layer"), [("readout", 2), ("readout@1", 1)])
def test_the_command_projects_what_a_plain_forward_finds(
    run: Run, sweep: Path, model_dir: Path, tmp_path: Path, spec: str, layer: int
) -> None:
    vector = direction(model_dir)
    native.save(vector, tmp_path / "tone.safetensors")
    out = tmp_path / "scores.jsonl"
    done = run(
        "judge", sweep, "--judge", f"{spec}:{tmp_path / 'tone.safetensors'}", "--judge", "length",
        "--base", model_dir, "--out", out, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    scores = read_scores(out)
    measures = {each.name: each for each in scores.measures}
    name = f"{spec}:tone"
    assert measures[name].unit == "of mean |x|"
    results = read_results(sweep)
    silent = 0
    for one in runs(results.grid):
        row = results.rows[one.id]
        said = scores.verdicts[name][one.id]
        ids = [token for token in row.token_ids if token != 1]
        if not ids:
            silent += 1
            assert said.value is None
            continue
        state = plainly(model_dir, one.prompt.messages, ids, layer)
        expected = state @ vector.directions[layer].astype(np.float64) / (3.0 + layer)
        assert said.value == pytest.approx(expected, abs=1e-4)
    assert silent == 1
    told = json.loads(done.stdout)
    assert {name, "length"} <= set(told["settings"][0]["figures"])


def test_a_read_out_is_named_by_its_spec_and_checked_before_a_model_is_loaded(
    tmp_path: Path, model_dir: Path
) -> None:
    file = tmp_path / "tone.safetensors"
    vector = direction(model_dir, residual=False)
    native.save(vector, file)
    model = fingerprint(model_dir).digest
    found = read_outs(["length", f"readout:{file}"], model_dir, model)
    (only,) = found.values()
    assert (only.name, only.unit, only.read_out.layer) == ("readout:tone", "along it", 2)
    assert only.read_out.half == 1
    assert along(vector.restricted([0, 3]), "x").read_out.layer == 3  # no quality on such a card
    for spec in ("readout", "readout:", "readout@2", "readout:a:b", "readout@1:x"):
        assert is_read_out(spec)
    for spec in ("read-out:x", "readouts:x", "readout@x:y", "keywords:readout:x"):
        assert not is_read_out(spec)
    cases = {
        "readout": "invalid_judge",
        "readout@2:": "invalid_judge",
        f"readout@9:{file}": "read_out_unusable",
    }
    for spec, code in cases.items():
        with pytest.raises(CallerError) as refused:
            read_outs([spec], model_dir, model)
        assert refused.value.code == code
    with pytest.raises(CallerError) as refused:
        read_outs([f"readout:{file}"], model_dir, "sha256:" + "0" * 64)
    assert refused.value.code == "vector_model_mismatch"


def test_what_the_command_cannot_read_is_refused(
    run: Run, sweep: Path, model_dir: Path, tmp_path: Path
) -> None:
    file = tmp_path / "tone.safetensors"
    native.save(direction(model_dir), file)
    without = run("judge", sweep, "--judge", f"readout:{file}")
    assert (without.returncode, "--base" in without.stderr) == (3, True)
    other = write_sweep(tmp_path / "other.jsonl", a_grid())
    mismatch = run("judge", other, "--judge", f"readout:{file}", "--base", model_dir)
    assert "another model than the sweep's" in mismatch.stderr
    backend = run("judge", sweep, "--judge", f"readout:{file}", "--base", model_dir,
                  "--readout-backend", "no-such")  # fmt: skip
    assert "no-such" in backend.stderr
    twice = run("judge", sweep, "--judge", f"readout:{file}", "--judge", f"readout:{file}",
                "--base", model_dir)  # fmt: skip
    assert (twice.returncode, "twice" in twice.stderr) == (3, True)


def test_tokens_that_end_answers_are_those_of_any_config(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"text_config": {"eos_token_id": 7}}))
    assert end_tokens_of(tmp_path) == {7}
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [7, 9, None]}))
    assert end_tokens_of(tmp_path) == {7, 9}
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "generation_config.json").unlink()
    assert end_tokens_of(tmp_path) == frozenset()
