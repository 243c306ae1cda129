from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from gguf import GGUFReader
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from steersman_server.cli import vector_changes, vector_export, vector_push
from steersman_vectors.card import Preset
from steersman_vectors.errors import CallerError
from steersman_vectors.formats import gguf_file, native, svec
from steersman_vectors.formats.writer import EXPORT_FORMATS, export
from steersman_vectors.scale import Scale
from steersman_vectors.schedule import Constant, Linear
from steersman_vectors.vector import SteeringVector, from_differences

from .samples import FP_A, differences, vector, write_control_vector

BLOCKS = 100


def llama_cpp(path: Path, strength: float = 1.0) -> dict[int, NDArray[np.float32]]:
    """Returns what llama.cpp adds to the output of each of its blocks; {} for a file it refuses.

    `common_control_vector_load_one` fills a buffer that starts at layer 1, and
    `llama_adapter_cvec::apply` hands each block from 1 up its part of it.
    """
    buffer = np.zeros(0, np.float32)
    hidden = -1
    for tensor in GGUFReader(path).tensors:
        kind, _, number = tensor.name.partition(".")
        if kind != "direction" or int(number) <= 0 or tensor.tensor_type.name != "F32":
            return {}
        if len(tensor.shape) != 1 or hidden not in (-1, int(tensor.n_elements)):
            return {}
        hidden = int(tensor.n_elements)
        end = hidden * int(number)
        buffer = np.pad(buffer, (0, max(0, end - len(buffer))))
        buffer[end - hidden : end] += np.float32(strength) * tensor.data
    return {
        block: buffer[hidden * (block - 1) : hidden * block]
        for block in range(1, BLOCKS)
        if hidden * block <= len(buffer)
    }


def code_of(made: SteeringVector, file_format: str) -> str:
    with pytest.raises(CallerError) as caught:
        export(made, file_format)
    return caught.value.code


def test_formats_and_their_endings() -> None:
    assert EXPORT_FORMATS == {"native": ".safetensors", "gguf": ".gguf", "svec": ".svec"}
    for file_format in EXPORT_FORMATS:
        assert export(vector(), file_format).data


def test_an_unknown_format_names_the_known() -> None:
    with pytest.raises(CallerError, match="got 'pt', expected one of native, gguf, svec") as caught:
        export(vector(), "pt")
    assert caught.value.code == "unknown_format"


def test_native_is_the_registered_bytes() -> None:
    made = vector(fingerprint=FP_A, presets={"low": Preset(alpha=1.0)})
    exported = export(made, "native")
    assert (exported.data, exported.notes) == (native.dumps(made), ())


@given(
    seed=st.integers(0, 1000),
    layers=st.sets(st.integers(1, BLOCKS - 1), min_size=1, max_size=4),
    exponent=st.integers(-20, 20),
    scale=st.sampled_from(["raw", "unit", "residual"]),
)
@settings(max_examples=40, deadline=None)
def test_llama_cpp_adds_at_strength_1_what_alpha_1_adds(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    layers: set[int],
    exponent: int,
    scale: Scale,
) -> None:
    tensors = {k: t * 10.0**exponent for k, t in differences(seed, tuple(layers), 17).items()}
    made = from_differences(
        tensors, name="v", scale=scale, residual_norms={k: 2.0 * k for k in tensors}
    )
    path = tmp_path_factory.mktemp("g") / "v.gguf"
    path.write_bytes(export(made, "gguf").data)
    added = llama_cpp(path)
    for block in range(BLOCKS):
        got = added.get(block, np.zeros(17, np.float32))
        expected = made.delta(block, 1.0) if block in layers else np.zeros(17, np.float32)
        np.testing.assert_array_equal(got, expected)
    for block, half in llama_cpp(path, 0.5).items():
        if block in layers:
            np.testing.assert_allclose(half, made.delta(block, 0.5), rtol=1e-6)

    again = gguf_file.loads(path.read_bytes(), name="v").vector
    assert again.layers == made.layers
    for k in made.layers:
        np.testing.assert_allclose(again.directions[k], made.directions[k], rtol=3e-7, atol=1e-9)
        assert again.card.layers[k].raw_norm == pytest.approx(made.coefficient(k, 1.0), rel=1e-6)


