"""A vector from its pairs to its successor on another model, through the registry; no engine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from steersman_server.cli import rebuild_run
from steersman_server.cli.file_names import safe_name
from steersman_vectors.errors import OperatorError
from steersman_vectors.fingerprint import fingerprint
from steersman_vectors.formats import native
from steersman_vectors.recipe.recipe import recipe_on
from steersman_vectors.registry import layout
from steersman_vectors.registry.embedded import attach_or_start
from steersman_vectors.report.contents import gather
from steersman_vectors.report.page import page as report_page
from tests.tiny_model import build_tiny_llama
from tests.unit.vectors.commands import Run, imported
from tests.unit.vectors.extract.declared import distribution
from tests.unit.vectors.recipe.samples import answer, extract, write_pairs


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return build_tiny_llama(folder / "a"), build_tiny_llama(folder / "b", seed=1)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in a folder that holds none of the files that they are told of."""
    monkeypatch.syspath_prepend(str(distribution(tmp_path / "meta")))
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "made" / "kind.jsonl")


@pytest.fixture
def made(run: Run, models: tuple[Path, Path], pairs: Path, tmp_path: Path) -> Path:
    """The vector `kind` of model A."""
    out = tmp_path / "made" / "kind.safetensors"
    extract(run, models[0], pairs, out, "--layers", "sparse:2")
    return out


def forget(pairs: Path) -> None:
    """Removes all that was made from: what is left is in the registry."""
    shutil.rmtree(pairs.parent)


def test_extracted_pushed_stale_and_made_again_elsewhere(
    run: Run, models: tuple[Path, Path], made: Path, pairs: Path, tmp_path: Path
) -> None:
    a, b = models
    pushed = answer(run, "push", made, "--model", a, "--alias", "prod")
    content = pairs.read_bytes()
    assert pushed["data"] == {
        "extract.pairs": {
            "name": "kind.jsonl", "digest": native.digest(content), "size": len(content),
        }
    }  # fmt: skip
    assert (pushed["alias"], pushed["created"]) == ("prod", True)
    assert answer(run, "show", "kind@prod")["data"] == pushed["data"]
    forget(pairs)
    (stale,) = answer(run, "stale", "--model", b)["stale"]
    assert stale["rebuild"] == f"steersman vectors rebuild kind@1 --model {b} --push"
    assert stale["rebuild"] in run("vectors", "stale", "--model", b).stdout
    command = stale["rebuild"].split()[2:]
    rebuilt = answer(run, *command, "--alias", "canary", "--out", "new.safetensors")
    (one,) = rebuilt["rebuilt"]
    assert rebuilt["fingerprint"] == one["new"]["fingerprint"] == fingerprint(b).digest
    assert answer(run, "stale", "--model", b)["stale"][0]["made_again"]
    assert answer(run, "show", "kind@canary", "--model", b)["digest"] == one["new"]["digest"]

    direct = tmp_path / "direct.safetensors"
    again = write_pairs(tmp_path / "again" / "kind.jsonl")
    extract(run, b, again, direct, "--layers", "sparse:2", "--name", "kind")
    expected, got = (native.load(path) for path in (direct, Path("new.safetensors")))
    assert got.layers == expected.layers
    for layer_idx in expected.layers:
        assert (got.directions[layer_idx] == expected.directions[layer_idx]).all()
    assert got.card.quality == expected.card.quality
    ours, theirs = (recipe_on(v.card).extract.model_dump() for v in (got, expected))
    assert ours.pop("data")["pairs"]["sha256"] == theirs.pop("data")["pairs"]["sha256"]
    assert ours == theirs

    old = one["old"]
    diff = one["diff"]
    assert [layer["layer_idx"] for layer in diff["layers"]] == list(got.layers) == old["layers"]
    assert all(-1 <= layer["cosine"] <= 1 for layer in diff["layers"])
    assert {move["metric"] for move in diff["metrics"]} >= {"probe_accuracy", "consistency"}
    assert sorted(p.name for p in Path().iterdir()) == ["new.safetensors"]
    forget(again)
    second = answer(run, "rebuild", "kind", "--model", a, "--from", b, "--out", "a.safetensors")
    assert second["rebuilt"][0]["old"]["fingerprint"] == fingerprint(b).digest


