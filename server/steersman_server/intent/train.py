"""Trains a classifier from labelled turns and writes it into a folder."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.numpy import save

import steersman_vectors
from steersman_vectors.errors import CallerError

from .card import CARD, HEAD, EmbeddingRef, IntentCard, Measured
from .config import safety_of
from .embedding_classifier import EmbeddingClassifier
from .evaluate import Progress, measure, silent
from .examples import Example, digest
from .files import sha256
from .fit import FOLDS, Fitted, fit, held_out
from .head import OTHER
from .static_embedding import FILES, SHIPPED, StaticEmbedding, load_embedding

EMBEDDING = "embedding"
"""The folder beside the card that holds an embedding of one's own."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A classifier that is not written yet."""

    classifier: EmbeddingClassifier
    fitted: Fitted
    card: IntentCard
    embedding_folder: Path


def train(
    examples: Sequence[Example],
    test: Sequence[Example],
    *,
    embedding_folder: Path = SHIPPED,
    safety_labels: tuple[str, ...] | None = None,
    threshold: float | None = None,
    progress: Progress = silent,
) -> Trained:
    """Fits a head to `examples` and measures it on `test`.

    Raises `CallerError`: `examples_invalid` for too few, `classifier_invalid` for the embedding.
    """
    labels = tuple(sorted({each.label for each in examples if each.label is not None}))
    _check(examples, labels)
    try:
        safety = safety_of(labels, safety_labels)
    except ValueError as error:
        raise CallerError(str(error), code="examples_invalid") from error
    embedding = load_embedding(embedding_folder)
    views = []
    for example in examples:
        views.append(embedding.views(embedding.ids(example.whole)))
        progress(len(views), len(examples))
    fitted = fit(views, _targets(examples), _groups(examples), safety)
    classifier = EmbeddingClassifier(
        embedding,
        fitted.head,
        labels=labels,
        safety_labels=safety,
        threshold=fitted.threshold if threshold is None else threshold,
        safety_threshold=fitted.safety_threshold,
    )
    measured = measure(classifier, test, digest(test)) if test else None
    card = _card(classifier, fitted, examples, measured, embedding, embedding_folder)
    return Trained(classifier, fitted, card, embedding_folder)


def write(trained: Trained, folder: Path) -> None:
    """Writes card, head and, where it is not the one that ships, embedding into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / HEAD).write_bytes(_head_bytes(trained.fitted))
    if trained.card.embedding.folder is not None:
        copy = folder / trained.card.embedding.folder
        copy.mkdir(exist_ok=True)
        for name in FILES:
            if (trained.embedding_folder / name).resolve() != (copy / name).resolve():
                shutil.copyfile(trained.embedding_folder / name, copy / name)
    (folder / CARD).write_text(trained.card.model_dump_json(indent=1) + "\n")


def split(examples: Sequence[Example], share: float) -> tuple[list[Example], list[Example]]:
    """Returns (for training, kept back); a phrasing is never on both sides.

    Raises `CallerError(examples_invalid)` when there are too few to keep any back.
    """
    _check(examples, tuple({each.label for each in examples if each.label is not None}))
    kept = held_out(_targets(examples), _groups(examples), share)
    pairs = list(zip(examples, kept, strict=True))
    return [each for each, is_kept in pairs if not is_kept], [each for each, k in pairs if k]


def in_both(examples: Sequence[Example], test: Sequence[Example]) -> int:
    """Returns how many texts to measure on were trained on as well."""
    trained_on = {each.whole.casefold() for each in examples}
    return sum(each.whole.casefold() in trained_on for each in test)


def check_out(folder: Path) -> None:
    """Raises `CallerError(out_in_use)` for a folder that holds something else."""
    if folder.exists() and not folder.is_dir():
        what = "is a file"
    elif folder.is_dir() and any(folder.iterdir()) and not (folder / CARD).is_file():
        what = "holds something that is no classifier"
    else:
        return
    raise CallerError(f"{folder} {what}; choose a new or empty folder", code="out_in_use")


def _check(examples: Sequence[Example], labels: tuple[str, ...]) -> None:
    if len(labels) < 2:
        got = f"one label ({labels[0]})" if labels else "no label"
        raise CallerError(
            f"the examples have {got}, expected at least two; add texts with other labels, "
            "or write a rules classifier",
            code="examples_invalid",
        )
    groups: dict[str, set[str]] = {}
    for name, group in zip(_targets(examples), _groups(examples), strict=True):
        groups.setdefault(name, set()).add(group)
    for name, members in groups.items():
        if len(members) < FOLDS:
            raise CallerError(
                f"label {name or 'null'} has {len(members)} different phrasings to train on, "
                f"expected at least {FOLDS}; add more, some dozens for good results",
                code="examples_invalid",
            )


def _targets(examples: Sequence[Example]) -> list[str]:
    return [OTHER if each.label is None else each.label for each in examples]


def _groups(examples: Sequence[Example]) -> list[str]:
    return [f"text {each.whole}" if each.group is None else each.group for each in examples]


def _head_bytes(fitted: Fitted) -> bytes:
    data: bytes = save({"weight": fitted.head.weight, "bias": fitted.head.bias})
    return data


def _card(
    classifier: EmbeddingClassifier,
    fitted: Fitted,
    examples: Sequence[Example],
    measured: Measured | None,
    embedding: StaticEmbedding,
    folder: Path,
) -> IntentCard:
    own = folder.resolve() != SHIPPED.resolve()
    return IntentCard(
        labels=classifier.labels,
        safety_labels=tuple(sorted(classifier.safety_labels)),
        has_other=OTHER in fitted.head.classes,
        threshold=classifier.threshold,
        safety_threshold=classifier.safety_threshold,
        temperature=fitted.temperature,
        head_sha256=sha256(_head_bytes(fitted)),
        embedding=EmbeddingRef(
            folder=EMBEDDING if own else None,
            model=embedding.digests.model,
            tokenizer=embedding.digests.tokenizer,
        ),
        training=dict(sorted(Counter(_targets(examples)).items())),
        training_sha256=digest(examples),
        held_out=measured,
        made_by=f"steersman {steersman_vectors.__version__}",
    )
