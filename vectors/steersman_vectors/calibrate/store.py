"""Where a calibration keeps what was answered and weighed: a folder, whose files only grow.

Every part of the search is a sweep's file of its own (`sweep/results.py`), named by its grid; what
KL was found is beside them. The search is deterministic, so the same command after any end asks
the same questions and finds their answers here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import CallerError
from ..judges.contract import Verdict
from ..sweep import grid as grids
from ..sweep.contract import OfflineEngine
from ..sweep.grid import Grid
from ..sweep.results import ResultsFile, read_results
from ..sweep.rows import Row
from ..sweep.run import run
from ..vector import SteeringVector

Tell = Callable[[int], None]
"""Told how many more there are."""


class Store:
    """Rows and KL by run id. NOTE: one process at a time: each file is locked while it grows."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder; raises `CallerError(path_unusable)`."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CallerError(
                f"cannot keep answers in {folder} ({error.strerror}). Choose another --out",
                code="path_unusable",
                param="out",
            ) from error
        self.folder = folder
        self.rows: dict[str, Row] = {}
        self._weighed = folder / "kl.jsonl"
        self.kl = _read_verdicts(self._weighed)

    def answer(
        self,
        engine: OfflineEngine,
        grid: Grid,
        vectors: Mapping[str, SteeringVector],
        tell: Tell,
    ) -> None:
        """Answers all of the grid that is not there yet, and puts its rows into `rows`."""
        wanted = grids.runs(grid)
        if all(each.id in self.rows for each in wanted):
            tell(len(wanted))
            return
        path = self.folder / f"{grids.key_of(grid).removeprefix('sha256:')[:16]}.jsonl"
        before = 0

        def progress(done: int, _total: int) -> None:
            nonlocal before
            tell(done - before)
            before = done

        with ResultsFile(path, grids.check(grid)) as file:
            run(engine, grid, vectors, file, progress)
        self.rows.update(read_results(path).rows)

    def keep_kl(self, run_id: str, verdict: Verdict) -> None:
        """Keeps a verdict; it outlives this process when this returns."""
        said = {"id": run_id, "value": verdict.value, "why": verdict.why}
        with self._weighed.open("ab") as file:
            file.write(json.dumps(said).encode() + b"\n")
        self.kl[run_id] = verdict


def _read_verdicts(path: Path) -> dict[str, Verdict]:
    """Returns what is there; a line that was cut when a process ended is cut off."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as file:
            file.truncate(whole)
    found: dict[str, Verdict] = {}
    for number, line in enumerate(data[:whole].splitlines(), 1):
        try:
            said = json.loads(line)
            found[said["id"]] = Verdict(said["value"], said["why"])
        except (ValueError, KeyError, TypeError) as error:
            raise CallerError(
                f"{path}: line {number} is damaged. Remove the file; what was weighed is weighed "
                "again",
                code="results_damaged",
            ) from error
    return found
