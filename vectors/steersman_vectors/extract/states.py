"""States of all examples on disk: written as they are read, by layer when they are looked at.

A folder, named after what the states are of (its key), holds

    key.json        the key in full; written last when the folder is made
    states          fp32 [layers, positive, hidden], then [layers, negative, hidden]
    norms           fp32 [layers, examples]
    done            one byte per chunk of examples: 1 when its states are on the disk

so that a layer of a side is one piece of the file. A chunk is marked after its states were synced:
a pass that was ended at any moment goes on with the first chunk that lacks its mark.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CallerError, OperatorError
from ..whole_file import write_whole
from .contract import SpanStates

_FP32 = np.dtype("<f4")
Key = Mapping[str, Any]
"""JSON: the model's fingerprint, the data, positions, dtype, layers, source, how it is batched."""


@dataclass(frozen=True, slots=True)
class StoreShape:
    """Sizes of the arrays."""

    layers: tuple[int, ...]
    positive: int
    negative: int
    hidden_size: int
    chunks: int

    @property
    def examples(self) -> int:
        """Returns the examples of both sides."""
        return self.positive + self.negative


@dataclass(frozen=True, slots=True)
class SideStates:
    """Both sides at one layer, fp32: states `[examples, hidden]` and token norms `[examples]`."""

    positive: NDArray[np.float32]
    negative: NDArray[np.float32]
    norms: NDArray[np.float32]
    """Mean L2 norm over each example's positions, of the positive side first."""


class StateStore:
    """The states of one key, by example on the way in and by layer on the way out."""

    def __init__(self, folder: Path, shape: StoreShape) -> None:
        self.folder = folder
        self.shape = shape
        layers, hidden = len(shape.layers), shape.hidden_size
        states = np.memmap(folder / "states", dtype=_FP32, mode="r+")
        norms = np.memmap(folder / "norms", dtype=_FP32, mode="r+")
        self._files = (states, norms)
        first = layers * shape.positive * hidden
        self._positive = states[:first].reshape(layers, shape.positive, hidden)
        self._negative = states[first:].reshape(layers, shape.negative, hidden)
        self._norms = norms.reshape(layers, shape.examples)
        self._done = (folder / "done").read_bytes()

    def is_done(self, chunk: int) -> bool:
        """Returns whether the chunk's states are all here."""
        return self._done[chunk] == 1

    @property
    def whole(self) -> bool:
        """Returns whether all states are here."""
        return all(map(self.is_done, range(self.shape.chunks)))

    def put(self, example: int, states: SpanStates) -> None:
        """Keeps what was read at an example's only span; positive examples come first."""
        side, i = (
            (self._positive, example)
            if example < self.shape.positive
            else (self._negative, example - self.shape.positive)
        )
        side[:, i] = states.mean[0]
        self._norms[:, example] = states.norm[0]

    def mark(self, chunk: int) -> None:
        """Says that a chunk is whole, after it is on the disk."""
        for mapped in self._files:
            mapped.flush()
        file = os.open(self.folder / "done", os.O_WRONLY)
        try:
            os.pwrite(file, b"\1", chunk)
            os.fsync(file)
        finally:
            os.close(file)
        self._done = self._done[:chunk] + b"\1" + self._done[chunk + 1 :]

    def at(self, index: int) -> SideStates:
        """Returns the states of the index-th layer, read off the disk now."""
        return SideStates(
            np.array(self._positive[index]),
            np.array(self._negative[index]),
            np.array(self._norms[index]),
        )


@contextmanager
def open_store(workdir: Path, key: Key, shape: StoreShape) -> Iterator[StateStore]:
    """Opens the states of `key` below `workdir`, made empty where there are none.

    Raises `OperatorError(states_in_use)` while another process writes them, and
    `CallerError(states_mixed)` for a folder that holds another key's states; `OSError` where there
    is no room for them.
    """
    folder = workdir / store_name(key)
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        if not (folder / "key.json").exists():
            _allocate(folder, shape)
            write_whole(folder / "key.json", _canonical(key), durable=True)
        _check(folder, key, shape)
        yield StateStore(folder, shape)


def store_name(key: Key) -> str:
    """Returns the name of the folder of a key's states."""
    return f"states-{hashlib.sha256(_canonical(key)).hexdigest()[:16]}"


def remove_states(folder: Path) -> None:
    """Removes the states of a key, and the folder they are in when nothing else is there."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.parent.rmdir()
    except OSError:  # others' states, or files that are none of ours
        return


def _canonical(key: Key) -> bytes:
    return json.dumps(key, sort_keys=True, indent=1).encode()


def _sizes(shape: StoreShape) -> dict[str, int]:
    values = len(shape.layers) * shape.examples
    item = _FP32.itemsize
    return {
        "states": values * shape.hidden_size * item,
        "norms": values * item,
        "done": shape.chunks,
    }


def _allocate(folder: Path, shape: StoreShape) -> None:
    """Reserves the files' whole size: a full disk is an error here, not a crash while writing."""
    for name, size in _sizes(shape).items():
        file = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            os.posix_fallocate(file, 0, size)
            os.fsync(file)
        finally:
            os.close(file)


def _check(folder: Path, key: Key, shape: StoreShape) -> None:
    held = (folder / "key.json").read_bytes()
    sizes: Sequence[tuple[str, int]] = list(_sizes(shape).items())
    right = all((folder / n).is_file() and (folder / n).stat().st_size == s for n, s in sizes)
    if held != _canonical(key) or not right:
        raise CallerError(
            f"{folder} holds states of another model, other pairs or other options, or is damaged: "
            "they cannot be mixed. Remove the folder, or give --workdir another one",
            code="states_mixed",
            param="workdir",
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OperatorError(
                f"another process is reading the same states into {folder}: wait for it, or give "
                "--workdir another folder",
                code="states_in_use",
            ) from error
        yield
    finally:
        os.close(file)
