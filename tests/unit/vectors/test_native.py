from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError
from steersman_vectors.formats import native

from .samples import vector


def same(a: Any, b: Any) -> bool:
    return a.card == b.card and all(
        np.array_equal(a.directions[i], b.directions[i]) for i in a.layers + b.layers
    )


@given(st.integers(0, 500), st.sets(st.integers(0, 1023), min_size=1, max_size=5))
def test_a_vector_survives_its_bytes(seed: int, layers: set[int]) -> None:
    made = vector(seed, layers=tuple(layers), description="für alle ☃", recipe={"seed": seed})
    data = native.dumps(made)
    again = native.loads(data)
    assert same(made, again)
    assert native.dumps(again) == data


def test_save_writes_what_load_reads(tmp_path: Path) -> None:
    digest = native.save(vector(), tmp_path / "v.safetensors")
    data = (tmp_path / "v.safetensors").read_bytes()
    assert digest == native.digest(data)
    assert same(native.load(tmp_path / "v.safetensors"), vector())
    assert [path.name for path in tmp_path.iterdir()] == ["v.safetensors"]


DATA = native.dumps(vector())


@given(st.integers(0, len(DATA) - 1))
def test_truncated_bytes_are_a_caller_error(size: int) -> None:
    with pytest.raises(CallerError):
        native.loads(DATA[:size])


@given(st.binary(max_size=300))
def test_any_bytes_are_a_caller_error(data: bytes) -> None:
    with pytest.raises(CallerError):
        native.loads(data)


@given(st.lists(st.tuples(st.integers(0, len(DATA) - 1), st.integers(0, 255)), max_size=4))
def test_damaged_bytes_are_a_vector_or_a_caller_error(damage: list[tuple[int, int]]) -> None:
    data = bytearray(DATA)
    for at, byte in damage:
        data[at] = byte
    with suppress(CallerError):
        native.loads(bytes(data))


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
        max_leaves=4,
    )
)
def test_a_header_of_any_json_is_a_caller_error(header: Any) -> None:
    for value in (header, {"__metadata__": header}, {"__metadata__": {native.CARD_KEY: header}}):
        text = json.dumps(value).encode()
        with pytest.raises(CallerError):
            native.loads(len(text).to_bytes(8, "little") + text)


@pytest.mark.parametrize("name", ["layers.01", "layers.-1", "layer.1", "layers.1.weight", "w"])
def test_other_tensor_names_are_refused(name: str) -> None:
    tensor = np.eye(8, dtype=np.float32)[0]
    metadata = {native.CARD_KEY: native.card_json(vector().card)}
    with pytest.raises(CallerError, match=r"expected 'layers\.<layer_idx>'"):
        native.loads(safetensors.numpy.save({name: tensor}, metadata=metadata))


def test_a_file_beyond_the_limit_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "MAX_FILE_BYTES", len(DATA))
    assert same(native.loads(DATA), vector())
    monkeypatch.setattr(native, "MAX_FILE_BYTES", len(DATA) - 1)
    monkeypatch.setattr(native, "_card_of", None)
    with pytest.raises(CallerError, match=f"{len(DATA)} bytes, more than the limit") as caught:
        native.loads(DATA)
    assert caught.value.code == "invalid_vector_file"


def padded(header_size: int) -> bytes:
    """Returns a file whose header has this size, as spaces behind its JSON make it."""
    size = int.from_bytes(DATA[:8], "little")
    header = DATA[8 : 8 + size].ljust(header_size)
    return header_size.to_bytes(8, "little") + header + DATA[8 + size :]


def test_a_header_beyond_the_limit_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert same(native.loads(padded(native.MAX_HEADER_BYTES)), vector())
    too_large = padded(native.MAX_HEADER_BYTES + 8)
    monkeypatch.setattr(native, "json", None)
    with pytest.raises(CallerError, match="no safetensors header"):
        native.loads(too_large)