def test_what_we_import_is_what_llama_cpp_adds(tmp_path: Path) -> None:
    path = write_control_vector(tmp_path / "v.gguf", differences(layers=(1, 3)))
    ours, theirs = gguf_file.loads(path.read_bytes(), name="v").vector, llama_cpp(path)
    assert [block for block, added in theirs.items() if added.any()] == list(ours.layers)
    for block in ours.layers:
        np.testing.assert_allclose(ours.delta(block, 1.0), theirs[block], rtol=1e-6)


def test_the_keys_are_those_that_repeng_writes(tmp_path: Path) -> None:
    (tmp_path / "v.gguf").write_bytes(
        export(
            vector(recipe={"model_hint": "qwen2"}, description="Wärme", license="MIT"), "gguf"
        ).data
    )
    reader = GGUFReader(tmp_path / "v.gguf")
    keys = {key: field.contents() for key, field in reader.fields.items() if "." in key}
    assert {key: value for key, value in keys.items() if not key.startswith("GGUF.")} == {
        "general.architecture": "controlvector",
        "controlvector.model_hint": "qwen2",
        "controlvector.layer_count": 2,
        "general.description": "Wärme",
        "general.license": "MIT",
    }
    assert [tensor.name for tensor in reader.tensors] == ["direction.1", "direction.2"]


def test_equal_vectors_export_to_equal_bytes() -> None:
    for file_format in EXPORT_FORMATS:
        assert export(vector(), file_format) == export(vector(), file_format)


def test_the_model_hint_travels_between_formats() -> None:
    made = vector(recipe={"model_hint": "llama"})
    read = gguf_file.loads(export(made, "gguf").data, name="v").vector
    again = svec.loads(export(read, "svec").data, name="v").vector
    assert again.card.recipe["model_hint"] == "llama"


def test_layer_zero_is_refused_as_llama_cpp_would(tmp_path: Path) -> None:
    made = vector(layers=(0, 1))
    assert llama_cpp(write_control_vector(tmp_path / "v", differences(layers=(0, 1)))) == {}
    with pytest.raises(CallerError, match="direction at layer 0") as caught:
        export(made, "gguf")
    assert caught.value.code == "export_unsupported"
    assert export(made, "svec").data


@pytest.mark.parametrize("file_format", ["gguf", "svec"])
def test_what_is_not_additive_is_refused(file_format: str) -> None:
    made = vector(scale="token")
    with pytest.raises(CallerError, match="Export it as native") as caught:
        export(made, file_format)
    assert caught.value.code == "export_unsupported"
    assert export(made, "native").data


@pytest.mark.parametrize("norm", [1e-45, 1e39])
def test_what_float32_cannot_hold_is_refused(norm: float) -> None:
    made = from_differences({1: np.array([norm, 0.0])}, name="v", scale="raw")
    for file_format in ("gguf", "svec"):
        assert code_of(made, file_format) == "export_unsupported"


CARRIED: dict[str, dict[str, Any]] = {
    "presets ['low']": {"presets": {"low": Preset(alpha=1.0)}},
    "scope 'assistant'": {"scope": "assistant"},
    "schedule 'linear'": {"schedule": Linear(tokens=3)},
    "alpha_max 3": {"alpha_max": 3.0},
    "fingerprint": {"fingerprint": FP_A},
    "['low'] were measured": {"presets": {"low": Preset(alpha=1.0, scope="generation")}},
    "scale 'unit' became raw": {"scale": "unit"},
    "'unknown'": {},
}


