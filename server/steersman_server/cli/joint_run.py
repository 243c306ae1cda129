"""Several vectors together, from the command line: planned, run with one engine, written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from steersman_vectors.errors import CallerError

from .calibrate_options import Asked, Outs, Planned, plan, toward_of
from .output import print_note
from .progress import SpeedColumn, counting
from .sweep_options import check_model

if TYPE_CHECKING:
    from steersman_vectors.calibrate.joint import JointOrder
    from steersman_vectors.calibrate.joint_record import Joint


Toward = Literal["higher", "lower"]
RECORD = ".joint.json"
"""Instead of the suffix of --out."""


@dataclass(frozen=True, slots=True)
class Other:
    """The options of one further vector."""

    file: Path
    judge: str
    toward: Toward | None
    out: Path


@dataclass(frozen=True, slots=True)
class Joined:
    """How the command ended."""

    joint: Joint
    outs: tuple[Path, ...]
    record_file: Path


def run(
    asked: Asked,
    others: Sequence[Other],
    out: Path,
    *,
    most_of_all: int,
    engine: str,
    at_once: int,
    force: bool,
) -> Joined:
    """Returns what goes together, after all vectors and the record are written.

    Raises `SteersmanError`; what was answered until then stays beside `out`.
    """
    from steersman_vectors.calibrate.joint import calibrate_jointly
    from steersman_vectors.calibrate.joint_card import with_joint
    from steersman_vectors.formats import native
    from steersman_vectors.sweep.engines import find_engine
    from steersman_vectors.whole_file import write_whole

    from .joint_views import bound_line

    jointly, planned = plan_jointly(asked, others, out, most_of_all=most_of_all, force=force)
    print_note(bound_line(jointly))
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # read when vLLM is imported
    open_engine = find_engine(engine)
    layers = sorted({layer for each in jointly.dials for layer in each.vector.layers})
    with (
        planned.reading(),
        open_engine(planned.model_dir, layers=layers, max_num_seqs=at_once) as booted,
        counting("Calibrating together", speed=SpeedColumn("answers")) as progress,
    ):
        joint = calibrate_jointly(booted, jointly, out.with_suffix(".joint"), progress)
    record_file = out.with_suffix(RECORD)
    outs = (out, *(each.out for each in others))
    try:
        # NOTE: the record first: vectors without one are not known as this command's own.
        write_whole(record_file, joint.model_dump_json(indent=2).encode() + b"\n")
        for dialled, file in zip(jointly.dials, outs, strict=True):
            native.save(with_joint(dialled.vector, joint), file)
    except OSError as error:
        raise CallerError(
            f"cannot write {', '.join(map(str, outs))} ({error.strerror}). Choose others",
            code="path_unusable",
            param="out",
        ) from error
    return Joined(joint, outs, record_file)


def others_of(
    files: Sequence[Path], judges: Sequence[str], toward: Sequence[str], outs: Sequence[Path]
) -> tuple[Other, ...]:
    """Returns the further vectors, from options that are repeated in the same order.

    toward: as often as there are files, or not at all; `judge` leaves it to the judge.

    Raises `CallerError(invalid_option)`.
    """
    count = len(files)
    if len(judges) != count or len(outs) != count or len(toward) not in (0, count):
        raise _invalid(
            f"{count} --with, {len(judges)} --with-judge, {len(toward)} --with-toward and "
            f"{len(outs)} --with-out",
            "--with-judge JUDGE and --with-out FILE for each, and --with-toward for each or none",
            "with",
        )
    ways: list[Toward | None] = [
        "higher" if way == "higher" else "lower" if way == "lower" else None
        for way in toward or ("judge",) * count
    ]
    return tuple(Other(*each) for each in zip(files, judges, ways, outs, strict=True))


def plan_jointly(
    asked: Asked, others: Sequence[Other], out: Path, *, most_of_all: int, force: bool
) -> tuple[JointOrder, Planned]:
    """Returns what is measured together, and the plan that it is of; boots nothing.

    Raises `CallerError` for whatever does not fit together, or would be replaced.
    """
    from steersman_vectors.calibrate.joint import Dialled, JointOrder, check_joint
    from steersman_vectors.calibrate.outcome import is_joint_outcome
    from steersman_vectors.formats import native

    if asked.layers or asked.alphas is not None:
        raise _invalid(
            "--with beside --layers or --alphas", "neither: all vectors have their presets", "with"
        )
    vectors = (("--out", out), *(("--with-out", other.out) for other in others))
    outs = Outs(vectors, out.with_suffix(RECORD), force)
    # Another judge only: to be told of the same one twice would be refused.
    specs = tuple(dict.fromkeys((asked.judge, *asked.also, *(other.judge for other in others))))
    together = replace(asked, also=specs[1:], layers=("own",), alphas="1")
    outs.check_apart_from(together, *(other.file for other in others))
    planned = plan(together)
    order = planned.order
    dials = [Dialled(order.vector, order.behaviour, order.toward)]
    for other in others:
        measured = order.measured[specs.index(other.judge)]
        vector = native.load(other.file)
        check_model(vector, other.file, order.model)
        dials.append(Dialled(vector, measured.name, toward_of(other.toward, measured.judge)))
    check_joint(dials)
    jointly = JointOrder(tuple(dials), order, most_of_all)
    same = is_joint_outcome(jointly, [file for _, file in vectors], outs.record)
    outs.check_new(same=same)
    return jointly, planned


def _invalid(got: str, expected: str, param: str) -> CallerError:
    return CallerError(f"got {got}, expected {expected}", code="invalid_option", param=param)
