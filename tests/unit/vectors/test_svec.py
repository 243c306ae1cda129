from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError
from steersman_vectors.formats import svec
from steersman_vectors.vector import from_differences

from .samples import differences, vector


def document(**changes: Any) -> dict[str, Any]:
    """What AISteer360's SteeringVector.save writes, with `changes`; None takes a key away."""
    made = {
        "model_type": "llama",
        "directions": {str(k): [t.tolist()] for k, t in differences().items()},
        "explained_variances": {"1": 0.5, "2": 0.25},
        **changes,
    }
    return {key: value for key, value in made.items() if value is not None}


def loads(value: Any, **options: Any) -> Any:
    return svec.loads(json.dumps(value).encode(), name="v", **options)


def refusal(data: bytes) -> str:
    with pytest.raises(CallerError) as caught:
        svec.loads(data, name="v")
    assert caught.value.code in ("invalid_vector_file", "invalid_vector")
    return caught.value.message


@given(
    seed=st.integers(0, 1000),
    layers=st.sets(st.integers(0, 1023), min_size=1, max_size=4),
    exponent=st.integers(-20, 20),
    scale=st.sampled_from(["raw", "unit", "residual"]),
)
@settings(max_examples=60, deadline=None)
def test_a_vector_survives_its_export(
    seed: int, layers: set[int], exponent: int, scale: str
) -> None:
    tensors = {k: t * 10.0**exponent for k, t in differences(seed, tuple(layers), 17).items()}
    norms = {k: 3.0 * (k + 1) for k in tensors}
    made = from_differences(
        tensors, name="v", scale=scale, residual_norms=norms, description="für ☃", license="MIT"
    )
    read = svec.loads(svec.dumps(made), name="v")
    again = read.vector
    assert again.layers == made.layers
    assert (again.card.description, again.card.license) == ("für ☃", "MIT")
    assert read.notes == ()
    for k in made.layers:
        np.testing.assert_allclose(again.directions[k], made.directions[k], rtol=2e-7, atol=1e-9)
        np.testing.assert_allclose(again.delta(k, 1.0), made.delta(k, 1.0), rtol=1e-6)
        assert again.card.layers[k].raw_norm == pytest.approx(made.coefficient(k, 1.0), rel=1e-6)


def test_the_other_programs_can_read_the_export() -> None:
    """Does what their `SteeringVector.load` does."""
    made = vector()
    data = json.loads(svec.dumps(made))
    assert data["model_type"] == "unknown"
    assert {int(k): v for k, v in data["explained_variances"].items()} == {}
    for k, values in data["directions"].items():
        np.testing.assert_allclose(np.array(values), made.delta(int(k), 1.0), rtol=1e-6)


@pytest.mark.parametrize("rows", [True, False])
def test_files_of_the_other_programs_are_read_undivided(rows: bool) -> None:
    tensors = differences()
    made = document(
        directions={str(k): [t.tolist()] if rows else t.tolist() for k, t in tensors.items()}
    )
    read = loads(made)
    assert read.notes == (svec.CAST_NOTE,)
    assert read.vector.card.recipe["model_hint"] == "llama"
    for k, tensor in tensors.items():
        np.testing.assert_allclose(read.vector.delta(k, 1.0), tensor, rtol=1e-6)


def test_layers_of_zeros_are_left_out_and_named() -> None:
    directions = {"1": [1.0, 0.0], "7": [0, 0]}
    read = loads(document(directions=directions))
    assert (read.vector.layers, read.zero_layers) == ((1,), (7,))


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ({"directions": None}, "no object 'directions'"),
        ({"directions": {}}, "no object 'directions'"),
        ({"directions": [[1.0]]}, "no object 'directions'"),
        ({"directions": {"01": [1.0]}}, "a layer '01'"),
        ({"directions": {"-1": [1.0]}}, "a layer '-1'"),
        ({"directions": {"1024": [1.0]}}, "a layer '1024'"),
        ({"directions": {"1": []}}, "no list of"),
        ({"directions": {"1": "abc"}}, "no list of"),
        ({"directions": {"1": [[]]}}, "no list of"),
        ({"directions": {"1": [True, 1.0]}}, "not numbers"),
        ({"directions": {"1": ["1.0"]}}, "not numbers"),
        ({"directions": {"1": [[[1.0]]]}}, "not numbers"),
        ({"directions": {"1": [10**400]}}, "integer too large"),
        ({"directions": {"1": [1.0], "2": [1.0, 2.0]}}, r"[1, 2] values"),
        ({"directions": {"1": [[1.0], [2.0]]}}, "2 rows"),
        ({"directions": {"1": [0.0, 0.0]}}, "all zero"),
        ({"directions": {"1": [float("nan")]}}, "NaN"),
        ({"directions": {"1": [float("-inf")]}}, "-Infinity"),
        ({"num_heads": 8}, "single attention heads"),
        ({"probe_accuracies": {}}, "single attention heads"),
        ({"model_type": 3}, "'model_type' of type int"),
        ({"operation": "project"}, "unknown keys ['operation']"),
        ({"steersman": []}, "'steersman'"),
        ({"steersman": {"version": 2}}, "version '2'"),
        ({"steersman": {"version": 1, "alpha": 3}}, "'steersman'"),
        ({"steersman": {"version": 1, "description": 1}}, "'description' of type int"),
    ],
)
def test_other_documents_are_refused(changes: dict[str, Any], got: str) -> None:
    assert got in refusal(json.dumps(document(**changes)).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b'{"directions": {"1": [1e999]}}',
        b'{"directions": {"1": [1.0]}, "directions": {"1": [2.0]}}',
        b'{"directions": {"1": [1.0], "1": [2.0]}}',
        b'{"directions": {"1": [1.0]}}\xff',
        '{"directions": {"1": [1.0]}}'.encode("utf-16"),
        b"[" * 100_000,
        b'{"a":' * 5000,
        b'{"directions": {"1": [' + b"[]," * 100_000 + b"[]]}}",
        b'{"directions": {"1": [' + b"9" * 100_000 + b"]}}",
    ],
)
def test_what_is_no_such_json_is_refused_at_once(data: bytes) -> None:
    started_s = time.monotonic()
    refusal(data)
    assert time.monotonic() - started_s < 10.0


def test_too_many_bytes_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(svec, "MAX_BYTES", 100)
    assert "more than 100" in refusal(svec.dumps(vector()))


DATA = svec.dumps(vector())


@given(st.integers(0, len(DATA) - 1))
def test_truncated_files_are_a_caller_error(size: int) -> None:
    refusal(DATA[:size])


@given(st.lists(st.tuples(st.integers(0, len(DATA) - 1), st.integers(0, 255)), max_size=4))
@settings(max_examples=300)
def test_damaged_files_end_in_a_vector_or_a_caller_error(damage: list[tuple[int, int]]) -> None:
    data = bytearray(DATA)
    for at, byte in damage:
        data[at] = byte
    with suppress(CallerError):
        svec.loads(bytes(data), name="v")
