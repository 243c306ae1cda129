"""A calibration from the command line: planned, told, run with one engine, written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from steersman_vectors.errors import CallerError

from .calibrate_options import Asked, Outs, Planned, plan
from .output import print_note
from .progress import SpeedColumn, counting

if TYPE_CHECKING:
    from steersman_vectors.calibrate.record import Calibration

__all__ = ["Done", "Planned", "plan", "run"]


RECORD = ".calibration.json"
"""Instead of the suffix of --out."""


@dataclass(frozen=True, slots=True)
class Done:
    """How the command ended."""

    record: Calibration
    out: Path
    record_file: Path
    digest: str
    """Of the vector that was written."""


def plan_for(asked: Asked, out: Path, *, force: bool) -> Planned:
    """Returns the plan of what goes to `out`, and beside it; boots nothing.

    Raises `CallerError`, as `plan` does, and where something else would be replaced.
    """
    from steersman_vectors.calibrate.outcome import is_outcome

    outs = Outs((("--out", out),), out.with_suffix(RECORD), force)
    outs.check_apart_from(asked)
    planned = plan(asked)
    outs.check_new(same=is_outcome(planned.order, out, outs.record))
    return planned


def run(asked: Asked, out: Path, *, engine: str, at_once: int, force: bool) -> Done:
    """Returns what was found, after vector and record are written.

    Raises `SteersmanError`; what was answered until then stays beside `out`.
    """
    from steersman_vectors.calibrate.run import calibrate
    from steersman_vectors.formats import native
    from steersman_vectors.sweep.engines import find_engine
    from steersman_vectors.whole_file import write_whole

    from .calibrate_views import bound_line

    planned = plan_for(asked, out, force=force)
    print_note(bound_line(planned.order))
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # read when vLLM is imported
    open_engine = find_engine(engine)
    order = planned.order
    folder = out.with_suffix(".calibration")
    with (
        planned.reading(),
        open_engine(planned.model_dir, layers=order.layers, max_num_seqs=at_once) as booted,
        counting("Calibrating", speed=SpeedColumn("answers")) as progress,
    ):
        found = calibrate(booted, order, folder, progress)
    record_file = out.with_suffix(RECORD)
    try:
        # NOTE: the record first: a vector without one is not known as this command's own.
        write_whole(record_file, found.record.model_dump_json(indent=2).encode() + b"\n")
        digest = native.save(found.vector, out)
    except OSError as error:
        raise CallerError(
            f"cannot write {out} ({error.strerror}). Choose another --out",
            code="path_unusable",
            param="out",
        ) from error
    return Done(found.record, out, record_file, digest)