def test_for_people_it_says_where_the_vector_is_and_what_moved(
    run: Run, models: tuple[Path, Path], made: Path, pairs: Path
) -> None:
    assert "extract.pairs: kind.jsonl" in run("vectors", "push", made).stdout
    assert "kind.jsonl" in run("vectors", "show", "kind").stdout
    forget(pairs)
    done = run("vectors", "rebuild", "--all-stale", "--model", models[1], "--push")
    assert done.returncode == 0, done.stderr
    assert "kind@1: made again" in done.stdout
    assert "pushed  kind@1 for" in done.stdout
    assert "probe accuracy" in done.stdout
    assert "worse" in done.stdout
    nothing = run("vectors", "rebuild", "--all-stale", "--model", models[1], "--push")
    assert nothing.stdout.startswith("Nothing was made again")
    same = run("vectors", "diff", "kind@1", "kind@1", "--model", models[1])
    assert "the same bytes" in same.stdout
    assert "Nothing got worse" in same.stdout
    assert not list(Path().iterdir())


def test_a_report_is_made_again_where_there_was_one_or_it_is_asked_for(
    run: Run, models: tuple[Path, Path], made: Path, tmp_path: Path
) -> None:
    _a, b = models
    (made.parent / "r.html").write_text("<html>old</html>")
    answer(run, "push", made, "--report", made.parent / "r.html")
    left = answer(run, "rebuild", "kind", "--model", b)
    assert "--report makes one" in left["rebuilt"][0]["notes"][-1]
    assert left["rebuilt"][0]["report"] is None
    (one,) = answer(run, "rebuild", "kind", "--model", b, "--push")["rebuilt"]
    shown = answer(run, "show", "kind", "--model", b)
    assert shown["data"]["report"]["name"] == "kind.html"
    assert one["report"] is None, "nobody asked for a file"
    assert not any("--report" in note for note in one["notes"])
    answer(run, "export", "kind", "--model", b, "--out", "x.safetensors", "--data", "files")
    page = Path("files/report/kind.html").read_bytes()
    contents = gather(Path("x.safetensors"), extracted=Path("x.safetensors"))
    assert page == report_page(contents), "what `vectors report` would write"
    assert one["new"]["digest"].encode() in page

    third = build_tiny_llama(tmp_path / "c", seed=2)
    (tmp_path / "cwd" / "new.html").write_text("mine")
    asked = ("rebuild", "kind", "--model", third, "--from", b, "--report", "--out",
             "new.safetensors")  # fmt: skip
    assert answer(run, *asked, code=3)["code"] == "file_exists"
    (again,) = answer(run, *asked, "--force")["rebuilt"]
    assert again["report"] == "new.html"
    assert again["new"]["digest"] in Path("new.html").read_text()
    people = run("vectors", *asked, "--force")
    assert "  report  new.html" in people.stdout
    answer(run, "rebuild", "kind", "--model", third, "--from", b, "--push", "--no-report")
    assert "report" not in answer(run, "show", "kind", "--model", third)["data"]


def test_another_hidden_size_and_depth_have_no_cosines_and_their_own_layers(
    run: Run, models: tuple[Path, Path], made: Path, tmp_path: Path
) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    from tests.tiny_model import build_tokenizer

    wide = tmp_path / "wide"
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=320, hidden_size=64, intermediate_size=64, num_hidden_layers=8,
            num_attention_heads=2, max_position_embeddings=2048, eos_token_id=1,
        )
    ).save_pretrained(wide)  # fmt: skip
    build_tokenizer(wide)
    answer(run, "push", made)
    (one,) = answer(run, "rebuild", "kind", "--model", wide)["rebuilt"]
    assert one["old"]["layers"] == [2, 3]
    assert one["new"]["layers"] == [3, 6], "the rule, not the indices"
    assert "hidden sizes differ (128 and 64)" in one["diff"]["no_cosine"]
    assert all(layer["cosine"] is None for layer in one["diff"]["layers"])
    assert one["file"] == "kind.safetensors"
    exists = answer(run, "rebuild", "kind", "--model", wide, code=3)
    assert exists["code"] == "file_exists"


