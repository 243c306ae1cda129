"""Classifiers from folders and files: what is read, what is refused and with which words."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest

from steersman_server.intent.embedding_classifier import EmbeddingClassifier
from steersman_server.intent.http_classifier import Abstain, HttpClassifier
from steersman_server.intent.load import DEMO, load_classifier
from steersman_server.intent.rules import RulesClassifier
from steersman_server.intent.user_turn import UserTurn
from steersman_vectors.errors import CallerError

RULES = {"kind": "rules", "rules": [{"label": "billing", "any": ["refund*"]}]}
HTTP = {
    "kind": "http",
    "url": "http://127.0.0.1:9/",
    "labels": ["billing", "safety"],
    "fallback": "abstain",
}


def refused(path: Path) -> str:
    with pytest.raises(CallerError) as refusal:
        load_classifier(path)
    assert refusal.value.code in ("classifier_invalid", "classifier_not_found")
    assert str(path.parent) in refusal.value.message
    return refusal.value.message


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEMO, tmp_path / "mine"))


def write(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value))
    return path


def edit(folder: Path, **changes: object) -> Path:
    card = json.loads((folder / "card.json").read_text())
    write(folder / "card.json", {**card, **changes})
    return folder


def test_the_demo() -> None:
    demo = load_classifier(DEMO)
    assert demo.labels == ("account", "billing", "delivery", "safety", "technical")
    assert demo.safety_labels == {"safety"}


def test_rules_as_json_and_as_toml(tmp_path: Path) -> None:
    assert isinstance(load_classifier(write(tmp_path / "r.json", RULES)), RulesClassifier)
    (tmp_path / "r.toml").write_text(
        'kind = "rules"\n[[rules]]\nlabel = "billing"\nany = ["refund*"]\n'
    )
    loaded = load_classifier(tmp_path / "r.toml")
    assert isinstance(loaded, RulesClassifier)
    assert loaded.judge(UserTurn("Refunds?")).label == "billing"


def test_a_folder_with_another_threshold(folder: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "e.json", {"kind": "embedding", "path": "mine", "threshold": 1.0})
    strict = load_classifier(path)
    assert isinstance(strict, EmbeddingClassifier)
    assert strict.judge(UserTurn("where is my parcel")).label is None


async def test_http_with_each_fallback(folder: Path, tmp_path: Path) -> None:
    embedding = {"kind": "embedding", "path": "mine"}
    for fallback, kind in (
        ("abstain", Abstain),
        (RULES, RulesClassifier),
        (embedding, EmbeddingClassifier),
    ):
        loaded = load_classifier(write(tmp_path / "h.json", {**HTTP, "fallback": fallback}))
        assert isinstance(loaded, HttpClassifier)
        assert isinstance(loaded.fallback, kind)
        assert loaded.safety_labels == {"safety"}
        await loaded.aclose()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "expected an object, got list"),
        ({}, "kind"),
        ({"kind": "magic"}, "'rules', 'http', 'embedding'"),
        ({**RULES, "rulez": 1}, "unknown key 'classifier.rules.rulez'"),
        ({"kind": "rules", "rules": []}, "rules"),
        ({"kind": "rules", "rules": [{"label": "Big One", "any": ["a"]}]}, "'Big One'"),
        ({"kind": "rules", "rules": [{"label": "a", "any": ["*"]}]}, "phrase '*'"),
        ({**RULES, "safety_labels": ["danger"]}, "'danger' is no label; labels: billing"),
        ({k: v for k, v in HTTP.items() if k != "fallback"}, "fallback' is missing"),
        ({**HTTP, "fallback": HTTP}, "fallback"),
        ({**HTTP, "url": "ftp://x"}, "url"),
        ({**HTTP, "timeout_s": 0}, "timeout_s"),
        ({**HTTP, "labels": []}, "labels"),
    ],
)
def test_refuses_descriptions(tmp_path: Path, value: object, said: str) -> None:
    assert said in refused(write(tmp_path / "c.json", value))


def test_refuses_files_that_are_none(tmp_path: Path) -> None:
    assert "steersman intents train" in refused(tmp_path / "missing.json")
    (tmp_path / "bad.json").write_bytes(b"\xff{")
    assert "is not JSON in UTF-8" in refused(tmp_path / "bad.json")
    (tmp_path / "bad.toml").write_text("kind = ")
    assert "is not TOML in UTF-8" in refused(tmp_path / "bad.toml")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    assert "is not JSON" in refused(tmp_path / "deep.json")
    (tmp_path / "big.json").write_text(" " * (4 * 2**20 + 1))
    assert "expected at most 4,194,304" in refused(tmp_path / "big.json")
    (tmp_path / "model.bin").write_bytes(b"x")
    assert "ends in .json or .toml" in refused(tmp_path / "model.bin")
    (tmp_path / "empty").mkdir()
    assert "card.json" in refused(tmp_path / "empty")


def test_refuses_a_damaged_folder(folder: Path) -> None:
    head = (folder / "head.safetensors").read_bytes()
    (folder / "head.safetensors").write_bytes(head[:-1] + b"\x01")
    assert "the card says sha256:" in refused(folder)
    (folder / "head.safetensors").unlink()
    assert "no file" in refused(folder)


def test_nothing_is_ever_unpickled(folder: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    import hashlib

    data = pickle.dumps(Trap())
    (folder / "head.safetensors").write_bytes(data)
    edit(folder, head_sha256=f"sha256:{hashlib.sha256(data).hexdigest()}")
    assert "is not a safetensors file" in refused(folder)
    assert not (tmp_path / "sprung").exists()


def test_refuses_a_card_that_does_not_fit(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text())
    embedding = card["embedding"]
    assert "another embedding" in refused(
        edit(folder, embedding={**embedding, "model": "sha256:0"})
    )
    for name in ("../elsewhere", "/tmp", ""):
        assert "beside it" in refused(edit(folder, embedding={**embedding, "folder": name}))
    edit(folder, embedding=embedding)
    assert "names a label twice" in refused(edit(folder, labels=["billing", "billing", "safety"]))
    assert "shape (3, 256)" in refused(edit(folder, labels=["billing", "safety"]))
    assert "'danger' is no label" in refused(edit(folder, safety_labels=["danger"]))
    assert "format" in refused(edit(folder, labels=card["labels"], format=2))
