"""A classifier from a folder or a file. Nothing in either is ever executed."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from .card import CARD, HEAD, IntentCard
from .config import Config, ConfigFile, EmbeddingConfig, HttpConfig, RulesConfig, safety_of
from .contract import IntentClassifier
from .embedding_classifier import EmbeddingClassifier
from .files import MAX_TENSOR_BYTES, invalid, parse, read_bytes, read_table, sha256, tensors
from .head import OTHER, Head
from .http_classifier import Abstain, HttpClassifier
from .rules import RulesClassifier
from .static_embedding import SHIPPED, StaticEmbedding, load_embedding

DEMO = Path(__file__).parent / "demo"
"""The classifier that comes with Steersman: billing, delivery, account, technical, safety."""


def load_classifier(path: Path) -> IntentClassifier:
    """Returns the classifier in a folder, or described by a .json or .toml file.

    Raises `CallerError`: `classifier_not_found`, `classifier_invalid`.
    """
    if path.is_dir():
        return load_trained(path)
    if path.suffix not in (".json", ".toml") and path.exists():
        raise invalid(path, "expected a folder, or a file whose name ends in .json or .toml")
    return _described(path)


def load_trained(folder: Path, threshold: float | None = None) -> EmbeddingClassifier:
    """Returns the classifier that `steersman intents train` wrote into a folder."""
    card = load_card(folder)
    embedding = load_embedding(SHIPPED if card.embedding.folder is None else _beside(folder, card))
    _check_embedding(folder, card, embedding)
    return EmbeddingClassifier(
        embedding,
        _head(folder / HEAD, card, embedding.dimensions),
        labels=card.labels,
        safety_labels=safety_of(card.labels, card.safety_labels),
        threshold=card.threshold if threshold is None else threshold,
        safety_threshold=card.safety_threshold,
    )


def load_card(folder: Path) -> IntentCard:
    """Returns the card of a trained classifier."""
    path = folder / CARD
    card = parse(IntentCard, read_table(path), path)
    try:
        safety_of(card.labels, card.safety_labels)
    except ValueError as error:
        raise invalid(path, str(error)) from error
    if len(set(card.labels)) != len(card.labels):
        raise invalid(path, "names a label twice")
    return card


def _described(path: Path) -> IntentClassifier:
    config = parse(ConfigFile, {"classifier": read_table(path)}, path).classifier
    try:
        return _made(config, path)
    except ValueError as error:  # what only building it can find: a phrase, a safety label
        raise invalid(path, str(error)) from error


def _made(config: Config, path: Path) -> IntentClassifier:
    match config:
        case RulesConfig():
            return RulesClassifier(config)
        case EmbeddingConfig():
            return load_trained(path.parent / config.path, config.threshold)
        case HttpConfig():
            if config.fallback == "abstain":
                return HttpClassifier(config, Abstain())
            return HttpClassifier(config, _made(config.fallback, path))
        case _:
            assert_never(config)


def _beside(folder: Path, card: IntentCard) -> Path:
    name = card.embedding.folder or ""
    if Path(name).name != name or name in ("", ".", ".."):
        raise invalid(folder / CARD, f"'embedding.folder' is {name!r}, expected a folder beside it")
    return folder / name


def _check_embedding(folder: Path, card: IntentCard, embedding: StaticEmbedding) -> None:
    got = (embedding.digests.model, embedding.digests.tokenizer)
    if got != (card.embedding.model, card.embedding.tokenizer):
        raise invalid(
            folder / CARD,
            "its head was trained on another embedding than the one that is there; train it again "
            "with `steersman intents train`, or put back the embedding it names",
        )


def _head(path: Path, card: IntentCard, dimensions: int) -> Head:
    data = read_bytes(path, MAX_TENSOR_BYTES)
    if sha256(data) != card.head_sha256:
        raise invalid(path, f"has {sha256(data)}, the card says {card.head_sha256}; copy it anew")
    held = tensors(data, path)
    classes = (*card.labels, OTHER) if card.has_other else card.labels
    shapes = {"weight": (len(classes), dimensions), "bias": (len(classes),)}
    for name, shape in shapes.items():
        got = held.get(name)
        if got is None or got.shape != shape or got.dtype != "float32":
            raise invalid(path, f"has no float32 {name!r} of shape {shape}")
    return Head(classes, held["weight"], held["bias"])
