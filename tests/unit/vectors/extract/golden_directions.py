"""Makes `golden_directions.json`: what two published packages find in activations drawn by seed.

Neither can be installed beside this repository's own numpy and transformers (repeng 0.4.0 wants
numpy < 2, steering-vectors 0.12.2 transformers < 5), so their answers are kept here. To make them
again: `pip install --no-deps --target DIR repeng==0.4.0 steering-vectors==0.12.2`, then
`PYTHONPATH=DIR python tests/unit/vectors/extract/golden_directions.py`.

repeng's `read_representations(method="pca_diff")` is run whole, on activations handed to it in
place of a model's. steering-vectors' aggregators take activations.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

GOLDEN = Path(__file__).with_suffix(".json")
CASES = {"tall": (40, 6, 1), "wide": (9, 24, 2), "square": (12, 12, 3)}
"""Name -> pairs, hidden, seed."""


def sides(pairs: int, hidden: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns fp32 activations of pairs whose behaviour is stronger in some than in others."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(pairs, hidden)) * np.exp(rng.normal(size=hidden))
    behaviour = rng.normal(size=hidden)
    strength = rng.uniform(0.2, 3.0, size=(pairs, 1))
    noise = 0.3 * rng.normal(size=(2, pairs, hidden))
    positive = shared + strength * behaviour + noise[0]
    negative = shared - strength * behaviour + noise[1]
    return positive.astype(np.float32), negative.astype(np.float32)


def symmetric(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns pairs around 0 with features of std 1.

    There steering-vectors' regression (centred per pair, not standardised, no intercept) minimises
    what ours does.
    """
    half = (positive.astype(np.float64) - negative.astype(np.float64)) / 2
    half /= np.sqrt((half**2).mean(axis=0))
    return half, -half


def repeng_pca(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    np.float_ = np.float64  # in an annotation of repeng's; gone since numpy 2
    from repeng import extract

    hidden = np.empty((2 * len(positive), positive.shape[1]), dtype=np.float32)
    hidden[::2], hidden[1::2] = positive, negative
    extract.batched_get_hiddens = lambda *_args, **_kwargs: {1: hidden}
    extract.model_layer_list = lambda _model: [None, None]
    entries = [extract.DatasetEntry("", "") for _ in positive]
    model: Any = SimpleNamespace(config=SimpleNamespace(num_hidden_layers=2))
    return extract.read_representations(model, None, entries, hidden_layers=[1])[1]


def steering_vectors_mean(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    import torch
    from steering_vectors import mean_aggregator

    return mean_aggregator()(torch.tensor(positive), torch.tensor(negative)).numpy()


def steering_vectors_probe(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    import torch
    from steering_vectors import logistic_aggregator

    options = {"C": 1.0 / positive.shape[1], "max_iter": 5000, "tol": 1e-8}
    wide = (torch.tensor(side) for side in symmetric(positive, negative))
    return logistic_aggregator(options)(*wide).numpy()


def main() -> None:
    found: dict[str, Any] = {}
    for name, (pairs, hidden, seed) in CASES.items():
        positive, negative = sides(pairs, hidden, seed)
        found[name] = {
            "repeng_pca": repeng_pca(positive, negative).tolist(),
            "steering_vectors_mean": steering_vectors_mean(positive, negative).tolist(),
            "steering_vectors_probe": steering_vectors_probe(positive, negative).tolist(),
        }
    made_by = {package: version(package) for package in ("repeng", "steering-vectors")}
    GOLDEN.write_text(json.dumps({"made_by": made_by, "cases": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
