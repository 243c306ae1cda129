"""What `vectors calibrate --with` prints: which presets go together, and what each costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.table import Table

from .calibrate_views import said
from .output import printable

if TYPE_CHECKING:
    from steersman_vectors.calibrate.joint import JointOrder
    from steersman_vectors.calibrate.joint_record import Joint

    from .joint_run import Joined


def bound_json(jointly: JointOrder) -> dict[str, Any]:
    """Returns the most that is asked, for programs."""
    return {
        "answers_at_most": jointly.most_answers,
        "weighings_at_most": jointly.most_answers,
        "pairs": [dict(each) for each in jointly.pairs],
        "of_all": [dict(each) for each in jointly.of_all],
        "whole": jointly.whole,
    }


def bound_line(jointly: JointOrder) -> str:
    """Returns what is tried and the most that is asked, in words."""
    return (
        f"{_tried(jointly)}: at most {jointly.most_answers:,} answers, and as many weighings for KL"
    )


def _tried(jointly: JointOrder) -> str:
    pairs = f"{len(jointly.pairs)} pairs of presets"
    if len(jointly.dials) == 2:
        return pairs
    names = ", ".join(printable(each.name) for each in jointly.dials)
    if jointly.whole:
        return f"{pairs}, and all {len(jointly.of_all)} combinations of {names}"
    levels = "; ".join(" ".join(each.values()) for each in jointly.of_all)
    return (
        f"{pairs}, and of {names} together equal levels only ({levels}); "
        "--most-of-all N allows more"
    )


def as_json(joined: Joined) -> dict[str, Any]:
    """Returns the outcome for programs."""
    joint = joined.joint
    return {
        "out": [str(out) for out in joined.outs],
        "record": str(joined.record_file),
        "vectors": [side.name for side in joint.vectors],
        "cosines": [each.model_dump(mode="json") for each in joint.cosines],
        "safe": [each.presets for each in joint.safe],
        "combinations": len(joint.combinations),
        "whole": joint.whole,
        "interference": [each.model_dump(mode="json") for each in joint.interference],
        "seconds": joint.seconds,
    }


def parts(joined: Joined) -> Iterator[Any]:
    """Yields what people are shown."""
    joint = joined.joint
    yield _combinations(joint)
    if len(joint.vectors) > 2:
        yield _matrix(joint)
    for pair in joint.cosines:
        alike = ", ".join(f"{value:+.2f} at {layer}" for layer, value in pair.layers.items())
        names = " and ".join(map(printable, pair.vectors))
        yield f"cosine of {names}: {alike or 'they share no layer'}"
    yield (
        f"{len(joint.safe)} of {len(joint.combinations)} combinations are safe; the cards say so: "
        f"{', '.join(printable(str(out)) for out in joined.outs)}"
    )


def _combinations(joint: Joint) -> Table:
    names = [side.name for side in joint.vectors]
    table = Table(
        title="at once, against each alone (below 0: a loss), with 95% intervals",
        title_justify="left",
        box=None,
    )
    for head in (*names, "half", *(f"{name} against alone" for name in names), "together"):
        table.add_column(printable(head))
    for each in joint.combinations:
        against = each.seen.against_alone
        table.add_row(
            *(each.presets.get(name, "") for name in names),
            "held-out" if each.heldout else "calibration",
            *(said(against.get(n), sign=True) if n in each.presets else "" for n in names),
            "safe" if each.safe else f"fails: {', '.join(each.seen.failed)}",
        )
    return table


def _matrix(joint: Joint) -> Table:
    """Returns what each vector loses at worst by each other one, in pairs."""
    names = [side.name for side in joint.vectors]
    table = Table(
        title="interference: what the row's behaviour changes by, at worst, beside the column's",
        title_justify="left",
        box=None,
    )
    for head in ("", *names):
        table.add_column(printable(head))
    found = {(each.vector, each.beside): each.against_alone for each in joint.interference}
    for vector in names:
        cells = ["" if name == vector else said(found.get((vector, name)), sign=True)
                 for name in names]  # fmt: skip
        table.add_row(printable(vector), *cells)
    return table
