"""From pairs to a vector with its card: read states, find directions, measure them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import CallerError
from ..fingerprint import fingerprint
from ..layer_metrics.measures import LayerMeasures, measure
from ..layer_metrics.norms import residual_norm
from ..layer_metrics.try_first import try_first
from ..layer_sets import choose_layers
from ..model_dir import read_attention, read_max_tokens, read_shape
from ..vector import SteeringVector, from_differences
from . import card_fields
from .batches import by_length, chunks
from .contract import ActivationSource, OpenSource, Progress
from .methods.contract import Sides
from .methods.load import method_named
from .order import Extracted, Order, Passed, examples_of
from .reading import ModelTokenizer, Reading, read_all
from .states import Key, StateStore, StoreShape, open_store, store_name

BATCHES_A_CHUNK = 8
"""What is lost at most when a pass is ended; a source that schedules by itself needs some work."""
KEY_VERSION = 1
SMALL = 1024
"""Hidden size below which threads only wait for each other in the matrix products."""
Unit = Literal["bytes", "tokens", "layers", "models"]
Stage = Callable[[str, Unit], AbstractContextManager[Progress]]
"""(what is done now, in what it is counted) -> a function that is told how far it is."""
Others = Callable[[str], Mapping[str, SteeringVector]]
"""Fingerprint -> the registered vectors of that base model, by name."""


def extract(
    order: Order,
    workdir: Path,
    *,
    open_source: OpenSource,
    stage: Stage,
    others: Others | None = None,
) -> Extracted:
    """Returns the vector of an order.

    States are kept below `workdir`; an order that was interrupted goes on from there, and another
    method on the same states reads nothing.
    others: finds the registered vectors that this one is compared with.

    Raises `CallerError` and `OperatorError` of whatever is wrong with model, pairs or options.
    """
    shape = read_shape(order.model_dir)
    layers = choose_layers(order.layers, shape.num_layers, read_attention(order.model_dir))
    with stage("Fingerprinting the model", "bytes") as progress:
        digest = fingerprint(order.model_dir, progress=progress).digest
    rivals = others(digest) if others is not None and order.measured else {}
    tokenizer = ModelTokenizer(order.model_dir)
    positive, negative = examples_of(order.contrast, order.split)
    reading = read_all(
        positive,
        negative,
        order.position,
        tokenizer,
        paired=order.contrast.paired,
        max_tokens=read_max_tokens(order.model_dir),
        skip_too_long=order.skip_too_long,
        lines=order.lines,
    )
    key = _key(order, layers, digest, reading, tokenizer.template_hash)
    plan = chunks(by_length(_lengths(reading), order.batch_tokens), BATCHES_A_CHUNK)
    sizes = (len(reading.positive), len(reading.negative))
    with open_store(
        workdir, key, StoreShape(layers, *sizes, shape.hidden_size, len(plan))
    ) as store:
        passed = _fill(store, reading, plan, order, open_source, stage)
        with stage("Finding directions", "layers") as progress:
            found = _directions(order, store, rivals, progress)
    first = try_first(layers, found.measures, shape.num_layers)
    vector = from_differences(
        found.differences,
        name=order.name,
        scale=order.scale,
        residual_norms=found.residual_norms,
        fingerprint=digest,
        description=order.description,
        license=order.license,
        method=card_fields.method_line(order),
        data_hash=order.contrast.data_hash,
        chat_template_hash=tokenizer.template_hash,
        quality=card_fields.quality(found.measures, first),
        recipe=card_fields.recipe(order, reading, digest),
    )
    return Extracted(
        vector,
        tuple(found.measures),
        first,
        passed,
        *sizes,
        skipped=reading.skipped,
        states=workdir / store_name(key),
    )


def _lengths(reading: Reading) -> list[int]:
    return [len(read.token_ids) for read in reading.reads]


def _key(
    order: Order, layers: Sequence[int], digest: str, reading: Reading, template_hash: str
) -> Key:
    """Returns all that decides the states' values."""
    return {
        "version": KEY_VERSION,
        "fingerprint": digest,
        "data_hash": order.contrast.data_hash,
        "chat_template_hash": template_hash,
        "positions": order.position,
        "split": order.split,
        "reads": reading.digest,
        "layers": list(layers),
        "source": order.backend,
        "dtype": order.dtype,
        "batch_tokens": order.batch_tokens,
        "batches_a_chunk": BATCHES_A_CHUNK,
    }


def _fill(
    store: StateStore,
    reading: Reading,
    plan: Sequence[Sequence[int]],
    order: Order,
    open_source: OpenSource,
    stage: Stage,
) -> Passed:
    """Reads the chunks that are not there yet."""
    lengths = _lengths(reading)
    total = sum(lengths)
    done = resumed = sum(
        lengths[i] for k, chunk in enumerate(plan) if store.is_done(k) for i in chunk
    )
    if store.whole:
        return Passed(total, resumed, 0.0)
    with ExitStack() as stack:
        with stage("Loading the model", "models"):
            source = stack.enter_context(_opened(order, store, open_source))
        _check_fits(max(lengths), source)
        started = time.monotonic()
        with stage("Reading states", "tokens") as progress:
            progress(done, total)
            for k, chunk in enumerate(plan):
                if store.is_done(k):
                    continue
                for at, states in source.read([reading.reads[i] for i in chunk]):
                    store.put(chunk[at], states)
                    done += lengths[chunk[at]]
                    progress(done, total)
                store.mark(k)
        return Passed(total, resumed, time.monotonic() - started)


def _check_fits(longest: int, source: ActivationSource) -> None:
    if longest > source.max_tokens:
        raise CallerError(
            f"the longest example has {longest} tokens, expected at most {source.max_tokens}: this "
            "back end reads less than the model's config allows. Shorten it, or use --backend hf",
            code="too_long",
        )


def _opened(
    order: Order, store: StateStore, open_source: OpenSource
) -> AbstractContextManager[ActivationSource]:
    return open_source(
        order.model_dir,
        layers=store.shape.layers,
        dtype=order.dtype,
        batch_tokens=order.batch_tokens,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """What the states gave, per layer."""

    differences: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    residual_norms: dict[int, float] = field(default_factory=dict)
    measures: list[LayerMeasures] = field(default_factory=list)


def _directions(
    order: Order, store: StateStore, others: Mapping[str, SteeringVector], progress: Progress
) -> _Found:
    """Returns directions and metrics, one layer in memory at a time."""
    from threadpoolctl import threadpool_limits

    method, found = method_named(order.method), _Found()
    before: NDArray[np.float64] | None = None
    with threadpool_limits(1 if store.shape.hidden_size < SMALL else None):
        for k, layer_idx in enumerate(store.shape.layers):
            progress(k, len(store.shape.layers))
            states = store.at(k)
            sides = Sides(
                states.positive.astype(np.float64),
                states.negative.astype(np.float64),
                order.contrast.paired,
                layer_idx,
            )
            difference = method(sides, order.options)
            found.differences[layer_idx] = difference
            found.residual_norms[layer_idx] = residual_norm(states.norms)
            if order.measured:
                seed = order.options.seed
                found.measures.append(
                    measure(
                        sides, difference, states.norms, before=before, others=others, seed=seed
                    )
                )
            before = difference
    return found
