"""Calibrations with planted curves, vectors with planted metrics: for tests and pictures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from steersman_vectors.calibrate.record import (
    Calibration,
    ChosenPreset,
    Estimate,
    ExampleAnswer,
    Gate,
    MeasureTold,
    Point,
    Prompted,
)
from steersman_vectors.formats import native
from steersman_vectors.intervals import wilson
from steersman_vectors.schedule import Linear
from steersman_vectors.vector import SteeringVector, from_differences

MODEL = "sha256:" + "d1" * 32
ALPHAS = (-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
SHARE = MeasureTold(better="higher", unit="share", low=0.0, high=1.0)
GATES = (
    Gate(measure="degenerate", compared="absolute", at_most=0.04),
    Gate(measure="kl", compared="absolute", at_most=1.2),
    Gate(measure="facts", compared="change", at_least=-0.05),
    Gate(measure="refusal", compared="change", at_most=0.05, at_least=-0.05),
)
MEASURES = {
    "warm": SHARE,
    "degenerate": MeasureTold(better="lower", unit="share", low=0.0, high=1.0),
    "facts": SHARE,
    "refusal": MeasureTold(better="neither", unit="share", low=0.0, high=1.0),
    "kl": MeasureTold(better="lower", unit="nats/token", low=0.0, high=None),
    "length": MeasureTold(better="neither", unit="words", low=0.0, high=None),
}
QUESTION = "My parcel #66412 has not arrived. Where is it?"
ANSWERS = {
    -1.0: "Parcel 66412: in transit. Delivery is expected within 3 days.",
    -0.5: "Your parcel 66412 is in transit and arrives within 3 days.",
    0.0: "Parcel 66412 is on its way. It should be with you within 3 days.",
    0.5: "I am sorry for the wait! Your parcel 66412 is on its way and arrives within 3 days.",
    1.0: "I am so sorry that you had to wait, that must be frustrating. I have looked: your parcel "
    "66412 is on its way and will be with you within 3 days. I will keep an eye on it for you!",
    1.5: "I am so sorry, I am so sorry, I am so very sorry for you! Dear friend, your parcel 66412 "
    "is on its way to you, and I am with you within 3 days.",
    2.0: "sorry sorry " + "so so sorry dear " * 60,
}


def share(rate: float, n: int) -> Estimate:
    rate = min(max(rate, 0.0), 1.0)
    low, high = wilson(round(rate * n), n)
    return Estimate(value=round(rate * n) / n, low=low, high=high, n=n)


def around(value: float, half: float, n: int) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, n=n)


def point(
    alpha: float, *, layers: tuple[int, ...] = (2,), rule: str = "single", weight: float = 1.0,
    cliff: float = 1.5, n: int = 400, gates: tuple[Gate, ...] = GATES,
) -> Point:  # fmt: skip
    """Returns a setting whose behaviour rises as a logistic curve and breaks at the cliff."""
    broken = 1 / (1 + math.exp(-9 * (abs(alpha) - cliff))) if alpha else 0.002
    rise = 1 / (1 + math.exp(-3.2 * weight * (alpha - 0.05)))
    warm = rise * (1 - 0.75 * broken)
    lost = -0.004 * abs(alpha) - 0.5 * broken
    refused = 0.012 * alpha - 0.3 * broken
    longer = 4.5 * alpha + 60 * broken
    kl = 0.45 * weight * alpha * alpha + 2 * broken
    figures = {
        "warm": share(warm, n),
        "degenerate": share(broken, n),
        "facts": share(0.966 + lost, n),
        "refusal": share(0.12 + refused, n),
        "kl": Estimate(value=kl, low=max(0, kl - 0.03 - kl / 20), high=kl + 0.03 + kl / 20, n=n),
        "length": around(38 + longer, 1.2 + abs(alpha), n),
    }
    changes = {
        "warm": around(warm - 0.45, 0.04, n),
        "degenerate": around(broken - 0.002, 0.008 + broken / 20, n),
        "facts": around(lost, 0.012 + broken / 15, n),
        "refusal": around(refused, 0.015 + broken / 15, n),
        "length": around(longer, 0.8 + abs(alpha), n),
    }
    return Point(
        layers=layers, layer_set=rule, alpha=alpha, figures=figures, changes=changes,
        failed=failed(figures, changes, gates),
    )  # fmt: skip


def failed(
    figures: dict[str, Estimate], changes: dict[str, Estimate], gates: tuple[Gate, ...]
) -> tuple[str, ...]:
    found = []
    for gate in gates:
        at = (changes if gate.compared == "change" else figures)[gate.measure]
        over = gate.at_most is not None and at.high > gate.at_most
        if over or (gate.at_least is not None and at.low < gate.at_least):
            found.append(gate.measure)
    return tuple(found)


SETS: tuple[tuple[str, tuple[int, ...], float, float], ...] = (
    ("single", (2,), 1.0, 1.5),
    ("sparse:3", (1, 2, 3), 1.25, 1.05),
    ("dense:3-5", (3, 4, 5), 0.8, 0.62),
    ("all", (0, 1, 2, 3, 4, 5), 1.3, 0.4),
)


def calibration(**changed: Any) -> Calibration:
    """Returns a whole calibration that passes."""
    curve = tuple(
        point(alpha, layers=layers, rule=rule, weight=weight, cliff=cliff)
        for rule, layers, weight, cliff in SETS
        for alpha in ALPHAS
    )
    presets = {
        name: ChosenPreset(
            alpha=alpha, calibration=point(alpha), heldout=point(alpha, n=1200, cliff=1.52),
            confirmed=True,
        )
        for name, alpha in (("low", 0.25), ("medium", 0.5), ("strong", 1.0))
    }  # fmt: skip
    plain = point(0.0, n=1200)
    fields: dict[str, Any] = {
        "vector": "empathy",
        "vector_digest": "sha256:" + "0a" * 32,
        "fingerprint": MODEL,
        "behaviour": "warm",
        "measures": MEASURES,
        "gates": GATES,
        "scope": "assistant",
        "schedule": Linear(tokens=200, floor=0.2),
        "temperature": 0.8,
        "seed": 0,
        "prompts": {"calibration": 400, "heldout": 1200},
        "unsteered": plain.figures,
        "curve": curve,
        "presets": presets,
        "alpha_max": 1.0,
        "layer_set": "single",
        "cliff_seen": True,
        "prompted": (
            prompted("Answer warmly and with empathy.", 0.91),
            prompted("You are a kind support agent who cares about the customer's feelings.", 0.87),
        ),
        "examples": tuple(
            ExampleAnswer(prompt=QUESTION, alpha=alpha, text=text)
            for alpha, text in ANSWERS.items()
        ),
        "seconds": 412.0,
        "machine": "2 cores, 8 GiB",
    }
    return Calibration(**(fields | changed))


def prompted(system: str, rate: float) -> Prompted:
    same = point(0.0, n=1200)
    return Prompted(
        system_prompt=system,
        figures={**same.figures, "warm": share(rate, 1200), "length": around(45, 1.2, 1200)},
        changes={**same.changes, "warm": around(rate - 0.46, 0.03, 1200)},
    )


def failing() -> Calibration:
    """Returns a calibration that passed no gate: answers break before the behaviour shows."""
    curve = tuple(
        point(alpha, layers=layers, rule=rule, weight=0.15, cliff=0.1)
        for rule, layers, _, _ in SETS
        for alpha in ALPHAS
    )
    return calibration(
        curve=curve, presets={}, alpha_max=None, layer_set=None, cliff_seen=False,
        why_none="no setting keeps degenerate at most 4%: the best had 11.5%, or up to 14.9%",
    )  # fmt: skip


def quality(layers: int, forms_at: float) -> dict[str, Any]:
    """Returns layer metrics as extraction writes them, with a concept that forms at a depth."""
    random = np.random.default_rng(0)
    found: dict[str, Any] = {}
    for index in range(layers):
        depth = (index + 0.5) / layers
        formed = 1 / (1 + math.exp(-14 * (depth - forms_at)))
        noise = float(random.normal(0, 0.008))
        found[str(index)] = {
            "raw_norm": round(2 + 90 * formed * depth, 3),
            "residual_norm": round(60 + 300 * depth, 3),
            "relative_norm": round(0.02 + 0.3 * formed * depth, 4),
            "explained_variance": [round(0.2 + 0.3 * formed + noise, 4), 0.12, 0.08],
            "probe_accuracy": round(min(1.0, 0.62 + 0.37 * formed + noise), 4),
            "probe_null_mean": round(0.5 + noise / 2, 4),
            "probe_null_95": round(0.547 + noise / 2, 4),
            "probe_p": 0.0099,
            "consistency": round(0.1 + 0.72 * formed - 0.1 * depth + noise, 4),
            "stability": round(min(0.999, 0.82 + 0.17 * formed + noise / 4), 4),
            "snr": round(0.8 + 3.2 * formed - depth + noise, 3),
            "normalisation": round(min(0.999, 0.93 + 0.06 * formed + noise / 4), 4),
            "interference": {"concise@2": round(-0.1 - 0.3 * formed + noise, 4), "calm": 0.04},
        }
        if index:
            found[str(index)]["adjacent_cosine"] = round(
                0.93 - 0.5 * math.exp(-((depth - forms_at) ** 2) / 0.01) + noise, 4
            )
    return {"try_first": round(forms_at * layers), "layers": found}


def vector(layers: tuple[int, ...] = (2,), *, of: int = 6, **card: Any) -> SteeringVector:
    """Returns a vector with everything on its card that extraction writes."""
    random = np.random.default_rng(1)
    fields: dict[str, Any] = {
        "name": "empathy",
        "description": "Warm against cold: sympathy and personal address, or official wording.",
        "fingerprint": MODEL,
        "method": "difference of means at the last prompt token",
        "data_hash": "sha256:" + "9c" * 32,
        "chat_template_hash": "sha256:" + "33" * 32,
        "license": "Apache-2.0",
        "quality": quality(of, 0.38),
        "recipe": {
            "command": "steersman vectors extract --model ./my-model --pairs warm.jsonl "
            "--positions prompt-last --out empathy.safetensors",
            "pairs": "warm.jsonl", "positive": 600, "negative": 600, "seed": 0,
        },
    }  # fmt: skip
    return from_differences(
        {index: random.normal(size=64) for index in layers},
        scale="residual",
        residual_norms=dict.fromkeys(layers, 100.0),
        **{"name": "empathy", **fields, **card},
    )


def write(folder: Path, made: SteeringVector, record: Calibration | None) -> list[str]:
    """Writes the files and returns the command line's arguments for them."""
    native.save(made, folder / "v.safetensors")
    if record is None:
        return [str(folder / "v.safetensors")]
    (folder / "calibration.json").write_text(record.model_dump_json())
    return [str(folder / "v.safetensors"), "--calibration", str(folder / "calibration.json")]
