from __future__ import annotations

import io
import pickle
import struct
import sys
import tracemalloc
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.formats import native, torch_layers, torch_pickle
from steersman_vectors.formats.reader import VectorFile, read_vector_file
from steersman_vectors.formats.torch_file import MAX_PICKLE_BYTES, load_tensor

pytestmark = pytest.mark.filterwarnings(
    "ignore:Detected pickle protocol", "ignore:invalid escape sequence"
)

LAYERS, HIDDEN = 4, 8


def saved(value: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def matrix(rows: int = LAYERS + 1, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(rows, HIDDEN, generator=torch.Generator().manual_seed(0)).to(dtype)


def read(path: Path, **options: Any) -> VectorFile:
    return read_vector_file(path, name="v", **{"scale": None, "num_layers": LAYERS, **options})


def code_of(path: Path, **options: Any) -> str:
    with pytest.raises(CallerError) as caught:
        read(path, **options)
    return caught.value.code


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Saves a value with torch, under a name that says nothing of the format."""

    def write(value: Any, name: str = "v.pt", **options: Any) -> Path:
        (tmp_path / name).write_bytes(saved(value, **options))
        return tmp_path / name

    return write


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_a_matrix_is_in_the_order_of_hidden_states(write: Any, dtype: torch.dtype) -> None:
    tensor = matrix(dtype=dtype)
    found = read(write(tensor, "any.bin"))
    assert (found.file_format, found.layer_rule) == ("torch", torch_layers.ROW_RULE)
    assert found.vector.layers == tuple(range(LAYERS))
    for k in range(LAYERS):
        row = tensor[k + 1].to(torch.float64).numpy()
        np.testing.assert_allclose(found.vector.delta(k, 1.0), row, rtol=1e-6)
        assert found.vector.card.layers[k].raw_norm == pytest.approx(np.linalg.norm(row))


def test_row_zero_is_left_out_and_said_when_it_holds_something(write: Any) -> None:
    tensor = matrix()
    assert torch_layers.ROW_ZERO_NOTE in read(write(tensor)).notes
    tensor[0] = 0
    assert read(write(tensor)).notes == ()


def test_rows_of_zeros_are_left_out_and_named(write: Any) -> None:
    tensor = torch.zeros(LAYERS + 1, HIDDEN)
    tensor[3] = 2.0
    found = read(write(tensor))
    assert found.vector.layers == (2,)
    assert found.notes == ("left out layers [0, 1, 3]: all zeros in the file",)


@pytest.mark.parametrize("rows", [1, LAYERS, LAYERS + 2])
def test_another_number_of_rows_names_got_and_expected(write: Any, rows: int) -> None:
    with pytest.raises(CallerError, match=f"got {rows}, expected 5") as caught:
        read(write(matrix(rows)))
    assert caught.value.code == "num_layers_mismatch"


def test_a_matrix_without_a_model_is_refused(write: Any) -> None:
    assert code_of(write(matrix()), num_layers=None) == "num_layers_unknown"


def test_one_layer_is_named_by_its_file(write: Any) -> None:
    found = read(write(matrix()[2], "layer_2.pt"), num_layers=None)
    assert (found.vector.layers, found.layer_rule) == ((2,), torch_layers.FILE_RULE)
    np.testing.assert_allclose(found.vector.delta(2, 1.0), matrix()[2].numpy(), rtol=1e-6)


@pytest.mark.parametrize("name", ["v.pt", "layer_02.pt", "layer_-1.pt", "layer_1024.pt", "layer_"])
def test_one_layer_without_a_number_is_refused(write: Any, name: str) -> None:
    assert code_of(write(matrix()[2], name)) == "invalid_vector_file"


def test_a_matrix_named_for_one_layer_is_refused(write: Any) -> None:
    assert code_of(write(matrix(), "layer_2.pt")) == "invalid_vector_file"


def test_a_folder_is_one_vector(write: Any, tmp_path: Path) -> None:
    for k in (3, 0, 2):
        write(matrix()[k], f"layer_{k}.pt")
    write(torch.zeros(HIDDEN), "layer_1.pt")
    (tmp_path / "meta.json").write_text("{}")
    found = read(tmp_path, num_layers=None)
    assert found.vector.layers == (0, 2, 3)
    assert found.notes == (
        "left out 1 other files: ['meta.json']",
        "left out layers [1]: all zeros in the file",
    )
    for k in (0, 2, 3):
        np.testing.assert_allclose(found.vector.delta(k, 1.0), matrix()[k].numpy(), rtol=1e-6)
    assert code_of(tmp_path, hidden_size=16) == "hidden_size_mismatch"


def test_folders_with_anything_doubtful_are_refused(write: Any, tmp_path: Path) -> None:
    assert code_of(tmp_path) == "file_unreadable"
    write(matrix()[1], "layer_1.pt")
    doubtful: dict[str, tuple[bytes, str]] = {
        "layer_02.pt": (saved(matrix()[2]), "invalid_vector_file"),
        "all.pt": (saved(matrix()), "invalid_vector_file"),
        "layer_2.pt": (saved(matrix()), "invalid_vector_file"),
        "layer_3.pt": (saved(torch.ones(HIDDEN + 1)), "invalid_vector_file"),
        "layer_4.pt": (pickle.dumps([1.0]), "unsafe_format"),
        "layer_5.pt": (native.dumps(read(tmp_path).vector), "unsafe_format"),
    }
    for name, (data, code) in doubtful.items():
        (tmp_path / name).write_bytes(data)
        assert code_of(tmp_path) == code, name
        (tmp_path / name).unlink()
    (tmp_path / "layer_6.pt").mkdir()
    assert code_of(tmp_path) == "file_unreadable"


def test_a_folder_as_large_as_a_model_is_refused(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for k in (1, 2):
        size = write(matrix()[k], f"layer_{k}.pt").stat().st_size
    monkeypatch.setattr(native, "MAX_FILE_BYTES", 2 * size - 1)
    assert code_of(tmp_path) == "invalid_vector_file"


class Touch:
    """A pickle of it creates a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def test_reading_never_runs_code(write: Any, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    for value in (Touch(ran), [Touch(ran)], {"a": torch.ones(8), "b": Touch(ran)}):
        for name in ("v.pt", "layer_1.pt"):
            assert code_of(write(value, name)) == "unsafe_format"
            legacy = write(value, name, _use_new_zipfile_serialization=False)
            assert code_of(legacy) == "unsafe_format"
            legacy.write_bytes(pickle.dumps(value))
            assert code_of(legacy) == "unsafe_format"
    write(Touch(ran), "layer_1.pt")
    assert code_of(tmp_path) in ("unsafe_format", "invalid_vector_file")
    assert not ran.exists()


def test_a_module_or_a_program_is_refused(write: Any, tmp_path: Path) -> None:
    assert code_of(write(torch.nn.Linear(2, 2))) == "unsafe_format"
    (tmp_path / "code.pt").write_bytes(
        archive({"archive/data.pkl": b"", "archive/code/a.py": b"", "archive/constants.pkl": b""})
    )
    assert code_of(tmp_path / "code.pt") == "unsafe_format"


def with_pickle(pickled: bytes) -> bytes:
    return archive({"archive/data.pkl": pickled, "archive/version": b"3\n"})


COUNTS_FOR_LONG = (
    b"\x80\x02ccollections\nCounter\ncbuiltins\nbytearray\n"
    + b"J"
    + struct.pack("<i", 10_000_000)
    + b"\x85R\x85R."
)


@pytest.mark.parametrize(
    ("pickled", "code", "named"),
    [
        (COUNTS_FOR_LONG, "invalid_vector_file", r"collections\.Counter"),
        (COUNTS_FOR_LONG[23:], "invalid_vector_file", r"builtins\.bytearray"),
        (b"\x80\x02cbuiltins\nset\n].", "invalid_vector_file", r"builtins\.set"),
        (b"\x80\x02cbuiltins\neval\n.", "unsafe_format", r"builtins\.eval"),
        (b"\x80\x02ctorch.storage\n_load_from_bytes\n.", "unsafe_format", "_load_from_bytes"),
        (b"\x80\x02ctorch.hub\nload\n.", "unsafe_format", r"torch\.hub\.load"),
        (b"(ibuiltins\neval\n.", "unsafe_format", "INST"),
        (pickle.dumps(Counter, 4), "unsafe_format", "STACK_GLOBAL"),
        (
            b"\x80\x04\x8c\x0bcollections\x94\x8c\x07Counter\x940h\x00h\x01\x93.",
            "unsafe_format",
            "STACK_GLOBAL",
        ),
    ],
)
def test_a_global_that_no_tensor_needs_is_named_before_torch_reads_it(
    monkeypatch: pytest.MonkeyPatch, pickled: bytes, code: str, named: str
) -> None:
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(CallerError, match=named) as caught:
        load_tensor(with_pickle(pickled))
    assert caught.value.code == code


def test_a_pickle_of_more_than_a_tensor_is_not_even_scanned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch_pickle, "first_unneeded", None)
    pickled = b"\x80\x02" + b"N0" * (MAX_PICKLE_BYTES // 2) + b"N."
    with pytest.raises(CallerError, match=f"a pickle of {len(pickled)} bytes"):
        load_tensor(with_pickle(pickled))


def test_torch_gets_no_record_that_was_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a zip reader of its own, which might find others than Python's does."""
    real, given_to_torch = torch.load, []

    def load(file: io.BytesIO, **options: Any) -> Any:
        given_to_torch.append(unpacked(file.getvalue()))
        return real(file, **options)

    monkeypatch.setattr(torch, "load", load)
    hidden = {"archive/DATA.PKL": COUNTS_FOR_LONG, "other/data/0": b"", **FILES}
    with pytest.raises(CallerError, match="did not write"):
        load_tensor(archive(hidden))
    del hidden["other/data/0"]
    np.testing.assert_array_equal(load_tensor(archive(hidden)), matrix().numpy())
    (records,) = given_to_torch
    assert records == {k: v for k, v in FILES.items() if "serialization_id" not in k}


def tensor_pickle(stored: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """Returns the pickle of a tensor that says this of itself, whatever its record holds."""
    buffer = io.BytesIO()

    class Pickler(pickle._Pickler):
        def persistent_id(self, value: Any) -> Any:
            return ("storage", torch.FloatStorage, "0", "cpu", stored) if value is FILES else None

    class Tensor:
        def __reduce__(self) -> tuple[Any, ...]:
            arguments = (FILES, 0, shape, stride, False, OrderedDict())
            return torch._utils._rebuild_tensor_v2, arguments

    Pickler(buffer, 2).dump(Tensor())
    return buffer.getvalue()


HUGE = 10**12


@pytest.mark.parametrize(
    ("stored", "shape", "stride"),
    [
        (HUGE, (HUGE // 8, 8), (8, 1)),
        (40, (HUGE // 8, 8), (8, 1)),
        (40, (HUGE // 8, 8), (0, 0)),
        (40, (HUGE // 8, 8), (0, 1)),
        (40, (5, 8), (8, HUGE)),
        (41, (5, 8), (8, 1)),
    ],
)
def test_a_tensor_larger_than_its_record_is_refused_before_it_is_made(
    stored: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    good = {**FILES, "archive/data.pkl": tensor_pickle(40, (5, 8), (8, 1))}
    np.testing.assert_array_equal(load_tensor(archive(good)), matrix().numpy())
    bad = {**FILES, "archive/data.pkl": tensor_pickle(stored, shape, stride)}
    tracemalloc.start()
    try:
        with pytest.raises(CallerError) as caught:
            load_tensor(archive(bad))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert caught.value.code == "invalid_vector_file"


@pytest.mark.parametrize(
    "value",
    [
        {"v": matrix()},
        [matrix()],
        3.0,
        None,
        torch.tensor(1.0),
        torch.ones(2, 5, 8),
        torch.ones(0, 8),
        torch.ones(5, 0),
        matrix().to(torch.int64),
        matrix().to(torch.complex64),
        matrix().to(torch.float8_e4m3fn),
        matrix() > 0,
        matrix().to_sparse(),
        torch.ones(5, 8, device="meta"),
        torch.zeros(5, 8),
        torch.full((5, 8), torch.nan),
        torch.full((5, 8), torch.inf),
        torch.ones(1, 1).expand(5, 1_000_000),
        torch.ones(5, 1_000_001),
    ],
    ids=lambda value: str(getattr(value, "shape", type(value).__name__)),
)
def test_anything_but_a_float_tensor_is_refused(write: Any, value: Any) -> None:
    assert code_of(write(value)) in ("invalid_vector_file", "num_layers_mismatch")


def test_parameters_and_views_are_tensors(write: Any) -> None:
    assert read(write(torch.nn.Parameter(matrix()))).vector.layers == (0, 1, 2, 3)
    wide = torch.arange(80.0).reshape(8, 10).T[:5]
    found = read(write(wide))
    np.testing.assert_allclose(found.vector.delta(0, 1.0), wide[1].numpy(), rtol=1e-6)


def archive(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return buffer.getvalue()


def unpacked(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        return {name: found.read(name) for name in found.namelist()}


FILES = unpacked(saved(matrix()))


@pytest.mark.parametrize(
    "data",
    [
        archive({"a.txt": b"hello"}),
        archive(FILES, zipfile.ZIP_DEFLATED),
        archive({**FILES, "archive/bomb": bytes(50_000_000)}, zipfile.ZIP_DEFLATED),
        archive({**FILES, **{f"archive/data/{k}": b"" for k in range(1, 100)}}),
        archive({**FILES, "archive/data.pkl": bytes(100_000)}),
        archive({**FILES, "archive/data/0": b"1234"}),
        archive({**FILES, "archive/data.pkl": b""}),
        archive({k: v for k, v in FILES.items() if k != "archive/data/0"}),
    ],
)
def test_other_archives_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "v.pt").write_bytes(data)
    assert code_of(tmp_path / "v.pt") in ("invalid_vector_file", "unsafe_format")


def test_the_archive_is_checked_before_torch_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(CallerError, match="compressed"):
        torch_layers.loads(archive(FILES, zipfile.ZIP_DEFLATED), "v.pt", name="v", num_layers=4)


DATA = saved(matrix())


def test_truncated_files_are_a_caller_error() -> None:
    for size in range(0, len(DATA), 7):
        with pytest.raises(CallerError):
            torch_layers.loads(DATA[:size], "v.pt", name="v", num_layers=LAYERS)


@given(
    damage=st.lists(
        st.tuples(st.integers(0, len(DATA) - 8), st.binary(min_size=1, max_size=8)),
        min_size=1,
        max_size=3,
    )
)
@settings(max_examples=300, deadline=None)
def test_damaged_files_end_in_a_vector_or_a_caller_error(damage: list[tuple[int, bytes]]) -> None:
    data = bytearray(DATA)
    for at, patch in damage:
        data[at : at + len(patch)] = patch
    with suppress(CallerError):
        torch_layers.loads(bytes(data), "v.pt", name="v", num_layers=LAYERS)


@given(
    damage=st.lists(
        st.tuples(st.integers(0, len(FILES["archive/data.pkl"]) - 1), st.integers(0, 255)),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=300, deadline=None)
def test_damaged_pickles_end_in_a_vector_or_a_caller_error(damage: list[tuple[int, int]]) -> None:
    """In an archive whose checksums are right, so that torch reads the pickle."""
    damaged = bytearray(FILES["archive/data.pkl"])
    for at, byte in damage:
        damaged[at] = byte
    data = archive({**FILES, "archive/data.pkl": bytes(damaged)})
    with suppress(CallerError):
        torch_layers.loads(data, "v.pt", name="v", num_layers=LAYERS)


def test_without_torch_the_error_says_what_to_install(
    write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(matrix())
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(OperatorError, match=r"Install steersman\[cpu\]") as caught:
        read(path)
    assert caught.value.code == "torch_missing"
