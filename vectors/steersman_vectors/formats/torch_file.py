"""The tensor in a file that `torch.save` wrote, read without running code.

Such a file is a zip archive around a pickle. Only torch's `weights_only` unpickler runs the pickle,
and only when the archive has passed the limits below and the pickle names what tensors are made of
and nothing else. torch has a zip reader of its own, so it gets an archive made anew, in which both
find the same records.
"""

from __future__ import annotations

import io
import pickle
import re
import struct
import zipfile
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import CallerError, OperatorError
from . import torch_pickle
from .differences import MAX_HIDDEN_SIZE

if TYPE_CHECKING:
    import torch

MAGIC = b"PK\x03\x04"
MAX_ENTRIES = 64
MAX_PICKLE_BYTES = 64 * 1024
_RECORDS = ("data.pkl", "byteorder", "version", ".format_version", ".storage_alignment")
_STORAGE = re.compile(r"data/[0-9]{1,4}")
_DTYPES = ("bfloat16", "float16", "float32", "float64")
_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)
"""What torch.load raises on bytes that are damaged rather than forbidden."""


def load_tensor(data: bytes) -> NDArray[np.floating]:
    """Returns the tensor `[hidden]` or `[rows, hidden]` in the bytes, as fp32 or fp64.

    Raises `CallerError`: `unsafe_format` or `invalid_vector_file`; `OperatorError(torch_missing)`.
    """
    checked = _checked_archive(data)
    try:
        import torch
    except ImportError as error:
        raise OperatorError(
            "reading a .pt file needs torch, which is not installed. Install steersman[cpu] or "
            "steersman[cuda], or save the tensors as safetensors or GGUF and import that",
            code="torch_missing",
        ) from error
    try:
        loaded = torch.load(checked, map_location="cpu", weights_only=True, mmap=False)
    except pickle.UnpicklingError as error:
        raise unsafe("a pickle that holds more than tensors") from error
    except _DAMAGE as error:
        raise bad(f"an archive that torch cannot read ({type(error).__name__})") from error
    return _checked_tensor(loaded, len(data))


def _checked_archive(data: bytes) -> io.BytesIO:
    """Returns the records of the archive in one of our own, if they are a tensor's.

    Refuses an archive that would unpack to more than its own bytes, or holds code.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_entries(archive.infolist(), len(data))
            records = {_record(entry): archive.read(entry) for entry in archive.infolist()}
    except (zipfile.BadZipFile, NotImplementedError, *_DAMAGE) as error:
        raise bad("a damaged zip archive") from error
    _check_pickle(records["data.pkl"])
    checked = io.BytesIO()
    with zipfile.ZipFile(checked, "w") as made:
        for name, record in records.items():
            if name in _RECORDS or _STORAGE.fullmatch(name):
                made.writestr(f"archive/{name}", record)
    checked.seek(0)
    return checked


def _record(entry: zipfile.ZipInfo) -> str:
    """Returns the name of a record, without the folder that all of them are in."""
    return entry.filename.partition("/")[2]


def _check_entries(entries: list[zipfile.ZipInfo], file_bytes: int) -> None:
    names = [_record(entry) for entry in entries]
    if any(name == "constants.pkl" or name.startswith("code/") for name in names):
        raise unsafe("a TorchScript archive, which is a program")
    pickles = [entry for entry, name in zip(entries, names, strict=True) if name == "data.pkl"]
    if len(pickles) != 1 or len(set(names)) != len(names):
        raise bad("a zip archive that torch.save did not write")
    if len(entries) > MAX_ENTRIES:
        raise bad(f"{len(entries)} entries in the archive, too many for one tensor")
    if pickles[0].file_size > MAX_PICKLE_BYTES:
        raise bad(f"a pickle of {pickles[0].file_size} bytes, too many for one tensor")
    stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
    if not stored or sum(entry.file_size for entry in entries) > file_bytes:
        raise bad("a compressed archive")


def _check_pickle(pickled: bytes) -> None:
    """Refuses a pickle that names, and so could call, what no tensor needs."""
    try:
        unneeded = torch_pickle.first_unneeded(pickled)
    except _DAMAGE as error:
        raise bad("a damaged pickle") from error
    if unneeded is None:
        return
    if torch_pickle.runs_no_code(unneeded):
        raise bad(f"a pickle that names {unneeded[:80]!r}, which no float tensor needs")
    raise unsafe(f"a pickle that names {unneeded[:80]!r}")


def _checked_tensor(loaded: object, file_bytes: int) -> NDArray[np.floating]:
    import torch

    if not isinstance(loaded, torch.Tensor):
        raise bad(f"a {type(loaded).__name__}")
    if loaded.layout != torch.strided or loaded.device.type != "cpu":
        raise bad(f"a tensor without values of its own ({loaded.layout}, {loaded.device})")
    dtype = str(loaded.dtype).removeprefix("torch.")
    if dtype not in _DTYPES:
        raise bad(f"a tensor of {dtype}")
    shape = list(loaded.shape)
    if len(shape) not in (1, 2) or not 0 < shape[-1] <= MAX_HIDDEN_SIZE:
        raise bad(f"a tensor of shape {shape}")
    # NOTE: strides of zero make a tensor of any size out of one stored number.
    if loaded.numel() * loaded.element_size() > file_bytes:
        raise bad(f"a tensor of shape {shape} in {file_bytes} bytes")
    return _to_numpy(loaded)


def _to_numpy(tensor: torch.Tensor) -> NDArray[np.floating]:
    import torch

    wide = torch.float64 if tensor.dtype == torch.float64 else torch.float32
    values: NDArray[np.floating] = tensor.detach().resolve_neg().to(wide).numpy()
    return values


def unsafe(got: str) -> CallerError:
    """Returns the error for bytes that could run code when they are read."""
    return CallerError(
        f"refused, and nothing in it was run: got {got}, which can run any code. Expected a tensor "
        "that torch.save wrote; or save the tensors as safetensors or as a GGUF control vector",
        code="unsafe_format",
    )


def bad(got: str) -> CallerError:
    """Returns the error for bytes that are no steering vector of torch."""
    return CallerError(
        f"not a steering vector of torch: got {got}. Expected one float tensor that torch.save "
        "wrote: [num_layers + 1, hidden_size], or [hidden_size] in a file named layer_<l>.pt",
        code="invalid_vector_file",
    )
