"""Reads a vector file of any known format; the content decides which, not the file's name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ..card import VectorCard
from ..errors import CallerError
from ..names import check_name
from ..scale import Scale
from ..vector import SteeringVector
from . import gguf_file, gguf_layout, native, svec, torch_file, torch_layers
from .differences import ImportedVector

NATIVE_LAYER_RULE = "layers.<l> is added after decoder block l (layer_idx, zero-based)"


@dataclass(frozen=True, slots=True)
class VectorFile:
    """A vector read from a file, and what the reader has to say about how it was read."""

    vector: SteeringVector
    file_format: str
    layer_rule: str
    notes: tuple[str, ...] = ()


def read_vector(
    path: Path,
    *,
    name: str,
    scale: Scale | None,
    hidden_size: int | None = None,
    num_layers: int | None = None,
) -> SteeringVector:
    """Returns the vector in the file, named `name`; see `read_vector_file`."""
    return read_vector_file(
        path, name=name, scale=scale, hidden_size=hidden_size, num_layers=num_layers
    ).vector


def read_vector_file(
    path: Path,
    *,
    name: str,
    scale: Scale | None,
    hidden_size: int | None = None,
    num_layers: int | None = None,
) -> VectorFile:
    """Returns the vector in a native, GGUF, .svec or torch file, named `name`, with its layer rule.

    path may be a folder of `layer_<l>.pt` files. `scale` None keeps a native file's own scale, and
    means `raw` for the others. num_layers: decoder blocks of the model, which a torch matrix is
    read by. Raises `CallerError`: `file_unreadable`, `invalid_vector_file`, `invalid_vector`,
    `unsafe_format` (a pickle with more than tensors), `num_layers_unknown`, `num_layers_mismatch`,
    `scale_unavailable`, or `hidden_size_mismatch` when `hidden_size` is given and differs; and
    `OperatorError(torch_missing)`.
    """
    check_name(name)
    if path.is_dir():
        read = _read_folder(path, name, scale)
    else:
        read = _read(path.name, read_file(path), name, scale, num_layers)
    got = read.vector.card.hidden_size
    if hidden_size is not None and got != hidden_size:
        raise CallerError(
            f"{path} was made for another model: got hidden size {got}, expected {hidden_size}",
            code="hidden_size_mismatch",
        )
    return read


def read_vector_bytes(
    data: bytes, file_name: str, *, name: str, scale: Scale | None, num_layers: int | None = None
) -> VectorFile:
    """Returns the vector in the bytes of one file, as `read_vector_file` does.

    file_name: what tells the layer of a tensor `[hidden]`; nothing else depends on it.
    """
    check_name(name)
    return _read(file_name, data, name, scale, num_layers)


def read_file(path: Path) -> bytes:
    """Returns the bytes of a vector file; raises `CallerError` for one that cannot be one."""
    try:
        if not path.is_file():
            raise _unreadable(path, "no such file" if not path.exists() else "not a regular file")
        _check_size(path, path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error


def _read(
    file_name: str, data: bytes, name: str, scale: Scale | None, num_layers: int | None
) -> VectorFile:
    raw = scale or "raw"
    if data.startswith(gguf_layout.MAGIC):
        return _imported(gguf_file.loads(data, name=name, scale=raw), "gguf", scale)
    if data.startswith(torch_file.MAGIC):
        read = torch_layers.loads(data, file_name, name=name, scale=raw, num_layers=num_layers)
        return _imported(read, "torch", scale)
    if _is_safetensors(data):
        return _read_native(data, name, scale)
    if data[:1] == b"\x80" and data[1:2] <= b"\x05":
        raise torch_file.unsafe("a pickle (.pkl, .pth, or a .pt of before torch 1.6)")
    if data[:64].lstrip()[:1] == b"{":
        return _imported(svec.loads(data, name=name, scale=raw), "svec", scale)
    return _read_native(data, name, scale)


def _read_folder(folder: Path, name: str, scale: Scale | None) -> VectorFile:
    try:
        paths, others = torch_layers.layer_files(folder)
    except OSError as error:
        raise _unreadable(folder, error.strerror or str(error)) from error
    if not paths:
        raise _unreadable(folder, "a folder without files layer_<l>.pt")
    files: dict[int, bytes] = {}
    for layer_idx, path in paths.items():
        files[layer_idx] = read_file(path)
        _check_size(folder, sum(map(len, files.values())))
        if not files[layer_idx].startswith(torch_file.MAGIC):
            raise torch_file.unsafe(f"{path.name}, no zip archive as torch.save writes it")
    read = torch_layers.load_layers(files, name=name, scale=scale or "raw", others=others)
    return _imported(read, "torch", scale)


def _imported(read: ImportedVector, file_format: str, scale: Scale | None) -> VectorFile:
    notes = list(read.notes)
    if read.zero_layers:
        notes.append(f"left out layers {list(read.zero_layers)}: all zeros in the file")
    if scale == "unit":
        notes.append("alpha is now the norm of what is added; the file's own norms are on the card")
    return VectorFile(read.vector, file_format, read.layer_rule, tuple(notes))


def _read_native(data: bytes, name: str, scale: Scale | None) -> VectorFile:
    vector = native.loads(data)
    card = vector.card
    if scale is not None and scale != card.scale and (card.presets or card.alpha_max is not None):
        raise CallerError(
            f"the file's presets {sorted(card.presets)} and alpha_max {card.alpha_max} are in "
            f"scale {card.scale!r}: got --scale {scale}, expected {card.scale} or no --scale",
            code="scale_unavailable",
            param="scale",
        )
    fields = {**card.model_dump(), "name": name, "scale": scale or card.scale}
    try:
        renamed = VectorCard.model_validate(fields)
    except ValidationError as error:
        raise CallerError(
            f"the file cannot be used in scale {scale}: {error.errors()[0]['msg']}",
            code="scale_unavailable",
            param="scale",
        ) from error
    return VectorFile(SteeringVector(renamed, vector.directions), "native", NATIVE_LAYER_RULE)


def _is_safetensors(data: bytes) -> bool:
    """Returns whether the bytes start as safetensors: a header's size, then its JSON."""
    # NOTE: a header of 384 bytes starts with 0x80 0x01, as a pickle might, and one of 123 with '{'.
    return data[8:9] == b"{" and int.from_bytes(data[:8], "little") < len(data)


def _check_size(path: Path, size: int) -> None:
    if size > native.MAX_FILE_BYTES:
        raise CallerError(
            f"{path} holds {size} bytes, expected at most {native.MAX_FILE_BYTES}: this looks "
            "like a model, not a vector",
            code="invalid_vector_file",
        )


def _unreadable(path: Path, got: str) -> CallerError:
    return CallerError(
        f"cannot read {path}: {got}. Expected a vector file: native safetensors, GGUF, .svec, or "
        "torch's .pt",
        code="file_unreadable",
    )
