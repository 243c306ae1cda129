"""What a card says about a calibration: presets with their evidence, the cap, the comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from ..card import Preset, VectorCard
from ..vector import SteeringVector
from .gates import said
from .order import Order
from .record import Calibration, ChosenPreset, Estimate

COMMAND = "steersman vectors calibrate"


def with_dial(order: Order, record: Calibration) -> SteeringVector:
    """Returns the vector at the chosen layers with its presets; whole where there are none."""
    offered = {name: each for name, each in record.presets.items() if each.confirmed}
    vector = order.vector
    if offered:
        vector = vector.restricted(next(iter(offered.values())).heldout.layers)
    quality = _own_quality(order.vector.card, vector.layers)
    card = vector.card.model_copy(
        update={
            "fingerprint": record.fingerprint,
            "scope": record.scope,
            "schedule": record.schedule,
            "alpha_max": record.alpha_max if offered else None,
            "presets": {name: _preset(record, each) for name, each in offered.items()},
            "quality": {**quality, "calibration": summary(record)},
            "recipe": {**order.vector.card.recipe, "calibration": dict(order.recipe)},
        }
    )
    checked = VectorCard.model_validate(card.model_dump())
    return SteeringVector(checked, vector.directions)


def summary(record: Calibration) -> dict[str, JsonValue]:
    """Returns what the card keeps of a record; figures are those of the held-out half."""
    behaviour = record.behaviour
    found: dict[str, JsonValue] = {
        "behaviour": behaviour,
        "toward": record.toward,
        "unit": record.measures[behaviour].unit,
        "layer_set": record.layer_set,
        "prompts": dict(record.prompts),
        "unsteered": figures_json(record.unsteered),
        "gates": {gate.measure: said(gate) for gate in record.gates},
        "prompted": [
            {
                "system_prompt": each.system_prompt,
                "figures": figures_json(each.figures),
                "changes": figures_json(each.changes),
            }
            for each in record.prompted
        ],
        "cliff_seen": record.cliff_seen,
        "temperature": record.temperature,
        "samples": record.samples,
        "seed": record.seed,
        "not_confirmed": {
            name: each.why_not for name, each in record.presets.items() if not each.confirmed
        },
    }
    if record.why_none is not None:
        found["why_no_presets"] = record.why_none
    return found


def _preset(record: Calibration, chosen: ChosenPreset) -> Preset:
    return Preset(alpha=chosen.alpha, evidence=_evidence(record, chosen))


def _evidence(record: Calibration, chosen: ChosenPreset) -> dict[str, JsonValue]:
    return {
        "measured_by": COMMAND,
        "half": "heldout",
        "behaviour": record.behaviour,
        "figures": figures_json(chosen.heldout.figures),
        "changes": figures_json(chosen.heldout.changes),
        "calibration_changes": figures_json(chosen.calibration.changes, [record.behaviour]),
    }


def figures_json(
    estimates: Mapping[str, Estimate], names: Iterable[str] | None = None
) -> dict[str, JsonValue]:
    """Returns the estimates as a card has them, to four digits; names: only these."""
    wanted = estimates if names is None else [name for name in names if name in estimates]
    return {
        name: {
            "value": _short(estimates[name].value),
            "low": _short(estimates[name].low),
            "high": _short(estimates[name].high),
            "n": estimates[name].n,
        }
        for name in wanted
    }


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _own_quality(card: VectorCard, layers: Iterable[int]) -> dict[str, JsonValue]:
    """Returns what extraction measured, of the layers that are kept: each layer's is its own."""
    kept = {str(layer_idx) for layer_idx in layers}
    found: dict[str, JsonValue] = {}
    for name, value in card.quality.items():
        if name == "layers" and isinstance(value, dict):
            found[name] = {layer: each for layer, each in value.items() if layer in kept}
        elif not name.isdecimal() or name in kept:
            found[name] = value
    return found
