"""Two vectors together, from the command line: planned, run with one engine, written."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from steersman_vectors.errors import CallerError

from .calibrate_options import Asked, Planned, plan, toward_of
from .output import print_note
from .progress import SpeedColumn, counting
from .sweep_options import check_model

if TYPE_CHECKING:
    from steersman_vectors.calibrate.joint import JointOrder
    from steersman_vectors.calibrate.joint_record import Joint


@dataclass(frozen=True, slots=True)
class Second:
    """The options of the second vector."""

    file: Path
    judge: str | None
    toward: Literal["higher", "lower"] | None
    out: Path | None


@dataclass(frozen=True, slots=True)
class Joined:
    """How the command ended."""

    joint: Joint
    outs: tuple[Path, Path]
    record_file: Path


def run(asked: Asked, second: Second, out: Path, *, engine: str, at_once: int) -> Joined:
    """Returns what goes together, after both vectors and the record are written.

    Raises `SteersmanError`; what was answered until then stays beside `out`.
    """
    from steersman_vectors.calibrate.joint import calibrate_jointly, with_joint
    from steersman_vectors.formats import native
    from steersman_vectors.sweep.engines import find_engine
    from steersman_vectors.whole_file import write_whole

    from .joint_views import bound_line

    jointly, planned = plan_jointly(asked, second, out)
    assert second.out is not None, "checked by the plan"
    print_note(bound_line(jointly))
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # read when vLLM is imported
    open_engine = find_engine(engine)
    layers = sorted({*jointly.one.vector.layers, *jointly.other.vector.layers})
    with (
        planned.reading(),
        open_engine(planned.model_dir, layers=layers, max_num_seqs=at_once) as booted,
        counting("Calibrating together", speed=SpeedColumn("answers")) as progress,
    ):
        joint = calibrate_jointly(booted, jointly, out.with_suffix(".joint"), progress)
    record_file = out.with_suffix(".joint.json")
    try:
        native.save(with_joint(jointly.one.vector, joint), out)
        native.save(with_joint(jointly.other.vector, joint), second.out)
        write_whole(record_file, joint.model_dump_json(indent=2).encode() + b"\n")
    except OSError as error:
        raise CallerError(
            f"cannot write {out} or {second.out} ({error.strerror}). Choose others",
            code="path_unusable",
            param="out",
        ) from error
    return Joined(joint, (out, second.out), record_file)


def plan_jointly(asked: Asked, second: Second, out: Path) -> tuple[JointOrder, Planned]:
    """Returns what is measured together, and the plan that it is of; boots nothing.

    Raises `CallerError` for whatever does not fit together.
    """
    from steersman_vectors.calibrate.joint import Dialled, JointOrder, check_joint
    from steersman_vectors.formats import native

    if second.judge is None or second.out is None:
        raise _invalid(
            "--with without all of its options", "--with-judge JUDGE and --with-out FILE", "with"
        )
    if asked.layers or asked.alphas is not None:
        raise _invalid(
            "--with beside --layers or --alphas", "neither: both vectors have their presets", "with"
        )
    taken = {each.resolve() for each in (asked.vector, second.file)}
    if len({out.resolve(), second.out.resolve()} - taken) < 2:
        raise _invalid("--out and --with-out", "two files that are not given as vectors", "out")
    # Another judge only: to be told of the same one twice would be refused.
    also = asked.also if second.judge == asked.judge else (*asked.also, second.judge)
    planned = plan(replace(asked, also=also, layers=("own",), alphas="1"))
    order = planned.order
    at = 0 if second.judge == asked.judge else len(also)
    measured = order.measured[at]
    vector = native.load(second.file)
    check_model(vector, second.file, order.model)
    one = Dialled(order.vector, order.behaviour, order.toward)
    other = Dialled(vector, measured.name, toward_of(second.toward, measured.judge))
    check_joint(one, other)
    return JointOrder(one, other, order), planned


def _invalid(got: str, expected: str, param: str) -> CallerError:
    return CallerError(f"got {got}, expected {expected}", code="invalid_option", param=param)
