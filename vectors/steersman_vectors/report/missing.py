"""What a report cannot say, and what to run so that it can. Pure."""

from __future__ import annotations

from ..calibrate.record import Calibration
from .contents import Contents
from .dial import DEGENERATE, presets, side_measures
from .examples import examples
from .layer_metrics import layer_metrics

EXPECTED = {
    DEGENERATE: "whether answers break",
    "facts": "whether facts stay right",
    "refusal": "whether it refuses more, or less",
    "kl": "how far the model is moved",
    "length": "whether answers grow longer",
}
"""Side effects that operators ask for."""


def missing(contents: Contents) -> tuple[str, ...]:
    """Returns plain sentences; commands stand between backticks."""
    card, record = contents.card, contents.calibration
    found = []
    if record is None:
        found.append(_without_record(contents))
    else:
        found += _of_record(record)
    metrics = layer_metrics(contents.measured)
    if metrics is not None and record is not None and set(metrics.layers) <= set(card.layers):
        found.append(
            "Layer metrics of the steered layers only: give the vector as it was extracted with "
            "`--extracted` to see all."
        )
    if metrics is None:
        found.append(
            "No layer metrics on the card. `steersman vectors extract` writes them, unless "
            "`--no-metrics` leaves them out."
        )
    if not examples(contents).prompts:
        found.append("No example answers. A calibration keeps them, and so does `--sweep`.")
    if not card.recipe:
        found.append("No recipe: the vector cannot be made again from its card.")
    if not card.data_hash:
        found.append("No hash of the data it was made from.")
    if card.fingerprint is None:
        found.append(
            "Not bound to a base model yet: `steersman vectors import` does that. It works on the "
            "exact model that it was made on, and on no other."
        )
    if not card.license:
        found.append("No licence on the card.")
    return tuple(found)


def _without_record(contents: Contents) -> str:
    give = "Run `steersman vectors calibrate` and give its record with `--calibration`."
    if contents.card.presets:
        return (
            "The calibration's record was not given: of the presets there is what the card says, "
            "and no curve, no side effects along it, no comparison with prompting. Add "
            "`--calibration`."
        )
    if contents.swept is None:
        return (
            "Not calibrated: nothing here was measured on answers, so layers and alphas are not "
            f"known to work. {give}"
        )
    return f"Not calibrated: no gates, presets or alpha_max. {give}"


def _of_record(record: Calibration) -> list[str]:
    found = []
    if record.why_none is not None:
        found.append(f"No presets: {record.why_none}")
    measured = {record.behaviour, *side_measures(record)}
    found += [
        f"Side effect not measured: `{measure}` ({why})."
        for measure, why in EXPECTED.items()
        if measure not in measured
    ]
    if not record.prompted:
        found.append(
            "Not compared with prompting, which often does as well: calibrate with a system prompt."
        )
    found += [
        f"Preset `{name}` (alpha {preset.alpha:g}) held on the calibration split and not on the "
        "held-out one; it is not on the card." + (f" {preset.why_not}" if preset.why_not else "")
        for name, preset in presets(record).items()
        if not preset.confirmed
    ]
    if record.alpha_max is None:
        found.append("No alpha_max: no setting passed the gates, so no alpha is known to be safe.")
    elif not record.cliff_seen:
        found.append(
            f"Nothing broke up to alpha_max {record.alpha_max:g}, the largest that was tried: "
            "where answers begin to break is not known."
        )
    return found
