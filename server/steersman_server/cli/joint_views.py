"""What `vectors calibrate --with` prints: which presets go together, and what each costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.table import Table

from .calibrate_views import said
from .output import printable

if TYPE_CHECKING:
    from steersman_vectors.calibrate.joint import JointOrder

    from .joint_run import Joined


def bound_json(jointly: JointOrder) -> dict[str, Any]:
    """Returns the most that is asked, for programs."""
    return {"answers_at_most": jointly.most_answers, "weighings_at_most": jointly.most_answers}


def bound_line(jointly: JointOrder) -> str:
    """Returns the most that is asked, in words."""
    return f"at most {jointly.most_answers:,} answers, and as many weighings for KL"


def as_json(joined: Joined) -> dict[str, Any]:
    """Returns the outcome for programs."""
    joint = joined.joint
    return {
        "out": [str(out) for out in joined.outs],
        "record": str(joined.record_file),
        "vectors": [side.name for side in joint.vectors],
        "cosines": joint.cosines,
        "safe": [list(each.presets) for each in joint.safe],
        "combinations": len(joint.combinations),
        "seconds": joint.seconds,
    }


def parts(joined: Joined) -> Iterator[Any]:
    """Yields what people are shown."""
    joint = joined.joint
    names = [printable(side.name) for side in joint.vectors]
    table = Table(
        title="both at once, against each alone (below 0: a loss), with 95% intervals",
        title_justify="left",
        box=None,
    )
    for name in (*names, "half", *(f"{name} against alone" for name in names), "together"):
        table.add_column(name)
    for each in joint.combinations:
        seen = each.heldout or each.calibration
        table.add_row(
            *each.presets,
            "held-out" if each.heldout else "calibration",
            *(said(seen.against_alone.get(side.name), sign=True) for side in joint.vectors),
            "safe" if each.safe else f"fails: {', '.join(seen.failed)}",
        )
    yield table
    cosines = ", ".join(f"{value:+.2f} at {layer}" for layer, value in joint.cosines.items())
    yield f"cosine of the directions: {cosines or 'they share no layer'}"
    yield (
        f"{len(joint.safe)} of {len(joint.combinations)} combinations are safe; both cards say so: "
        f"{', '.join(printable(str(out)) for out in joined.outs)}"
    )
