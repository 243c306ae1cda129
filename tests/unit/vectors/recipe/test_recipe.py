"""What a recipe says is what is read of it; what it does not say is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.card import VectorCard
from steersman_vectors.errors import CallerError
from steersman_vectors.recipe.data_file import DataFile
from steersman_vectors.recipe.recipe import (
    CalibrateStep,
    ExtractStep,
    Recipe,
    read_recipe,
    recipe_on,
    with_calibration,
)
from tests.unit.vectors.samples import vector

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
DIGEST = st.integers(0, 2**256 - 1).map(lambda n: f"sha256:{n:064x}")
FILES = st.dictionaries(
    st.sampled_from(["pairs", "positive", "negative", "facts", "words.0"]),
    st.builds(DataFile, path=TEXT, sha256=DIGEST, size=st.integers(0, 2**60)),
)
SHARES = st.floats(0, 1)
EXTRACT = st.builds(
    ExtractStep,
    data=FILES,
    fingerprint=DIGEST,
    method=st.sampled_from(["mean", "pca", "probe"]),
    positions=st.sampled_from(["last", "answer", "prompt-last"]),
    layers=TEXT,
    scale=st.sampled_from(["raw", "unit", "residual", "token"]),
    split=st.sampled_from(["train", "calibration", "heldout", "none"]),
    shares=st.tuples(SHARES, SHARES, SHARES),
    keep_near=st.booleans(),
    skip_too_long=st.booleans(),
    backend=TEXT,
    dtype=st.sampled_from(["auto", "float32", "bfloat16", "float16"]),
    batch_tokens=st.integers(1, 2**40),
    seed=st.integers(-(2**60), 2**60),
    probe_c=st.one_of(st.none(), st.just("cv"), st.floats(1e-9, 1e9)),
    measured=st.booleans(),
    positive=st.integers(0, 10**6),
    negative=st.integers(0, 10**6),
    skipped=st.integers(0, 10**6),
    paired=st.booleans(),
    versions=st.dictionaries(TEXT, TEXT, max_size=3),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | TEXT,
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
CALIBRATE = st.builds(
    CalibrateStep,
    command=TEXT,
    data=FILES,
    fingerprint=DIGEST,
    options=st.dictionaries(st.sampled_from(["judge", "max-kl", "a"]), JSON, max_size=4),
    seed=st.integers(0, 2**60),
    versions=st.dictionaries(TEXT, TEXT, max_size=3),
)
RECIPE = st.builds(
    Recipe, command=TEXT, extract=EXTRACT, calibration=st.none() | CALIBRATE
)  # fmt: skip


@given(RECIPE)
def test_a_recipe_is_read_back_as_it_was_written(recipe: Recipe) -> None:
    """Through a card's JSON, as the registry and files keep it."""
    card = vector(recipe=recipe.as_json()).card
    again = VectorCard.model_validate_json(json.dumps(card.model_dump(mode="json")))
    assert recipe_on(again) == recipe
    roles = [f"extract.{role}" for role in recipe.extract.data]
    if recipe.calibration is not None:
        roles += [f"calibration.{role}" for role in recipe.calibration.data]
    assert sorted(recipe.data) == sorted(roles)


@given(RECIPE, CALIBRATE)
def test_calibration_is_added_and_changes_nothing_else(recipe: Recipe, step: CalibrateStep) -> None:
    again = read_recipe(with_calibration(recipe, step))
    assert again is not None
    assert again.calibration == step
    assert (again.extract, again.command) == (recipe.extract, recipe.command)


@given(RECIPE, st.data())
def test_a_recipe_with_anything_more_less_or_else_is_refused(recipe: Recipe, data: Any) -> None:
    written: Any = json.loads(json.dumps(recipe.as_json()))
    step = written["extract"]
    key = data.draw(st.sampled_from(sorted(set(step) - {"probe_c"})))
    kind = data.draw(st.sampled_from(["more", "less", "else"]))
    if kind == "more":
        step["later"] = 1
    elif kind == "less":
        del step[key]
    else:
        step[key] = [{"not": "that"}]
    with pytest.raises(CallerError) as caught:
        read_recipe(written)
    assert caught.value.code == "recipe_invalid"
    assert "extract" in caught.value.message


@pytest.mark.parametrize("role", ["../up", "a/b", "", "A", "a\x00b", "a" * 65])
def test_a_role_is_no_path(role: str) -> None:
    """It becomes the name of a folder when the vector is made again."""
    file = DataFile(path="x", sha256="sha256:" + "0" * 64, size=0)
    with pytest.raises(ValueError, match="pattern"):
        CalibrateStep(
            command="", data={role: file}, fingerprint=file.sha256, options={}, seed=0, versions={}
        )


@pytest.mark.parametrize("version", [2, 0, "1", None, 1.5, True])
def test_another_version_is_refused_with_the_remedy(version: object) -> None:
    with pytest.raises(CallerError) as caught:
        read_recipe({"recipe": version, "extract": {}})  # type: ignore[dict-item]
    assert caught.value.code == "recipe_unknown"
    assert "a newer one" in caught.value.message


@pytest.mark.parametrize("written", [{}, {"command": "x"}, {"format": "gguf", "sha256": "y"}])
def test_recipes_for_people_are_none_that_can_be_run(written: Any) -> None:
    assert read_recipe(written) is None
    with pytest.raises(CallerError) as caught:
        recipe_on(vector(recipe=written).card)
    assert caught.value.code == "recipe_missing"


@pytest.mark.parametrize(
    ("path", "name"),
    [("a/b/c.jsonl", "c.jsonl"), ("c.jsonl", "c.jsonl"), ("a\\c.jsonl", "c.jsonl"), ("a/", "data")],
)
def test_a_files_name_is_its_paths_end(path: str, name: str) -> None:
    assert DataFile(path=path, sha256="sha256:" + "0" * 64, size=0).name == name