def test_without_its_data_it_names_what_is_lacking_and_takes_it_by_content(
    run: Run, models: tuple[Path, Path], made: Path, pairs: Path, tmp_path: Path
) -> None:
    assert answer(run, "push", made, "--no-data")["data"] == {}
    kept = tmp_path / "attic" / "deep"
    kept.mkdir(parents=True)
    shutil.copy(pairs, kept / "renamed.txt")
    (kept / "other.txt").write_bytes(pairs.read_bytes()[::-1])
    digest = native.digest(pairs.read_bytes())
    pairs.write_text("something else")
    error = answer(run, "rebuild", "kind", "--model", models[1], code=3)
    assert error["code"] == "data_missing"
    assert "has other content now" in error["message"]
    assert digest in error["message"]
    assert "--data DIR" in error["message"]
    left = run("vectors", "rebuild", "--all-stale", "--model", models[1], "--push")
    assert left.returncode == 0
    assert "left as it is: kind@1: the recipe's data are not all here" in left.stderr
    found = answer(run, "rebuild", "kind", "--model", models[1], "--data", tmp_path / "attic")
    assert len(found["rebuilt"]) == 1

    refused = answer(run, "push", made, code=3)
    assert refused["code"] == "data_missing"
    assert "--no-data" in refused["message"]
    later = answer(run, "push", made, "--data", tmp_path / "attic")
    assert not later["created"]
    assert answer(run, "show", "kind", "--model", models[0])["data"] == later["data"]


