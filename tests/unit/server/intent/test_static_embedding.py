"""Our path from text to vector against model2vec's, its reference twin; and its bounds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model2vec import StaticModel
from tokenizers import Tokenizer

from steersman_server.intent.bounds import TURN_CHARS
from steersman_server.intent.static_embedding import (
    SHIPPED,
    StaticEmbedding,
    load_embedding,
    sentence_bounds,
)
from steersman_server.intent.tokens import STRANGE_CHARS, WholeText, Words
from steersman_vectors.errors import CallerError

EMBEDDING = load_embedding(SHIPPED)
TWIN = StaticModel.from_pretrained(SHIPPED, force_download=False)
VOCABULARY = sorted(json.loads((SHIPPED / "tokenizer.json").read_text())["model"]["vocab"])
words = st.sampled_from(VOCABULARY) | st.text(max_size=6)
texts = st.lists(words, max_size=30).map(" ".join) | st.text(max_size=200)


def twin_of(text: str) -> np.ndarray:
    return TWIN.encode([text], max_length=None)[0]


def within_bounds(text: str) -> bool:
    tokens = EMBEDDING.tokens
    assert isinstance(tokens, Words)
    strange = [word for word in tokens._words(text) if word not in tokens._vocabulary]
    return tokens._bounded(strange) == strange


def assert_equals_its_twin(text: str) -> None:
    if within_bounds(text):
        np.testing.assert_allclose(EMBEDDING.encode(text), twin_of(text), atol=2e-6)


@given(texts)
def test_equals_model2vec(text: str) -> None:
    assert_equals_its_twin(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \t\n",
        "I was charged twice for order 48213!",
        "don’t — it’s “naïve” café, Ünïcödé",
        "zero\x00 width\u200b and\x0b control\x1c characters\x7f",
        "日本語のテキスト と 漢字",
        "Здравствуйте, где мой заказ?",
        "[PAD] [UNK] ##ing [MASK]",
        "a" * 33 + " " + "b" * 32,
        "combi\u0301ning \u0301alone İstanbul ẞ",
        "non\u00a0breaking\u2003spaces\u3000everywhere\u0085here",
        "👩‍👩‍👧 and 🏳️‍🌈",
        "next\u0085line, “don’t”! é,\u0301.é ,\u2028_ΣΑΣ_ΣΑΣ",
    ],
)
def test_equals_model2vec_on_difficult_texts(text: str) -> None:
    assert_equals_its_twin(text)
    assert_equals_its_twin(text)  # now from memory


def test_the_shipped_tokenizer_takes_the_fast_path() -> None:
    assert isinstance(EMBEDDING.tokens, Words)
    assert EMBEDDING.rows.dtype == np.int8


@given(texts)
def test_ids_equal_the_tokenizers(text: str) -> None:
    tokens = EMBEDDING.tokens
    if within_bounds(text):
        assert tokens.ids(text) == WholeText(tokens.tokenizer, tokens.unknown).ids(text)


@given(st.lists(st.sampled_from([*VOCABULARY[::50], "xyzzy", "."]), min_size=1, max_size=80))
def test_views_are_the_text_and_its_sentences(chosen: list[str]) -> None:
    views = EMBEDDING.views(EMBEDDING.ids(" ".join(chosen)))
    np.testing.assert_allclose(views[0], EMBEDDING.encode(" ".join(chosen)), atol=1e-6)
    assert np.allclose(np.linalg.norm(views, axis=1), 1, atol=1e-5) or not views.any()


def test_where_sentences_begin() -> None:
    def starts(text: str) -> list[int]:
        ids = EMBEDDING.ids(text)
        return sentence_bounds(ids, EMBEDDING._ends)[:-1]

    assert starts("one two three four. one two three four.") == [0, 5]
    assert starts("... one two!") == [0, 1, 2, 3]
    assert starts(" ".join(["one"] * 70)) == [0, 32, 64]
    assert starts("") == []
    assert len(starts("a b c. " * 1000)) == -(-1536 // 32)


def test_sentences_too_short_to_mean_anything_are_no_views() -> None:
    def count(text: str) -> int:
        return len(EMBEDDING.views(EMBEDDING.ids(text)))

    assert [count(text) for text in ("", "...", "one", "one two. three four.")] == [1, 1, 1, 3]
    assert count("Thanks. Where is it?! Hm...") == 2


def test_a_sentence_in_a_long_text_has_its_own_view() -> None:
    text = "Where is my parcel? It should be here. My son swallowed a battery! Thanks."
    views = EMBEDDING.views(EMBEDDING.ids(text))
    alone = EMBEDDING.encode("My son swallowed a battery!")
    assert np.abs(views[1:] - alone).max(axis=1).min() < 1e-6


class Spy:
    """A tokenizer, and its model, that counts the characters it is given."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.chars = tokenizer, 0

    def encode(self, text: str | list[str], **options: object) -> object:
        self.chars += len(text) if isinstance(text, str) else sum(map(len, text))
        return self.tokenizer.encode(text, **options)

    @property
    def model(self) -> Spy:
        return self

    def tokenize(self, word: str) -> object:
        self.chars += len(word)
        return self.tokenizer.model.tokenize(word)


