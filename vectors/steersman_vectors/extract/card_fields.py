"""What a card says about how its vector was extracted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import JsonValue

from ..layer_metrics.measures import LayerMeasures
from ..recipe.recipe import ExtractStep, Recipe
from ..recipe.versions import versions
from .order import Order
from .reading import Reading


def method_line(order: Order) -> str:
    """Returns the method in words."""
    kinds = {
        "mean": "difference of means",
        "pca": "first principal component of the pairs' differences",
        "probe": "weight of a logistic probe",
    }
    where = {
        "last": "at the last answer token",
        "answer": "over the answer's tokens",
        "prompt-last": "at the last prompt token",
    }
    return f"{kinds[order.method]} {where[order.position]}"


def quality(measures: Sequence[LayerMeasures], first: int) -> dict[str, JsonValue]:
    """Returns the layer metrics, by layer_idx, and the layer that a sweep should try first."""
    if not measures:
        return {}
    layers: dict[str, JsonValue] = {str(m.layer_idx): m.as_json() for m in measures}
    return {"try_first": first, "layers": layers}


def recipe(order: Order, reading: Reading, fingerprint: str) -> dict[str, JsonValue]:
    """Returns how to make the vector again, with all that decides what comes out."""
    options = order.options
    probe_c: float | Literal["cv"] | None = "cv" if options.probe_cv else options.probe_c
    step = ExtractStep(
        data=dict(order.data),
        fingerprint=fingerprint,
        method=order.method,
        positions=order.position,
        layers=order.layers,
        scale=order.scale,
        split=order.split,
        shares=order.shares,
        keep_near=order.keep_near,
        skip_too_long=order.skip_too_long,
        backend=order.backend,
        dtype=order.dtype,
        batch_tokens=order.batch_tokens,
        seed=options.seed,
        probe_c=probe_c if order.method == "probe" else None,
        measured=order.measured,
        positive=len(reading.positive),
        negative=len(reading.negative),
        skipped=reading.skipped,
        paired=order.contrast.paired,
        versions=versions(),
    )
    return Recipe(command=order.command, extract=step).as_json()
