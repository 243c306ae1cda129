"""The GGUF container, read strictly: every count and length is checked against the bytes there are.

Layout (little-endian, versions 2 and 3): magic, version, tensor count, key count; the keys; per
tensor its name, dimensions, type and offset; padding to `general.alignment`; the data. The reader
of the `gguf` package trusts the counts in the file, and loops for hours on a damaged one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from ..errors import CallerError

MAGIC = b"GGUF"
MAX_KEYS = 65_536
MAX_TENSORS = 65_536
MAX_DIMS = 4
F32 = 0
_ALIGNMENTS = frozenset(1 << bit for bit in range(21))
TYPE_NAMES = {0: "F32", 1: "F16", 28: "F64", 30: "BF16"}

_SCALARS = dict(enumerate("BbHhIif?")) | {10: "Q", 11: "q", 12: "d"}
"""Type ids of scalar keys -> struct formats; 8 and 9 are strings and arrays."""
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Where one tensor lies: `start` is an offset in bytes from the start of the file."""

    name: str
    dims: tuple[int, ...]
    type_id: int
    start: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The file's scalar and string keys (arrays are skipped) and its tensors, in file order."""

    keys: dict[str, object]
    tensors: tuple[TensorInfo, ...]


def read_layout(data: bytes) -> Layout:
    """Returns the layout of a GGUF file; raises `CallerError(invalid_vector_file)`."""
    cursor = _Cursor(data)
    if cursor.take(4) != MAGIC:
        raise bad("no GGUF magic")
    version = cursor.scalar("I")
    if version not in (2, 3):
        raise bad(f"version {version} (a big-endian file, or not one of versions 2 and 3)")
    tensor_count, key_count = cursor.count(MAX_TENSORS, "tensors"), cursor.count(MAX_KEYS, "keys")
    keys: dict[str, object] = {}
    for _ in range(key_count):
        name = cursor.string()
        keys[name] = cursor.value(cursor.scalar("I"))
    infos = [_tensor_info(cursor) for _ in range(tensor_count)]
    base = _align(cursor.at, keys.get("general.alignment", 32))
    tensors = tuple(TensorInfo(i.name, i.dims, i.type_id, base + i.start) for i in infos)
    if len({t.name for t in tensors}) != len(tensors):
        raise bad("two tensors of one name")
    return Layout(keys, tensors)


def bad(got: str) -> CallerError:
    """Returns the error for bytes that are not a GGUF control vector."""
    return CallerError(
        f"not a GGUF control vector: got {got}. Expected the file that llama.cpp's "
        "cvector-generator or repeng writes: F32 tensors [hidden_size] named 'direction.<layer>'",
        code="invalid_vector_file",
    )


class _Cursor:
    """Reads forward; raises instead of reading past the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        if size > len(self._data) - self.at:
            raise bad(f"a truncated file: {size} bytes wanted at byte {self.at}")
        self.at += size
        return self._data[self.at - size : self.at]

    def scalar(self, code: str) -> Any:
        """Returns the number, or boolean, of struct format `code`."""
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def count(self, most: int, what: str) -> int:
        number: int = self.scalar("Q")
        if number > most:
            raise bad(f"{number} {what}, more than {most}")
        return number

    def string(self) -> str:
        size = self.scalar("Q")
        try:
            return self.take(size).decode()
        except UnicodeDecodeError as error:
            raise bad(f"a name that is not UTF-8 at byte {self.at - size}") from error

    def value(self, type_id: int) -> object:
        """Returns a key's value; None for an array, which is skipped."""
        if type_id in _SCALARS:
            return self.scalar(_SCALARS[type_id])
        if type_id == _STRING:
            return self.string()
        if type_id != _ARRAY:
            raise bad(f"a key of unknown type {type_id}")
        self._skip_array(self.scalar("I"), self.scalar("Q"))
        return None

    def _skip_array(self, type_id: int, length: int) -> None:
        if type_id in _SCALARS:
            self.take(length * struct.calcsize("<" + _SCALARS[type_id]))
        elif type_id == _STRING:
            for _ in range(length):  # ends: every string takes eight bytes or raises
                self.take(self.scalar("Q"))
        else:
            raise bad(f"an array of unknown type {type_id}")


def _align(at: int, alignment: object) -> int:
    if not isinstance(alignment, int) or alignment not in _ALIGNMENTS:
        raise bad(f"alignment {alignment!r}, which is no power of two")
    return -(-at // alignment) * alignment


def _tensor_info(cursor: _Cursor) -> TensorInfo:
    name = cursor.string()
    dim_count = cursor.scalar("I")
    if dim_count > MAX_DIMS:
        raise bad(f"{dim_count} dimensions of tensor {name[:80]!r}")
    dims = tuple(cursor.scalar("Q") for _ in range(dim_count))
    return TensorInfo(name, dims, cursor.scalar("I"), cursor.scalar("Q"))
