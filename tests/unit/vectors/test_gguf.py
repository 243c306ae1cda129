from __future__ import annotations

import struct
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError
from steersman_vectors.formats import gguf_file
from steersman_vectors.formats.gguf_layout import read_layout

from .samples import differences, write_control_vector, write_gguf


@pytest.fixture(scope="module")
def gguf_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("gguf") / "v.gguf"
    return write_control_vector(path, differences()).read_bytes()


@given(seed=st.integers(0, 1000), layers=st.sets(st.integers(0, 99), min_size=1, max_size=4))
@settings(max_examples=25)
def test_scale_raw_adds_the_tensors_as_they_are(
    tmp_path_factory: pytest.TempPathFactory, seed: int, layers: set[int]
) -> None:
    tensors = differences(seed, tuple(sorted(layers)), hidden=17)
    path = write_control_vector(tmp_path_factory.mktemp("g") / "v.gguf", tensors)
    read = gguf_file.loads(path.read_bytes(), name="v")
    assert read.vector.layers == tuple(sorted(layers))
    assert read.zero_layers == ()
    for k, tensor in tensors.items():
        np.testing.assert_allclose(read.vector.delta(k, 1.0), tensor, rtol=1e-6, atol=1e-7)


def test_the_layout_is_what_the_gguf_package_reads(tmp_path: Path) -> None:
    path = write_control_vector(tmp_path / "v.gguf", differences())
    ours, theirs = read_layout(path.read_bytes()), GGUFReader(path)
    assert [(t.name, t.start) for t in ours.tensors] == [
        (t.name, t.data_offset) for t in theirs.tensors
    ]
    assert ours.keys["general.architecture"] == "controlvector"


def test_scale_unit_leaves_the_norm_on_the_card(gguf_bytes: bytes) -> None:
    made = gguf_file.loads(gguf_bytes, name="v", scale="unit").vector
    assert np.linalg.norm(made.delta(1, 3.0)) == pytest.approx(3.0)
    norm = float(np.linalg.norm(differences()[1]))
    assert made.card.layers[1].raw_norm == pytest.approx(norm)


def test_scale_residual_is_refused_because_a_gguf_has_no_such_norms(gguf_bytes: bytes) -> None:
    with pytest.raises(CallerError, match="expected raw or unit") as caught:
        gguf_file.loads(gguf_bytes, name="v", scale="residual")
    assert caught.value.code == "scale_unavailable"


def test_layer_zero_is_read_as_repeng_means_it_and_noted(tmp_path: Path) -> None:
    data = write_control_vector(tmp_path / "v.gguf", differences(layers=(0, 1))).read_bytes()
    read = gguf_file.loads(data, name="v")
    assert (read.vector.layers, read.notes) == ((0, 1), (gguf_file.LAYER_ZERO_NOTE,))
    assert gguf_file.loads(data, name="v").layer_rule == read.vector.card.recipe["layer_rule"]


@pytest.mark.parametrize(
    ("key", "value", "fine"),
    [
        ("glp.mode", "add", True),
        ("glp.mode", "project", False),
        ("glp.mode", "rotate", False),
        ("glp.hook_point", "residual_stream_post_layer", True),
        ("glp.hook_point", "ffn_out_pre_residual", False),
    ],
)
def test_files_for_another_operation_are_never_added(
    tmp_path: Path, key: str, value: str, fine: bool
) -> None:
    writer = GGUFWriter(tmp_path / "v.gguf", "controlvector")
    writer.add_string(key, value)
    writer.add_tensor("direction.1", ONES)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    data = (tmp_path / "v.gguf").read_bytes()
    if fine:
        assert gguf_file.loads(data, name="v").vector.layers == (1,)
        return
    with pytest.raises(CallerError, match=f"got {key} = '{value}'") as caught:
        gguf_file.loads(data, name="v")
    assert caught.value.code == "invalid_vector_file"


def test_layers_of_zeros_are_left_out_and_named(tmp_path: Path) -> None:
    tensors = {**differences(), 3: np.zeros(8, np.float32)}
    data = write_control_vector(tmp_path / "v.gguf", tensors).read_bytes()
    read = gguf_file.loads(data, name="v")
    assert (read.vector.layers, read.zero_layers) == ((1, 2), (3,))


ONES = np.ones(8, np.float32)


@pytest.mark.parametrize(
    ("tensors", "got"),
    [
        ({"direction.1": np.zeros(8, np.float32)}, "all zero"),
        ({"direction.1": ONES.astype(np.float16)}, "F16"),
        ({"direction.1": np.ones((2, 8), np.float32)}, r"shape \[8, 2\]"),
        ({"direction.1": ONES, "direction.2": np.ones(9, np.float32)}, r"\[8, 9\] values"),
        ({"direction.1": np.full(8, np.nan, np.float32)}, "NaN"),
        ({"direction.1": np.full(8, np.inf, np.float32)}, "infinity"),
        ({"direction.01": ONES}, "'direction.01'"),
        ({"direction.5000": ONES}, "'direction.5000'"),
        ({"token_embd.weight": ONES}, "'token_embd.weight'"),
        ({}, "no tensors"),
    ],
)
def test_other_gguf_files_are_refused(tmp_path: Path, tensors: dict, got: str) -> None:
    data = write_gguf(tmp_path / "v.gguf", tensors).read_bytes()
    with pytest.raises(CallerError, match=got):
        gguf_file.loads(data, name="v")


def test_truncated_files_are_a_caller_error(gguf_bytes: bytes) -> None:
    last = len(gguf_bytes.rstrip(b"\0"))
    for size in range(last):
        with pytest.raises(CallerError):
            gguf_file.loads(gguf_bytes[:size], name="v")


@given(
    damage=st.lists(
        st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=8)), min_size=1, max_size=3
    )
)
@settings(max_examples=300)
def test_damaged_files_end_in_a_vector_or_a_caller_error(
    gguf_bytes: bytes, damage: list[tuple[int, bytes]]
) -> None:
    data = bytearray(gguf_bytes)
    for at, patch in damage:
        data[at : at + len(patch)] = patch
    with suppress(CallerError):
        gguf_file.loads(bytes(data), name="v")


@pytest.mark.parametrize(
    "data",
    [
        b"GGUF" + struct.pack("<IQQ", 3, 2**63, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**63),
        b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"a", 9, 4, 2**62),
        b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"a", 9, 8, 2**62),
        b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"a", 9, 9, 2**62),
        b"GGUF" + struct.pack("<IQQQ1sI", 3, 1, 0, 1, b"a", 2**31),
        b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
    ],
)
def test_impossible_counts_are_refused_at_once(data: bytes) -> None:
    started_s = time.monotonic()
    with pytest.raises(CallerError):
        gguf_file.loads(data + bytes(64), name="v")
    assert time.monotonic() - started_s < 10.0  # a reader that trusts them takes hours