def test_ended_in_between_it_goes_on(
    run: Run, models: tuple[Path, Path], made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(run, "push", made)
    with monkeypatch.context() as full:
        full.setattr(rebuild_run, "_write", disk_full)
        assert answer(run, "rebuild", "kind", "--model", models[1], code=4)["code"] == "full"
    assert Path("kind.safetensors.rebuild/states").is_dir()
    read: list[object] = []
    source = rebuild_run.find_source

    def noted(name: str) -> Any:
        def open_source(*args: object, **more: Any) -> Any:
            read.append(name)
            return source(name)(*args, **more)  # type: ignore[arg-type]

        return open_source

    monkeypatch.setattr(rebuild_run, "find_source", noted)
    assert len(answer(run, "rebuild", "kind", "--model", models[1])["rebuilt"]) == 1
    assert read == [], "all states were there: the model is not even loaded"
    assert sorted(p.name for p in Path().iterdir()) == ["kind.safetensors"]


def disk_full(_out: Path, _data: bytes) -> None:
    raise OperatorError("the disk is full", code="full")


def test_what_cannot_be_made_again_says_why(
    run: Run, models: tuple[Path, Path], made: Path, tmp_path: Path
) -> None:
    a, b = models
    card = native.load(made).card
    foreign = native.load(made)
    bare = foreign.card.model_copy(update={"recipe": {}, "method": "by hand"})
    native.save(type(foreign)(bare, foreign.directions), tmp_path / "bare.safetensors")
    imported(run, tmp_path / "bare.safetensors", "bare", a)
    error = answer(run, "rebuild", "bare", "--model", b, code=3)
    assert error["code"] == "recipe_missing"
    assert "by hand" in error["message"]
    newer = card.model_copy(update={"recipe": {**card.recipe, "recipe": 2}})
    native.save(type(foreign)(newer, foreign.directions), tmp_path / "newer.safetensors")
    assert answer(run, "push", tmp_path / "newer.safetensors", code=3)["code"] == "recipe_unknown"
    answer(run, "push", tmp_path / "newer.safetensors", "--no-data")
    assert answer(run, "rebuild", "kind", "--model", b, code=3)["code"] == "recipe_unknown"
    assert answer(run, "rebuild", "kind@9", "--model", b, code=3)["code"] == "vector_not_found"
    assert answer(run, "rebuild", "nobody", "--model", b, code=3)["code"] == "vector_not_found"
    assert answer(run, "rebuild", "--model", b, code=3)["code"] == "invalid_option"
    no_push = answer(run, "rebuild", "kind", "--model", b, "--alias", "prod", code=3)
    assert "--push" in no_push["message"]
    wrong = answer(run, "push", made, "--model", b, code=3)
    assert wrong["code"] == "vector_model_mismatch"


def test_several_base_models_are_told_apart(
    run: Run, models: tuple[Path, Path], made: Path, pairs: Path, tmp_path: Path
) -> None:
    _a, b = models
    third = build_tiny_llama(tmp_path / "c", seed=2)
    answer(run, "push", made)
    answer(run, "rebuild", "kind", "--model", b, "--push")
    ambiguous = answer(run, "rebuild", "kind", "--model", third, code=3)
    assert ambiguous["code"] == "vector_ambiguous"
    assert "--from" in ambiguous["message"]
    commands = [s["rebuild"] for s in answer(run, "stale", "--model", third)["stale"]]
    assert len(commands) == 2
    for command in commands:
        done = answer(run, *command.split()[2:])
        assert done["rebuilt"][0]["old"]["fingerprint"] in command


def test_two_sets_of_prompts_and_a_probe_are_repeated_as_they_were(
    run: Run, models: tuple[Path, Path], tmp_path: Path
) -> None:
    for name, tone in (("kind", "thanks"), ("harsh", "no")):
        lines = (f"{topic}, {tone}\n" for topic in ("my order", "the invoice", "a password"))
        (tmp_path / f"{name}.txt").write_text("".join(lines))
    out = tmp_path / "tone.safetensors"
    args = ("extract", "--model", models[0], "--pairs", tmp_path / "kind.txt", "--negative",
            tmp_path / "harsh.txt", "--positions", "prompt-last", "--split", "none", "--keep-near",
            "--method", "probe", "--probe-c", "0.5", "--scale", "token", "--no-metrics", "--seed",
            3, "--shares", "0.5,0.25,0.25", "--batch-tokens", 64)  # fmt: skip
    answer(run, *args, "--out", out)
    assert set(answer(run, "push", out)["data"]) == {"extract.positive", "extract.negative"}
    answer(run, "rebuild", "tone", "--model", models[0], "--out", "same.safetensors")
    old, new = native.load(out), native.load(Path("same.safetensors"))
    for layer_idx in old.layers:
        assert (old.directions[layer_idx] == new.directions[layer_idx]).all()
    was, now = (recipe_on(v.card).extract for v in (old, new))
    assert was == now
    assert (now.probe_c, now.seed, now.keep_near, now.measured) == (0.5, 3, True, False)


def test_damaged_data_in_the_registry_are_found_and_put_back(
    run: Run, models: tuple[Path, Path], made: Path, pairs: Path, data_dir: Path
) -> None:
    pushed = answer(run, "push", made)
    key = layout.data_key(pushed["data"]["extract.pairs"]["digest"])
    with attach_or_start(data_dir) as registry, redis.Redis.from_url(registry.url) as client:
        client.setrange(key, 3, b"##")
    found = json.loads(run("vectors", "verify", "--json").stdout)
    assert [p["subject"].split()[0] for p in found["problems"]] == ["extract.pairs"]
    assert len(answer(run, "rebuild", "kind", "--model", models[1])["rebuilt"]) == 1, "from disk"
    assert not answer(run, "push", made)["created"]
    assert json.loads(run("vectors", "verify", "--json").stdout)["ok"]


def test_exported_with_its_data_it_is_pushed_into_another_registry(
    run: Run, made: Path, pairs: Path, tmp_path: Path, data_dir: Path
) -> None:
    (made.parent / "r.html").write_text("<html></html>")
    first = answer(run, "push", made, "--report", made.parent / "r.html")
    forget(pairs)
    told = answer(run, "export", "kind", "--out", "kind.safetensors", "--data", "files")
    assert told["data"] == {
        "extract.pairs": "files/extract.pairs/kind.jsonl", "report": "files/report/r.html",
    }  # fmt: skip
    again = answer(run, "export", "kind", "--out", "b.safetensors", "--data", "files", code=3)
    assert again["code"] == "file_exists"
    other = ("--data-dir", tmp_path / "other")
    there = answer(run, "push", "kind.safetensors", "--data", "files", *other)
    assert there["digest"] == first["digest"]
    assert there["data"] == {"extract.pairs": first["data"]["extract.pairs"]}
    assert data_dir != tmp_path / "other"


@given(st.text())
def test_a_name_from_elsewhere_names_a_file_in_its_folder(name: str) -> None:
    safe = safe_name(name)
    assert Path("folder", safe).resolve().parent == Path("folder").resolve()
    assert 0 < len(safe.encode()) <= 100
    assert safe_name(safe) == safe
    if name.isalnum() and len(name) < 25:
        assert safe == name


def test_a_retired_version_is_made_again_with_a_warning(
    run: Run, models: tuple[Path, Path], made: Path
) -> None:
    answer(run, "push", made)
    assert run("vectors", "retire", "kind@1", "--reason", "rude").returncode == 0
    (one,) = answer(run, "rebuild", "kind", "--model", models[1])["rebuilt"]
    assert any("kind@1 is retired: rude" in note for note in one["notes"])
