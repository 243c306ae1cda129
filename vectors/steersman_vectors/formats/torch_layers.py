"""Which layers the tensors of torch files belong to.

A matrix `[num_layers + 1, hidden]` has the order of `hidden_states`: row 0 is the embedding
output, row k + 1 the output of decoder block k. The tensor `[hidden]` of a file named
`layer_<l>.pt` belongs to the output of block l; a folder of such files is one vector.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import CallerError
from ..scale import Scale
from .differences import LAYER_NUMBER, MAX_LAYER_IDX, ImportedVector, to_vector
from .native import digest
from .torch_file import bad, load_tensor

ROW_RULE = (
    "row k+1 is added after decoder block k (k = layer_idx, zero-based); row 0 is the embedding "
    "output"
)
FILE_RULE = "the tensor of layer_<l>.pt is added after decoder block l (l = layer_idx, zero-based)"
ROW_ZERO_NOTE = "left out row 0: the embedding output, which is before every decoder block"
_FILE_NAME = re.compile(rf"layer_({LAYER_NUMBER})\.pt")


def layer_of(file_name: str) -> int | None:
    """Returns l of `layer_<l>.pt`, or None for a file of another name."""
    match = _FILE_NAME.fullmatch(file_name)
    return None if match is None or int(match[1]) > MAX_LAYER_IDX else int(match[1])


def loads(
    data: bytes, file_name: str, *, name: str, scale: Scale = "raw", num_layers: int | None = None
) -> ImportedVector:
    """Returns the vector in the bytes of one file, named `name`.

    num_layers: decoder blocks of the model; without it a matrix is refused, since `[L, H]` and
    `[L + 1, H]` look alike. Raises `CallerError`: `unsafe_format`, `invalid_vector_file`,
    `num_layers_unknown`, `num_layers_mismatch`, `scale_unavailable`; `OperatorError`
    (`torch_missing`).
    """
    layer_idx = layer_of(file_name)
    if layer_idx is not None:
        return load_layers({layer_idx: data}, name=name, scale=scale)
    tensor = load_tensor(data)
    if tensor.ndim == 1:
        raise bad(f"one row {list(tensor.shape)} in {file_name[:80]!r}, which names no layer")
    return _of_rows(tensor, num_layers, digest(data), name=name, scale=scale)


def layer_files(folder: Path) -> tuple[dict[int, Path], tuple[str, ...]]:
    """Returns the files `layer_<l>.pt` of a folder by layer_idx, and the names of other files.

    Raises `CallerError(invalid_vector_file)` for a `.pt` file whose layer would be a guess.
    """
    found, others = {}, []
    for path in sorted(folder.iterdir()):
        layer_idx = layer_of(path.name)
        if layer_idx is not None:
            found[layer_idx] = path
        elif path.suffix == ".pt":
            raise bad(f"a file {path.name[:80]!r} in the folder, which names no layer")
        else:
            others.append(path.name)
    return dict(sorted(found.items())), tuple(others)


def load_layers(
    files: Mapping[int, bytes], *, name: str, scale: Scale = "raw", others: tuple[str, ...] = ()
) -> ImportedVector:
    """Returns the vector of the bytes of `layer_<l>.pt` files by layer_idx; raises as `loads`.

    others: names of files beside them, for a note.
    """
    tensors = {layer_idx: load_tensor(data) for layer_idx, data in files.items()}
    for layer_idx, tensor in tensors.items():
        if tensor.ndim != 1:
            raise bad(f"{list(tensor.shape)} in layer_{layer_idx}.pt")
    return to_vector(
        tensors,
        name=name,
        scale=scale,
        kind="torch file",
        layer_rule=FILE_RULE,
        recipe={"format": "torch", "sha256": digest(b"".join(files.values()))},
        bad=bad,
        notes=(f"left out {len(others)} other files: {list(others[:5])}",) if others else (),
    )


def _of_rows(
    tensor: NDArray[np.floating], num_layers: int | None, sha256: str, *, name: str, scale: Scale
) -> ImportedVector:
    rows = len(tensor)
    if num_layers is None:
        raise CallerError(
            f"a tensor {list(tensor.shape)} does not say whether its first row is the embedding "
            "output: the number of the model's decoder blocks is needed to tell. Import it with "
            "--model, or save each layer as layer_<l>.pt",
            code="num_layers_unknown",
        )
    if rows != num_layers + 1:
        raise CallerError(
            f"the tensor's rows do not match the model: got {rows}, expected {num_layers + 1}: "
            f"the embedding output, then one row for each of the {num_layers} decoder blocks",
            code="num_layers_mismatch",
        )
    return to_vector(
        {row - 1: tensor[row] for row in range(1, rows)},
        name=name,
        scale=scale,
        kind="torch file",
        layer_rule=ROW_RULE,
        recipe={"format": "torch", "sha256": sha256},
        bad=bad,
        notes=(ROW_ZERO_NOTE,) if tensor[0].any() else (),
    )
