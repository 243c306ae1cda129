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
from . import gguf_file, gguf_layout, native

NATIVE_LAYER_RULE = "layers.<l> is added after decoder block l (layer_idx, zero-based)"


@dataclass(frozen=True, slots=True)
class VectorFile:
    """A vector read from a file, and what the reader has to say about how it was read."""

    vector: SteeringVector
    file_format: str
    layer_rule: str
    notes: tuple[str, ...] = ()


def read_vector(
    path: Path, *, name: str, scale: Scale | None, hidden_size: int | None = None
) -> SteeringVector:
    """Returns the vector in the file, named `name`; see `read_vector_file`."""
    return read_vector_file(path, name=name, scale=scale, hidden_size=hidden_size).vector


def read_vector_file(
    path: Path, *, name: str, scale: Scale | None, hidden_size: int | None = None
) -> VectorFile:
    """Returns the vector in a native or GGUF file, named `name`, with its layer rule.

    `scale` None keeps a native file's own scale, and means `raw` for GGUF. Raises `CallerError`:
    `file_unreadable`, `invalid_vector_file`, `invalid_vector`, `unsafe_format` (a pickle),
    `scale_unavailable`, or `hidden_size_mismatch` when `hidden_size` is given and differs.
    """
    check_name(name)
    data = _read(path)
    if data.startswith(gguf_layout.MAGIC):
        read = _read_gguf(data, name, scale)
    elif _is_pickle(data):
        raise CallerError(
            f"{path} is a pickle (.pt, .pth, .pkl), which can run any code when it is read: "
            "refused. Save the tensors as safetensors or as a GGUF control vector and import that",
            code="unsafe_format",
        )
    else:
        read = _read_native(data, name, scale)
    got = read.vector.card.hidden_size
    if hidden_size is not None and got != hidden_size:
        raise CallerError(
            f"{path} was made for another model: got hidden size {got}, expected {hidden_size}",
            code="hidden_size_mismatch",
        )
    return read


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise _unreadable(path, "no such file" if not path.exists() else "not a regular file")
        if path.stat().st_size > native.MAX_FILE_BYTES:
            raise CallerError(
                f"{path} holds {path.stat().st_size} bytes, expected at most "
                f"{native.MAX_FILE_BYTES}: this looks like a model, not a vector",
                code="invalid_vector_file",
            )
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error


def _read_gguf(data: bytes, name: str, scale: Scale | None) -> VectorFile:
    read = gguf_file.loads(data, name=name, scale=scale or "raw")
    notes = []
    if read.zero_layers:
        notes.append(f"left out layers {list(read.zero_layers)}: all zeros in the file")
    if scale == "unit":
        notes.append("alpha is now the norm of what is added; the file's own norms are on the card")
    return VectorFile(read.vector, "gguf", gguf_file.LAYER_RULE, tuple(notes))


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


def _is_pickle(data: bytes) -> bool:
    """Returns whether the bytes start as a pickle, or as the zip archive of torch.save."""
    # NOTE: a safetensors header of 384 bytes starts with 0x80 0x01, as a pickle might.
    safetensors_header = data[8:9] == b"{" and int.from_bytes(data[:8], "little") < len(data)
    pickled = data[:1] == b"\x80" and data[1:2] <= b"\x05"
    return data[:4] == b"PK\x03\x04" or (pickled and not safetensors_header)


def _unreadable(path: Path, got: str) -> CallerError:
    return CallerError(
        f"cannot read {path}: {got}. Expected a vector file: native safetensors, or GGUF",
        code="file_unreadable",
    )
