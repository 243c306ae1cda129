"""A sweep's answers as a Parquet table, where pyarrow is installed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from ..errors import CallerError, OperatorError
from ..whole_file import write_whole
from .results import Results
from .rows import header_of

GRID_KEY = b"steersman_sweep"
"""Of a table's metadata."""


def check_available() -> None:
    """Returns when Parquet can be written; raises `OperatorError(parquet_unavailable)`."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise OperatorError(
            "Parquet needs pyarrow, which is not installed here. Install it "
            "(pip install 'steersman[parquet]'), or use the JSON lines of --out, which hold the "
            "same",
            code="parquet_unavailable",
            param="parquet",
        ) from error


def check_replaceable(path: Path) -> None:
    """Returns where nothing is there, or a table of a sweep; raises `CallerError(file_exists)`."""
    import pyarrow
    import pyarrow.parquet

    if not path.exists():
        return
    try:
        # NOTE: of a device or a pipe nothing is read.
        metadata = pyarrow.parquet.read_schema(path).metadata if path.is_file() else None
    except (pyarrow.ArrowException, OSError):
        metadata = None
    if GRID_KEY not in (metadata or {}):
        raise CallerError(
            f"--parquet: {path} exists and is no table of a sweep. Choose another file",
            code="file_exists",
            param="parquet",
        )


def write_parquet(results: Results, path: Path) -> None:
    """Writes a column for each field of `Row`; the grid is in the metadata under `steersman_sweep`.

    Raises `OperatorError(parquet_unavailable)` or `CallerError(path_unusable)`.
    """
    check_available()
    import pyarrow
    import pyarrow.parquet

    number, text = pyarrow.int64(), pyarrow.string()
    schema = pyarrow.schema(
        {
            "id": text, "vector": text, "digest": text, "layers": pyarrow.list_(number),
            "alpha": pyarrow.float64(), "prompt": text, "sample": number, "seed": number,
            "text": text, "finish_reason": text, "token_ids": pyarrow.list_(number),
            "logprobs": pyarrow.list_(pyarrow.float64()),
        },
        metadata={GRID_KEY: json.dumps(json.loads(header_of(results.grid)))},
    )  # fmt: skip
    rows = [asdict(row) for row in results.rows.values()]
    table = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), table)
    try:
        write_whole(path, table.getvalue().to_pybytes())
    except OSError as error:
        raise CallerError(
            f"cannot write {path} ({error.strerror}). Choose another --parquet; the answers are in "
            "--out",
            code="path_unusable",
            param="parquet",
        ) from error
