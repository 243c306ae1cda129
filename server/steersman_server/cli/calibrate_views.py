"""What `vectors calibrate` prints: the dial and what it rests on, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.table import Table

from .output import printable

if TYPE_CHECKING:
    from steersman_vectors.calibrate.order import Order
    from steersman_vectors.calibrate.record import Calibration, Estimate

    from .calibrate_run import Done


def bound_json(order: Order) -> dict[str, Any]:
    """Returns the most that a calibration asks, for programs."""
    from steersman_vectors.calibrate.order import bound, counts

    most = bound(order)
    return {
        "answers_at_most": most.answers,
        "weighings_at_most": most.weighings,
        "verdicts_of_models_at_most": most.verdicts,
        "max_tokens": order.asking.max_tokens,
        "prompts": counts(order.prompts),
        "gates": [gate.model_dump() for gate in order.space.gates],
    }


def bound_line(order: Order) -> str:
    """Returns the most that a calibration asks, in words."""
    from steersman_vectors.calibrate.order import bound, counts

    most = bound(order)
    there = ", ".join(f"{count} {name}" for name, count in counts(order.prompts).items())
    models = f"; at most {most.verdicts:,} verdicts of judging models" if most.verdicts else ""
    return (
        f"at most {most.answers:,} answers of up to {order.asking.max_tokens} tokens, and "
        f"{most.weighings:,} weighings for KL ({there} prompts){models}"
    )


def as_json(done: Done) -> dict[str, Any]:
    """Returns the outcome for programs."""
    record = done.record
    return {
        "out": str(done.out),
        "record": str(done.record_file),
        "digest": done.digest,
        "layer_set": record.layer_set,
        "alpha_max": record.alpha_max,
        "presets": {
            name: {"alpha": each.alpha, "confirmed": each.confirmed, "why_not": each.why_not}
            for name, each in record.presets.items()
        },
        "why_none": record.why_none,
        "seconds": record.seconds,
    }


def parts(done: Done) -> Iterator[Any]:
    """Yields what people are shown."""
    record = done.record
    yield _table(record)
    for name, preset in record.presets.items():
        if not preset.confirmed:
            yield f"not confirmed: {name} at {preset.alpha:g}: {preset.why_not}"
    if record.why_none is not None:
        yield f"no presets: {record.why_none}"
    elif record.alpha_max is not None:
        end = "" if record.cliff_seen else " (the largest that was tried; nothing broke there)"
        yield (
            f"layers {record.layer_set}; alpha_max {record.alpha_max:g}{end}; "
            f"{len(record.curve)} settings were measured to find them"
        )
    yield (
        f"the vector is in {printable(str(done.out))}, all figures and example answers in "
        f"{printable(str(done.record_file))}"
    )


def _table(record: Calibration) -> Table:
    behaviour = record.behaviour
    shown = _beside(record)
    table = Table(
        title=f"{printable(record.vector)} on the held-out half, with 95% intervals: "
        f"{printable(behaviour)} ({record.measures[behaviour].unit})",
        title_justify="left",
        box=None,
    )
    table.add_column("")
    table.add_column("alpha", justify="right")
    table.add_column(printable(behaviour), justify="right")
    table.add_column("change", justify="right")
    for measure, compared in shown.items():
        kind = " (change)" if compared == "change" else ""
        table.add_column(printable(f"{measure}{kind}"), justify="right")
    plain = record.unsteered
    table.add_row("unsteered", "0", said(plain.get(behaviour)), "",
                  *(said(plain.get(measure)) if compared == "absolute" else ""
                    for measure, compared in shown.items()))  # fmt: skip
    rows = [
        (name if each.confirmed else f"({name})", f"{each.alpha:g}", each.heldout)
        for name, each in record.presets.items()
    ]
    for name, alpha, point in rows:
        table.add_row(name, alpha, said(point.figures.get(behaviour)),
                      said(point.changes.get(behaviour), sign=True),
                      *(_gate(compared, point.figures.get(measure), point.changes.get(measure))
                        for measure, compared in shown.items()))  # fmt: skip
    for each in record.prompted:
        table.add_row(f"prompt: {printable(each.system_prompt)[:40]}", "",
                      said(each.figures.get(behaviour)),
                      said(each.changes.get(behaviour), sign=True),
                      *(_gate(compared, each.figures.get(measure), each.changes.get(measure))
                        for measure, compared in shown.items()))  # fmt: skip
    return table


def _beside(record: Calibration) -> dict[str, str]:
    """Returns what stands beside the behaviour: gates as they look, then what else was measured."""
    gated = {gate.measure: gate.compared for gate in record.gates}
    rest = {
        name: "absolute" if name in ("degenerate", "kl") else "change"
        for name in record.measures
        if name not in gated
    }
    both: dict[str, str] = {**gated, **rest}
    return {name: compared for name, compared in both.items() if name != record.behaviour}


def _gate(compared: str, figure: Estimate | None, change: Estimate | None) -> str:
    return said(change, sign=True) if compared == "change" else said(figure)


def said(estimate: Estimate | None, *, sign: bool = False) -> str:
    """Returns an estimate with its interval; sign: that of a change."""
    if estimate is None:
        return "-"
    value = f"{estimate.value:+.3g}" if sign else f"{estimate.value:.3g}"
    return f"{value} ({estimate.low:.3g} to {estimate.high:.3g})"
