"""What the shipped vectors say of themselves is what made them, and the README says the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from steersman_demo import make_vectors, readme_table, vector_data
from steersman_demo.directions import centred_difference, contrast_chats, last_token_states
from steersman_demo.library import NAMES, load, save
from steersman_vectors.calibrate.prompts import split
from steersman_vectors.pairs.read import read_pairs
from steersman_vectors.recipe.data_file import find, read_if
from steersman_vectors.recipe.recipe import recipe_on
from steersman_vectors.sweep.prompts import read_prompts

ROOT = Path(__file__).parents[3]
LIBRARY = ROOT / "vectors/library"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    vector_data.write(folder)
    return folder


def evidence(name: str, preset: str) -> Any:
    return load(LIBRARY, name).card.presets[preset].evidence


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_names_the_files_that_are_written_today(name: str, data: Path) -> None:
    recipe = recipe_on(load(LIBRARY, name).card)
    wanted = {role: file for role, file in recipe.data.items()}
    assert {file.name for file in wanted.values()} == {
        f"{name}.pairs.jsonl", "prompts.jsonl", "heldout.jsonl", "unsafe.jsonl"
    }  # fmt: skip
    for file in wanted.values():
        assert read_if(data / file.name, file) is not None, file.name
    assert set(find(wanted, [data])) == set(wanted)


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_holds_the_commands_that_make_runs(name: str) -> None:
    recipe = recipe_on(load(LIBRARY, name).card)
    run = [make_vectors.shown(each) for each in make_vectors.making(Path(".demo-vectors"))]
    assert recipe.calibration is not None
    assert {recipe.command, recipe.calibration.command} <= set(run)


@pytest.mark.parametrize(
    ("every", "cosine", "norm"),
    # All 600 pairs take a minute for each vector.
    [pytest.param(1, 0.99999, 1e-4, marks=pytest.mark.soak), (8, 0.99, 0.1)],
)
@pytest.mark.parametrize("name", NAMES)
def test_the_direction_is_the_one_that_a_few_lines_of_torch_find(
    name: str, every: int, cosine: float, norm: float
) -> None:
    shipped = load(LIBRARY, name)
    model_dir = ROOT / make_vectors.MODEL
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32).eval()
    sides = [
        last_token_states(model, tokenizer, c[::every])
        for c in contrast_chats(name, vector_data.PAIRS)
    ]
    for layer, direction in shipped.directions.items():
        half = centred_difference(sides[0][layer], sides[1][layer]).numpy()
        norms = shipped.card.layers[layer]
        assert half @ direction / np.linalg.norm(half) > cosine
        assert norms.raw_norm == pytest.approx(2 * float(np.linalg.norm(half)), rel=norm)


@pytest.mark.parametrize("name", NAMES)
def test_presets_rise_and_each_shows_the_behaviour_and_keeps_the_facts(name: str) -> None:
    card = load(LIBRARY, name).card
    assert list(card.presets) == ["low", "medium", "strong"]
    alphas = [preset.alpha for preset in card.presets.values()]
    assert alphas == sorted(alphas)
    assert card.alpha_max is not None
    assert alphas[-1] <= card.alpha_max
    behaviour, sign = {"empathy": ("warm", 1), "concise": ("length", -1)}[name]
    before = 0.0
    for preset in card.presets:
        told = evidence(name, preset)
        change = told["changes"][behaviour]
        assert min(sign * change["low"], sign * change["high"]) > 0
        assert sign * change["value"] > before
        before = sign * change["value"]
        assert told["changes"]["facts"]["low"] > -0.08
        assert told["figures"]["off-corpus"]["high"] < 0.05
        assert told["figures"]["warm"]["n"] == vector_data.HELDOUT


def test_strong_empathy_is_warm_and_strong_concise_is_short() -> None:
    assert evidence("empathy", "strong")["figures"]["warm"]["value"] > 0.9
    assert evidence("concise", "strong")["changes"]["length"]["value"] < -10


@pytest.mark.parametrize("name", NAMES)
def test_the_card_beside_the_vector_is_the_one_inside(name: str, tmp_path: Path) -> None:
    save(load(LIBRARY, name), tmp_path)
    for file in ("card.json", "vector.safetensors"):
        assert (tmp_path / name / file).read_bytes() == (LIBRARY / name / file).read_bytes()


def test_the_readme_has_the_figures_of_the_cards() -> None:
    page = (ROOT / "README.md").read_text()
    text = readme_table.block([load(LIBRARY, name).card for name in NAMES])
    assert readme_table.put_into(page, text) == page


def test_tables_go_between_their_marks_and_nowhere_else() -> None:
    page = f"# Title\n{readme_table.BEGIN}\nold\n{readme_table.END}\nrest\n"
    assert readme_table.put_into(page, "new") == page.replace("old", "new")
    with pytest.raises(ValueError, match="demo-vectors:begin"):
        readme_table.put_into("# no marks\n", "new")


def test_the_files_are_what_the_commands_take(data: Path) -> None:
    for name in NAMES:
        assert len(read_pairs(data / f"{name}.pairs.jsonl").lines) == vector_data.PAIRS
    sets = {name: read_prompts(data / f"{name}.jsonl") for name in ("prompts", "heldout", "joint")}
    assert [len(each) for each in sets.values()] == [
        vector_data.PROMPTS, vector_data.HELDOUT, vector_data.JOINT
    ]  # fmt: skip
    # Raises where a question stands in both.
    split({"prompts": sets["prompts"]}, {"prompts": sets["heldout"]})
    split({"prompts": sets["prompts"]}, {"prompts": sets["joint"]})
    assert len(read_prompts(data / "unsafe.jsonl")) == vector_data.UNSAFE


def test_no_held_out_phrasing_is_in_the_pairs(data: Path) -> None:
    def last_turns(file: str, key: str) -> set[str]:
        rows = map(json.loads, (data / file).read_text().splitlines())
        return {row[key][-1]["content"].casefold() for row in rows}

    asked = last_turns("prompts.jsonl", "prompt") | last_turns("heldout.jsonl", "prompt")
    for name in NAMES:
        assert not asked & last_turns(f"{name}.pairs.jsonl", "positive_prompt")