@pytest.mark.parametrize(
    "piece", ["qxz{} ", "Здравствуйте{} ", "漢{}", "a", "[PAD]", "\x00", "x\x00y{} ", "."]
)
def test_a_megabyte_costs_no_more_than_the_bounds(piece: str) -> None:
    """What blocks the event loop is the work per character, and few reach the tokenizer."""
    fresh = load_embedding(SHIPPED)
    spy = fresh.tokens.tokenizer = Spy(fresh.tokens.tokenizer)
    text = "".join(piece.format(i) for i in range(1_000_000 // len(piece)))
    ids = fresh.ids(text)
    assert spy.chars <= STRANGE_CHARS
    assert len(ids) <= TURN_CHARS
    assert len(fresh.tokens._words(text[:TURN_CHARS])) <= TURN_CHARS


def test_memory_of_words_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steersman_server.intent.tokens.REMEMBERED", 10)
    fresh = load_embedding(SHIPPED)
    assert isinstance(fresh.tokens, Words)
    for i in range(100):
        fresh.ids(f"strangeword{i}")
        assert len(fresh.tokens._remembered) <= 11
    fresh.ids("longer" * 20)
    assert "longer" * 20 not in fresh.tokens._remembered


def test_words_remembered_so_far_are_told_where_the_memory_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("steersman_server.intent.tokens.REMEMBERED", 10)
    fresh = load_embedding(SHIPPED).tokens
    seen = " ".join(f"strangeword{i}" for i in range(11))
    assert fresh.ids(seen) == fresh.ids(seen)
    text = f"{seen} anotherstrangeword"
    assert fresh.ids(text) == WholeText(fresh.tokenizer, fresh.unknown).ids(text)


def test_beyond_the_bound_only_strange_words_are_left_out() -> None:
    strange = [f"qxz{i:04d}" for i in range(200)]
    ids = EMBEDDING.ids(" ".join([*strange, "order", "please"]))
    assert ids[-2:].tolist() == EMBEDDING.ids("order please").tolist()
    assert len(ids) < len(EMBEDDING.tokens.tokenizer.encode(" ".join(strange)).ids)


def copy(tmp_path: Path) -> Path:
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes((SHIPPED / name).read_bytes())
    return tmp_path


def refused(folder: Path) -> str:
    with pytest.raises(CallerError) as refusal:
        load_embedding(folder)
    assert refusal.value.code in ("classifier_invalid", "classifier_not_found")
    return refusal.value.message


def test_refuses_what_is_no_embedding(tmp_path: Path) -> None:
    assert "model.safetensors" in refused(tmp_path)
    folder = copy(tmp_path)
    (folder / "tokenizer.json").write_text("[]")
    assert "is no tokenizer" in refused(folder)
    (folder / "tokenizer.json").write_text('{"model": {"type": "Nothing"}}')
    assert "is no tokenizer" in refused(folder)
    (copy(folder) / "model.safetensors").write_bytes(b"\x80\x04pickle")
    assert "is not a safetensors file" in refused(folder)


def test_other_tokenizers_are_asked_for_the_whole_text(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    spec = json.loads((folder / "tokenizer.json").read_text())
    spec["normalizer"]["lowercase"] = False
    (folder / "tokenizer.json").write_text(json.dumps(spec))
    made = load_embedding(folder)
    assert type(made.tokens) is WholeText
    twin = StaticModel(made.rows, made.tokens.tokenizer, normalize=True)
    text = "Refund my Order, please"
    np.testing.assert_allclose(made.encode(text), twin.encode([text])[0], atol=2e-6)


def test_weights_and_shared_rows_are_those_of_model2vec(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tokenizer = EMBEDDING.tokens.tokenizer
    size = tokenizer.get_vocab_size()
    model = StaticModel(
        rng.normal(size=(100, 8)).astype(np.float32),
        tokenizer,
        normalize=True,
        weights=rng.uniform(0.1, 1, size).astype(np.float32),
        token_mapping=rng.integers(0, 100, size),
    )
    model.save_pretrained(tmp_path)
    ours: StaticEmbedding = load_embedding(tmp_path)
    text = "where is my refund, I have been waiting"
    np.testing.assert_allclose(ours.encode(text), model.encode([text])[0], atol=2e-6)