@pytest.mark.parametrize("file_format", ["gguf", "svec"])
@pytest.mark.parametrize("what", CARRIED)
def test_notes_name_what_the_file_leaves_out(file_format: str, what: str) -> None:
    notes = export(vector(**CARRIED[what]), file_format).notes
    assert what in "\n".join(notes)


@pytest.mark.parametrize("file_format", ["gguf", "svec"])
def test_nothing_is_said_about_what_the_card_does_not_have(file_format: str) -> None:
    made = vector(scope="all", schedule=Constant(), recipe={"model_hint": "llama"})
    notes = export(made, file_format).notes
    assert len(notes) == 1
    assert "what alpha 1 adds" in notes[0]


app = typer.Typer()
vector_changes.register(app)
vector_export.register(app)
vector_push.register(app)


def run(*args: object) -> Result:
    return CliRunner().invoke(app, list(map(str, args)))


def refused(*args: object) -> str:
    error = run(*args).exception
    assert isinstance(error, CallerError)
    return error.code


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to write to; `warm` with layers 1, 2 and `low` with layer 0 are registered."""
    monkeypatch.setenv("STEERSMAN_DATA_DIR", str(tmp_path / "data"))
    for name, layers in (("warm", (1, 2)), ("low", (0,))):
        native.save(vector(name=name, layers=layers, fingerprint=FP_A), tmp_path / "made")
        assert run("push", tmp_path / "made").exit_code == 0
    (tmp_path / "made").unlink()
    return tmp_path


def test_the_command_knows_the_formats() -> None:
    assert [option.value for option in vector_export.FormatOption] == list(EXPORT_FORMATS)


def test_the_command_writes_by_the_files_ending(registered: Path) -> None:
    made = vector(name="warm", fingerprint=FP_A)
    expected = {"a.gguf": "gguf", "a.SVEC": "svec", "a.safetensors": "native", "a": "native"}
    for name, file_format in expected.items():
        done = run("export", "warm", "--out", registered / name, "--json")
        assert (done.exit_code, json.loads(done.stdout)["format"]) == (0, file_format)
        exported = export(made, file_format)
        assert (registered / name).read_bytes() == exported.data
        assert json.loads(done.stdout)["notes"] == list(exported.notes)
    assert sorted(path.name for path in registered.iterdir()) == sorted([*expected, "data"])


def test_the_command_writes_to_stdout_and_talks_on_stderr(registered: Path) -> None:
    done = run("export", "warm@1", "--out", "-", "--format", "gguf")
    assert done.stdout_bytes == export(vector(name="warm", fingerprint=FP_A), "gguf").data
    assert "note: not in the file" in done.stderr
    assert refused("export", "warm", "--out", "-", "--json") == "output_conflict"


def test_the_command_replaces_a_file_only_with_force(registered: Path) -> None:
    out = registered / "a.gguf"
    out.write_text("mine")
    assert refused("export", "warm", "--out", out) == "file_exists"
    assert refused("export", "low", "--out", out, "--force") == "export_unsupported"
    assert out.read_text() == "mine"
    assert "warm@1: written to" in run("export", "warm", "--out", out, "--force").stdout
    assert out.read_bytes()[:4] == b"GGUF"


def test_the_command_refuses_where_it_cannot_write(registered: Path) -> None:
    (registered / "file").write_text("")
    for out in (registered, "/dev/null", registered / "none" / "x", registered / "file" / "x"):
        assert refused("export", "warm", "--out", out, "--force") == "file_unwritable"


def test_the_command_says_when_the_version_is_retired(registered: Path) -> None:
    assert run("retire", "warm@1", "--reason", "too warm").exit_code == 0
    done = run("export", "warm@1", "--out", registered / "a.gguf", "--json")
    assert re.search(r"warm@1 is retired .* too warm", json.loads(done.stdout)["notes"][-1])


def test_looking_for_nothing_creates_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEERSMAN_DATA_DIR", str(tmp_path / "data"))
    assert refused("export", "warm", "--out", tmp_path / "a.gguf") == "vector_not_found"
    assert not list(tmp_path.iterdir())
