"""Examples, training and measuring: choices on the training side, phrasings on one side only."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from steersman_server.intent import evaluate, fit, train
from steersman_server.intent.contract import Intent
from steersman_server.intent.evaluate import Judged, figures
from steersman_server.intent.examples import Example, digest, read_examples
from steersman_server.intent.head import OTHER
from steersman_server.intent.load import DEMO, load_classifier
from steersman_server.intent.static_embedding import SHIPPED
from steersman_server.intent.user_turn import UserTurn
from steersman_vectors.errors import CallerError

CATS = ["cats purr", "my cat sleeps", "a kitten plays", "the cat eats fish", "feed the kitten"]
CARS = ["cars are fast", "my car broke", "the engine is loud", "new tyres", "petrol is dear"]
ELSE = ["hello", "it rains", "good night", "two plus two", "a poem"]
EXAMPLES = [
    Example(text=text, label=label)
    for label, texts in (("cats", CATS), ("cars", CARS), (None, ELSE))
    for text in texts
]


def lines(path: Path, *values: object) -> Path:
    path.write_bytes(
        b"".join(
            (v if isinstance(v, bytes) else json.dumps(v, ensure_ascii=False).encode()) + b"\n"
            for v in values
        )
    )
    return path


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "line 2: is not JSON"),
        (b'"text"', "line 2: expected an object"),
        (b"\xff\xfe", "line 2: is not UTF-8 (byte 1)"),
        (b"[" * 100_000, "line 2: is not JSON"),
        ({"text": "a"}, "line 2: 'label' is missing; add it"),
        ({"text": "", "label": "a"}, "line 2: 'text'"),
        ({"text": 3, "label": "a"}, "line 2: 'text'"),
        ({"text": "b", "label": "Two Words"}, "got 'Two Words'"),
        ({"text": "b", "label": "a", "lable": 1}, "unknown key 'lable'; remove it; keys: text"),
        ({"text": "OK", "label": "b"}, "lines 1 and 2 have the same text, labelled a and b"),
        ({"text": "ok", "label": None}, "labelled a and null; keep one"),
    ],
)
def test_refuses_lines_by_number(tmp_path: Path, line: object, said: str) -> None:
    path = lines(tmp_path / "m.jsonl", {"text": "ok", "label": "a"}, line)
    with pytest.raises(CallerError) as refusal:
        read_examples(path)
    assert refusal.value.code == "examples_invalid"
    assert said in refusal.value.message


def test_reads_lines_and_names_the_first_problems(tmp_path: Path) -> None:
    path = lines(tmp_path / "m.jsonl", {"text": "ok", "label": "a", "context": ["b"]}, b"", b"  ")
    assert read_examples(path) == [Example(text="ok", label="a", context=("b",))]
    with pytest.raises(CallerError, match=r"line 5.*and 3 more"):
        read_examples(lines(tmp_path / "m.jsonl", *[b"{"] * 8))
    with pytest.raises(CallerError, match="has no line"):
        read_examples(lines(tmp_path / "m.jsonl"))
    with pytest.raises(CallerError, match="no file"):
        read_examples(tmp_path / "none.jsonl")


def test_the_same_text_in_other_contexts_may_have_other_labels(tmp_path: Path) -> None:
    same = ({"text": "when?", "label": x, "context": [x]} for x in ("a", "b"))
    assert len(read_examples(lines(tmp_path / "m.jsonl", *same))) == 2


def test_trains_writes_and_loads(tmp_path: Path) -> None:
    trained = train.train(EXAMPLES, EXAMPLES, safety_labels=("cars",))
    train.write(trained, tmp_path / "out")
    loaded = load_classifier(tmp_path / "out")
    assert loaded.labels == ("cars", "cats")
    assert loaded.safety_labels == {"cars"}
    assert trained.classifier.judge(UserTurn("my kitten purrs")).best == "cats"
    again = evaluate.measure(loaded, EXAMPLES, digest(EXAMPLES))
    assert again == trained.card.held_out
    assert trained.card.training == {"": 5, "cars": 5, "cats": 5}
    assert not (tmp_path / "out/embedding").exists()


def test_the_same_texts_give_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        train.write(train.train(EXAMPLES, []), tmp_path / name)
    for file in ("card.json", "head.safetensors"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_an_embedding_of_ones_own_travels_with_the_head(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for name in ("model.safetensors", "tokenizer.json"):
        (own / name).write_bytes((SHIPPED / name).read_bytes())
    trained = train.train(EXAMPLES, [], embedding_folder=own, threshold=0.25)
    train.write(trained, tmp_path / "out")
    train.write(trained, tmp_path / "out")  # over itself
    for name in ("model.safetensors", "tokenizer.json"):
        (own / name).unlink()
    moved = (tmp_path / "out").rename(tmp_path / "moved")
    assert load_classifier(moved).labels == ("cars", "cats")
    assert trained.card.threshold == 0.25
    (moved / "embedding/tokenizer.json").write_text('{"model": {}}')
    with pytest.raises(CallerError, match="is no tokenizer"):
        load_classifier(moved)


@pytest.mark.parametrize(
    ("examples", "said"),
    [
        ([Example(text="a", label=None)], "no label, expected at least two"),
        ([Example(text=t, label="cats") for t in CATS], "one label (cats)"),
        (EXAMPLES[1:], "label cats has 4 different phrasings"),
        (EXAMPLES[:-1], "label null has 4 different phrasings"),
        (
            [e.model_copy(update={"group": "g"}) for e in EXAMPLES],
            "has 1 different phrasings to train on, expected at least 5",
        ),
    ],
)
def test_refuses_too_few(examples: list[Example], said: str) -> None:
    for run in (lambda: train.train(examples, []), lambda: train.split(examples, 0.2)):
        with pytest.raises(CallerError) as refusal:
            run()
        assert said in refusal.value.message


def test_refuses_a_safety_label_that_is_none() -> None:
    with pytest.raises(CallerError, match="'danger' is no label; labels: cars, cats"):
        train.train(EXAMPLES, [], safety_labels=("danger",))


def test_a_split_keeps_groups_together() -> None:
    grouped = [
        Example(text=f"{text} {i}", label=label, group=f"{label} {text}")
        for label, texts in (("cats", CATS * 3), ("cars", CARS * 3))
        for i, text in enumerate(texts)
    ]
    kept_in, held_out = train.split(grouped, 0.2)
    assert {e.group for e in kept_in} & {e.group for e in held_out} == set()
    assert len(kept_in) + len(held_out) == 30
    assert {e.label for e in held_out} == {"cats", "cars"}


def test_writes_over_classifiers_only(tmp_path: Path) -> None:
    train.check_out(tmp_path / "new")
    train.check_out(tmp_path)
    (tmp_path / "thesis.txt").write_text("x")
    for path in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(CallerError) as refusal:
            train.check_out(path)
        assert refusal.value.code == "out_in_use"
    train.check_out(DEMO)


def test_thresholds_are_the_lowest_that_keep_their_promise() -> None:
    shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.55, 0.45]], np.float32)
    right = np.array([0, 0, 1, 1])
    assert fit.answer_threshold(shares, right, ("a", "b")) == 0.56
    assert fit.answer_threshold(shares, np.array([0, 0, 1, 0]), ("a", "b")) == fit.LOWEST
    assert fit.answer_threshold(shares, np.array([1, 1, 0, 1]), ("a", OTHER)) == fit.HIGHEST
    peaks = np.array([0.99, 0.5] + [0.1] * 98)
    assert fit.alarm_threshold(peaks, np.array([True] + [False] * 99)) == fit.LOWEST
    peaks[1:6] = 0.5
    assert fit.alarm_threshold(peaks, np.array([True] + [False] * 99)) == 0.51


def test_two_labels_give_a_proper_softmax() -> None:
    trained = train.train(EXAMPLES[:10], [])
    shares = trained.classifier.head.probabilities(
        trained.classifier.embedding.encode("the engine of my car")
    )
    assert shares.shape == (2,)
    assert shares[0] > 0.5


def test_figures_by_hand() -> None:
    def judged(label: str | None, given: str | None, best: str | None, score: float) -> Judged:
        return Judged(Example(text="x", label=label), Intent(given, score, best, "t"))

    found = figures(
        [
            judged("a", "a", "a", 0.9),
            judged("a", None, "a", 0.4),
            judged("safety", "a", "a", 0.8),
            judged("safety", "safety", "safety", 1.0),
            judged(None, "safety", "safety", 0.7),
            judged(None, None, "a", 0.2),
        ],
        frozenset({"safety"}),
        "sha256:0",
    )
    assert (found.texts, found.accuracy, found.answered) == (6, 0.75, 0.75)
    assert (found.answered_accuracy, found.abstained_outside) == (0.6667, 0.5)
    assert (found.safety_recall, found.safety_precision) == (0.5, 0.5)
    assert found.confusion == {
        "": {"": 1, "safety": 1},
        "a": {"": 1, "a": 1},
        "safety": {"a": 1, "safety": 1},
    }
    # 0.4 right: 0.6 away; 0.8 wrong: 0.8 away; 0.9 and 1.0 right: 0.05 away, twice
    assert found.calibration_error == pytest.approx((0.6 + 0.8 + 0.05 * 2) / 4)
    assert found.macro_f1 == pytest.approx((2 * 2 / (3 + 2) + 2 * 1 / (1 + 2)) / 2, abs=1e-4)
