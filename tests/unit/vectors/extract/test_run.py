"""From pairs to a vector: a real model, a real tokenizer, every option that changes the outcome."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from steersman_vectors.errors import CallerError
from steersman_vectors.extract.contract import ActivationSource, Read, SpanStates
from steersman_vectors.extract.hf import open_source
from steersman_vectors.extract.methods.contract import METHODS, MethodName, Options
from steersman_vectors.extract.order import Extracted, Order, examples_of
from steersman_vectors.extract.reading import POSITIONS, Position
from steersman_vectors.extract.run import extract
from steersman_vectors.fingerprint import fingerprint
from steersman_vectors.pairs.pair import Example
from steersman_vectors.recipe.data_file import DataFile
from steersman_vectors.recipe.recipe import recipe_on
from tests.tiny_model import HIDDEN, LAYERS, build_tiny_llama
from tests.unit.vectors.extract.samples import DATA_HASH, contrast, quiet

PAIRS = DataFile(path="data/kind.jsonl", sha256="sha256:" + "e" * 64, size=12)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_llama(tmp_path_factory.mktemp("model"))


@pytest.fixture
def order(model: Path) -> Order:
    return Order(model, contrast(), "kind", dtype="float32", batch_tokens=200, measured=False)


def run(order: Order, workdir: Path, **more: Any) -> Extracted:
    return extract(order, workdir, **{"open_source": open_source, "stage": quiet, **more})


def state(model: Any, tokenizer: Any, example: Example, position: Position) -> np.ndarray:
    """The slow reference: one example through the whole model, `[layers - 1, hidden]`."""
    messages = [m.as_json() for m in example.prompt]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    header = tokenizer(text, add_special_tokens=False)["input_ids"]
    answer = tokenizer(example.answer or "", add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        seen = model(torch.tensor([header + answer]), output_hidden_states=True).hidden_states
    x = torch.stack(seen[1:LAYERS])[:, 0].double().numpy()
    at = {"last": slice(-1, None), "answer": slice(len(header), None),
          "prompt-last": slice(len(header) - 1, len(header))}[position]  # fmt: skip
    return x[:, at].mean(axis=1)


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("split", ["train", "heldout", "none"])
def test_mean_of_the_states_of_the_split(
    position: Position, split: Any, order: Order, tmp_path: Path
) -> None:
    if position == "prompt-last":
        order = replace(order, contrast=contrast(answers=False))
    found = run(replace(order, position=position, split=split, scale="raw"), tmp_path)
    hf = AutoModelForCausalLM.from_pretrained(order.model_dir, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(order.model_dir)
    sides = [
        np.stack([state(hf, tokenizer, e, position) for e in side])
        for side in examples_of(order.contrast, split)
    ]
    assert {"train": 9, "heldout": 3, "none": 12}[split] == len(sides[0]) == found.positive
    difference = sides[0].mean(axis=0) - sides[1].mean(axis=0)
    for layer_idx in range(LAYERS - 1):
        delta = found.vector.delta(layer_idx, 1.0)
        assert np.allclose(delta, difference[layer_idx], atol=2e-5 * np.abs(sides[0]).max())


def test_the_card_says_how_it_was_made(order: Order, tmp_path: Path) -> None:
    order = replace(order, command="steersman vectors extract ...", data={"pairs": PAIRS})
    card = run(replace(order, measured=True), tmp_path).vector.card
    assert card.fingerprint == fingerprint(order.model_dir).digest
    assert card.data_hash == DATA_HASH
    assert card.chat_template_hash.startswith("sha256:")
    assert (card.name, card.scale, card.hidden_size) == ("kind", "residual", HIDDEN)
    assert card.method == "difference of means at the last answer token"
    assert sorted(card.layers) == list(range(LAYERS))
    assert all(n.raw_norm and n.residual_norm for n in card.layers.values())
    recipe: Any = card.recipe
    assert recipe["command"] == "steersman vectors extract ..."
    step = recipe["extract"]
    assert step["data"] == {"pairs": PAIRS.model_dump()}
    assert step["fingerprint"] == card.fingerprint
    assert {"torch", "transformers", "numpy", "python"} <= set(step["versions"])
    told = {k: step[k] for k in ("method", "positions", "layers", "split", "positive", "seed")}
    assert told == {
        "method": "mean", "positions": "last", "layers": "all", "split": "train", "positive": 9,
        "seed": 0,
    }  # fmt: skip
    quality: Any = card.quality
    assert set(quality["layers"]) == {"0", "1", "2", "3"}
    assert quality["try_first"] in range(LAYERS)


def test_residual_norms_are_those_of_the_positions_read(order: Order, tmp_path: Path) -> None:
    found = run(replace(order, split="none"), tmp_path).vector
    hf = AutoModelForCausalLM.from_pretrained(order.model_dir, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(order.model_dir)
    examples = (*order.contrast.positive, *order.contrast.negative)
    states = np.stack([state(hf, tokenizer, e, "last") for e in examples])
    for layer_idx in range(LAYERS - 1):
        expected = np.linalg.norm(states[:, layer_idx], axis=-1).mean()
        assert found.card.layers[layer_idx].residual_norm == pytest.approx(expected, rel=1e-4)


class Counting:
    """Opens the real source, and notes what it was asked to read."""

    def __init__(self) -> None:
        self.reads: list[Read] = []
        self.opened = 0

    @contextmanager
    def __call__(self, model_dir: Path, **options: Any) -> Iterator[ActivationSource]:
        self.opened += 1
        with open_source(model_dir, **options) as source:
            inner = source.read

            def read(reads: Sequence[Read]) -> Iterator[tuple[int, SpanStates]]:
                self.reads += reads
                return inner(reads)

            source.read = read  # type: ignore[method-assign]
            yield source


@pytest.mark.parametrize("method", METHODS)
def test_another_method_reads_nothing_again(
    method: MethodName, order: Order, tmp_path: Path
) -> None:
    counting = Counting()
    first = run(order, tmp_path, open_source=counting)
    assert len(counting.reads) == 18
    assert (first.passed.resumed_tokens, counting.opened) == (0, 1)
    again = run(replace(order, method=method), tmp_path, open_source=counting)
    assert (len(counting.reads), counting.opened) == (18, 1)
    assert again.passed.resumed_tokens == again.passed.tokens == first.passed.tokens
    cosine = again.vector.directions[2] @ first.vector.directions[2]
    assert cosine == pytest.approx(1) if method == "mean" else cosine > 0


@pytest.mark.parametrize(
    "other",
    [{"position": "answer"}, {"layers": "0,1"}, {"dtype": "bfloat16"}, {"split": "none"},
     {"batch_tokens": 100}, {"backend": "vllm"}],
)  # fmt: skip
def test_other_states_are_read_anew(other: dict[str, Any], order: Order, tmp_path: Path) -> None:
    first = run(order, tmp_path)
    second = run(replace(order, **other), tmp_path)
    assert second.passed.resumed_tokens == 0
    assert second.states != first.states
    assert run(order, tmp_path).passed.resumed_tokens == first.passed.tokens


def test_only_the_chosen_layers(order: Order, tmp_path: Path) -> None:
    found = run(replace(order, layers="1,3", measured=True), tmp_path)
    assert found.vector.layers == (1, 3)
    assert [m.layer_idx for m in found.measures] == [1, 3]
    whole = run(order, tmp_path).vector
    for layer_idx in (1, 3):
        assert np.allclose(
            found.vector.directions[layer_idx], whole.directions[layer_idx], atol=1e-5
        )


def test_sets_that_are_not_paired(order: Order, tmp_path: Path) -> None:
    few = contrast(5, answers=False)
    sets = replace(
        contrast(paired=False, answers=False),
        negative=few.negative,
        negative_splits=few.negative_splits,
    )
    order = replace(order, contrast=sets, position="prompt-last", split="none", measured=True)
    found = run(order, tmp_path)
    assert (found.positive, found.negative) == (12, 5)
    assert found.measures[0].consistency is None
    assert found.measures[0].probe is not None


def test_only_rivals_of_the_same_model_are_asked_for(order: Order, tmp_path: Path) -> None:
    own = run(order, tmp_path).vector
    asked: list[str] = []

    def others(digest: str) -> dict[str, Any]:
        asked.append(digest)
        return {"kind@1": own}

    found = run(replace(order, measured=True), tmp_path, others=others)
    assert asked == [own.card.fingerprint]
    assert found.measures[1].interference == {"kind@1": pytest.approx(1, abs=1e-6)}


def test_skipped_pairs_are_counted(order: Order, tmp_path: Path) -> None:
    long = contrast()
    positive = (replace(long.positive[0], answer="yes " * 1500), *long.positive[1:])
    order = replace(order, contrast=replace(long, positive=positive), lines={positive[0]: 4})
    with pytest.raises(CallerError, match=r"example of line 4 .*at most 2048.*--skip-too-long"):
        run(order, tmp_path)
    found = run(replace(order, skip_too_long=True), tmp_path)
    assert (found.positive, found.negative, found.skipped) == (8, 8, 1)
    assert recipe_on(found.vector.card).extract.skipped == 1


def test_the_probes_c_is_in_the_recipe(order: Order, tmp_path: Path) -> None:
    for options, told in ((Options(probe_c=0.5), 0.5), (Options(probe_cv=True), "cv")):
        found = run(replace(order, method="probe", options=options), tmp_path)
        assert recipe_on(found.vector.card).extract.probe_c == told


def test_progress_counts_tokens_to_the_end(order: Order, tmp_path: Path) -> None:
    seen: dict[str, list[tuple[int, int]]] = {}

    @contextmanager
    def stage(what: str, _unit: str) -> Iterator[Any]:
        seen[what] = []
        yield lambda done, total: seen[what].append((done, total))

    found = run(order, tmp_path, stage=stage)
    steps = seen["Reading states"]
    assert steps[0] == (0, found.passed.tokens)
    assert steps[-1] == (found.passed.tokens, found.passed.tokens)
    assert steps == sorted(steps)
    assert list(seen) == [
        "Fingerprinting the model", "Loading the model", "Reading states", "Finding directions",
    ]  # fmt: skip
