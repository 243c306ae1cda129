from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from steersman_vectors.errors import CallerError
from steersman_vectors.model_dir import (
    ModelShape,
    read_shape,
    resolve_model_dir,
)


def code_of(call: Any, *args: Any) -> str:
    with pytest.raises(CallerError) as caught:
        call(*args)
    return caught.value.code


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        ({"hidden_size": 64, "num_hidden_layers": 6}, (64, 6)),
        ({"n_embd": 64, "n_layer": 6}, (64, 6)),
        ({"d_model": 64, "n_layers": 6}, (64, 6)),
        ({"text_config": {"hidden_size": 64, "num_hidden_layers": 6}}, (64, 6)),
        (
            {
                "hidden_size": 9,
                "num_hidden_layers": 9,
                "text_config": {"hidden_size": 64, "num_hidden_layers": 6},
                "vision_config": {"hidden_size": 7, "num_hidden_layers": 7},
            },
            (64, 6),
        ),
        ({"hidden_size": 64, "num_hidden_layers": 6, "text_config": {"vocab_size": 5}}, (64, 6)),
    ],
)
def test_the_shape_is_that_of_the_text_model(
    tmp_path: Path, config: dict[str, Any], shape: tuple[int, int]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert read_shape(tmp_path) == ModelShape(*shape)


@pytest.mark.parametrize(
    "text", ["{}", "[]", "", "{", '{"hidden_size": "64", "num_hidden_layers": 6}', "[" * 100_000]
)
def test_configs_that_do_not_tell_the_shape(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert code_of(read_shape, tmp_path) == "model_unreadable"


def test_a_folder_without_a_config_has_no_shape(model_dir: Path) -> None:
    (model_dir / "config.json").unlink()
    assert code_of(read_shape, model_dir) == "model_unreadable"


def test_a_folder_resolves_to_itself_and_other_names_to_a_remedy(model_dir: Path) -> None:
    assert resolve_model_dir(str(model_dir)) == model_dir
    for model in ("./none", "/none/at/all", "", "a/b/c", "~nouser", str(model_dir / "config.json")):
        assert code_of(resolve_model_dir, model) == "model_not_found"


def test_hub_names_resolve_only_when_cached(
    tmp_path: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    hub = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(hub))
    with pytest.raises(CallerError, match="hf download org/model"):
        resolve_model_dir("org/model")
    commit = "c" * 40
    snapshot = hub / "models--org--model" / "snapshots" / commit
    shutil.copytree(model_dir, snapshot)
    (hub / "models--org--model" / "refs").mkdir()
    (hub / "models--org--model" / "refs" / "main").write_text(commit)
    assert resolve_model_dir("org/model") == snapshot
