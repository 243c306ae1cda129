from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from steersman_vectors.card import Preset
from steersman_vectors.errors import CallerError
from steersman_vectors.formats import native
from steersman_vectors.formats.reader import read_vector, read_vector_file
from steersman_vectors.formats.writer import export

from .samples import differences, vector, write_control_vector


def code_of(path: Path, **options: object) -> str:
    with pytest.raises(CallerError) as caught:
        read_vector(path, name="v", **{"scale": None, **options})  # type: ignore[arg-type]
    return caught.value.code


def test_the_content_decides_the_format(tmp_path: Path) -> None:
    misnamed = write_control_vector(tmp_path / "v.safetensors", differences())
    assert read_vector_file(misnamed, name="v", scale=None).file_format == "gguf"
    native.save(vector(), tmp_path / "v.gguf")
    read = read_vector_file(tmp_path / "v.gguf", name="v", scale=None)
    assert read.file_format == "native"
    assert "layer_idx" in read.layer_rule


def test_a_native_file_takes_the_name_it_is_given_and_keeps_its_scale(tmp_path: Path) -> None:
    native.save(vector(name="old", scale="unit"), tmp_path / "v")
    card = read_vector(tmp_path / "v", name="new", scale=None).card
    assert (card.name, card.scale) == ("new", "unit")
    assert read_vector(tmp_path / "v", name="new", scale="raw").card.scale == "raw"


def test_a_scale_that_the_card_has_no_norms_for_is_refused(tmp_path: Path) -> None:
    native.save(vector(), tmp_path / "v")
    assert code_of(tmp_path / "v", scale="residual") == "scale_unavailable"


def test_presets_are_never_carried_into_another_scale(tmp_path: Path) -> None:
    native.save(vector(presets={"low": Preset(alpha=1.0)}), tmp_path / "v")
    assert code_of(tmp_path / "v", scale="unit") == "scale_unavailable"
    assert read_vector(tmp_path / "v", name="v", scale="raw").card.presets


def test_pickles_are_refused_with_the_reason(tmp_path: Path) -> None:
    for protocol in range(2, 6):
        (tmp_path / "v.pt").write_bytes(pickle.dumps([1.0], protocol=protocol))
        assert code_of(tmp_path / "v.pt") == "unsafe_format"


def test_an_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "v.pt").write_bytes(b"PK\x03\x04" + bytes(100))
    assert code_of(tmp_path / "v.pt") == "invalid_vector_file"


def test_a_safetensors_header_that_starts_like_a_pickle_is_read(tmp_path: Path) -> None:
    for padding in range(400):
        data = native.dumps(vector(layers=(1,), description="x" * padding))
        if data[:2] in (b"\x80\x01", b"\x80\x02", b"\x80\x03"):
            break
    else:
        pytest.fail("no header of 384, 640 or 896 bytes")
    (tmp_path / "v").write_bytes(data)
    assert read_vector(tmp_path / "v", name="v", scale=None).layers == (1,)


def test_a_safetensors_header_that_starts_like_json_is_read(tmp_path: Path) -> None:
    data = native.dumps(vector(layers=(1,)))
    size = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + size] + b" " * (-(size - ord("{")) % 256)
    (tmp_path / "v").write_bytes(len(header).to_bytes(8, "little") + header + data[8 + size :])
    assert (tmp_path / "v").read_bytes()[:1] == b"{"
    assert read_vector_file(tmp_path / "v", name="v", scale=None).file_format == "native"


@pytest.mark.parametrize("file_format", ["native", "gguf", "svec"])
def test_every_export_is_read_back_whatever_it_is_called(tmp_path: Path, file_format: str) -> None:
    made = vector(name="v")
    (tmp_path / "file.txt").write_bytes(export(made, file_format).data)
    read = read_vector_file(tmp_path / "file.txt", name="v", scale=None)
    assert (read.file_format, read.vector.layers) == (file_format, made.layers)
    assert read.vector.card.scale == "raw"
    for layer_idx in made.layers:
        np.testing.assert_allclose(
            read.vector.delta(layer_idx, 1.0), made.delta(layer_idx, 1.0), rtol=2e-6
        )


def test_scale_unit_is_never_silent(tmp_path: Path) -> None:
    for file_format in ("gguf", "svec"):
        (tmp_path / "v").write_bytes(export(vector(), file_format).data)
        read = read_vector_file(tmp_path / "v", name="v", scale="unit")
        assert any("alpha is now the norm" in note for note in read.notes)
        assert code_of(tmp_path / "v", scale="residual") == "scale_unavailable"


def test_another_hidden_size_names_got_and_expected(tmp_path: Path) -> None:
    native.save(vector(), tmp_path / "v")
    with pytest.raises(CallerError, match="got hidden size 8, expected 16"):
        read_vector(tmp_path / "v", name="v", scale=None, hidden_size=16)


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "none", tmp_path / "pipe", tmp_path / "none" / "x"):
        assert code_of(path) == "file_unreadable"


def test_files_as_large_as_models_are_not_read(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(native.MAX_FILE_BYTES + 1)
    assert code_of(tmp_path / "big") == "invalid_vector_file"


def test_names_are_checked_before_the_file(tmp_path: Path) -> None:
    with pytest.raises(CallerError) as caught:
        read_vector(tmp_path / "none", name="No", scale=None)
    assert caught.value.code == "invalid_name"
