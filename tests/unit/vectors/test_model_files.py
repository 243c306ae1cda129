"""Which files count is what vLLM reads by its own choice; vLLM is asked, where it is installed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from steersman_vectors.errors import CallerError
from steersman_vectors.model_files import (
    code_files,
    config_files,
    has_mistral_config,
    has_mistral_tokenizer,
    quantization_files,
    tokenizer_files,
    weight_files,
)

SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
PARTS = ["consolidated-00001-of-00002.safetensors", "consolidated-00002-of-00002.safetensors"]
INDEX = "model.safetensors.index.json"


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"x")


def write_index(folder: Path, name: str, *files: str) -> None:
    weight_map = {f"w{i}": file for i, file in enumerate(files)}
    (folder / name).write_text(json.dumps({"weight_map": weight_map}))


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def hf_with_a_stray_file(folder: Path) -> None:
    write(folder, *SHARDS, "stray.safetensors")
    write_index(folder, INDEX, *SHARDS)


def both_formats(folder: Path) -> None:
    hf_with_a_stray_file(folder)
    write(folder, "consolidated.safetensors", "params.json", "pytorch_model.bin")


def sharded_mistral(folder: Path) -> None:
    both_formats(folder)
    write(folder, *PARTS)
    write_index(folder, "consolidated.safetensors.index.json", *PARTS)


def torch_files(folder: Path) -> None:
    write(folder, "pytorch_model.bin", "more.bin", "training_args.bin", "optimizer.bin", "x.pt")
    write_index(folder, "pytorch_model.bin.index.json", "pytorch_model.bin")


FOLDERS: list[tuple[Callable[[Path], None], list[str]]] = [
    (lambda d: write(d, *SHARDS, "x.bin", "._x.safetensors"), SHARDS),
    (hf_with_a_stray_file, SHARDS),
    (both_formats, ["consolidated.safetensors"]),
    (sharded_mistral, PARTS),
    (torch_files, ["more.bin", "pytorch_model.bin"]),
    (lambda d: write(d, "a.pt", "scheduler.pt", "scaler.pt", "optimizer.pt"), ["a.pt"]),
]


@pytest.mark.parametrize(("make", "expected"), FOLDERS)
def test_weights_are_those_that_vllm_loads(
    tmp_path: Path, make: Callable[[Path], None], expected: list[str]
) -> None:
    make(tmp_path)
    assert names(weight_files(tmp_path)) == expected
    loader = pytest.importorskip("vllm.model_executor.model_loader.default_loader")
    from vllm.config.load import LoadConfig

    _, read, *_ = loader.DefaultModelLoader(LoadConfig())._prepare_weights(
        str(tmp_path), None, None, True, None
    )
    assert sorted(Path(path).name for path in read) == expected


@pytest.mark.parametrize("own_format", [False, True])
@pytest.mark.parametrize("tokenizer", ["tokenizer.json", "tekken.json", "tokenizer.model.v3"])
def test_the_tokenizer_is_mistral_s_where_vllm_takes_that(
    tmp_path: Path, own_format: bool, tokenizer: str
) -> None:
    write(tmp_path, tokenizer, "consolidated.safetensors" if own_format else "model.safetensors")
    registry = pytest.importorskip("vllm.tokenizers.registry")
    mode, *_ = registry.resolve_tokenizer_args(str(tmp_path))
    assert (mode == "mistral") is has_mistral_tokenizer(tmp_path)


def test_folders_that_are_not_whole_models(model_dir: Path) -> None:
    (model_dir / SHARDS[0]).unlink()
    write_index(model_dir, INDEX, SHARDS[0], "x")
    with pytest.raises(CallerError, match="2 missing weight file"):
        weight_files(model_dir)
    for path in model_dir.glob("*.safetensors"):
        path.unlink()
    with pytest.raises(CallerError, match="no weights") as caught:
        weight_files(model_dir)
    assert caught.value.code == "model_unreadable"


def test_an_index_leaves_out_what_is_not_loaded(model_dir: Path) -> None:
    shutil.copy(model_dir / SHARDS[0], model_dir / "more.safetensors")
    write_index(model_dir, INDEX, *SHARDS, SHARDS[1])
    assert names(weight_files(model_dir)) == SHARDS


def test_a_link_to_nothing_is_a_file_that_is_missing(tmp_path: Path) -> None:
    write(tmp_path, "a.safetensors")
    (tmp_path / "b.safetensors").symlink_to("nothing")
    (tmp_path / "tekken.json").symlink_to("nothing")
    assert names(weight_files(tmp_path)) == ["a.safetensors", "b.safetensors"]
    assert names(tokenizer_files(tmp_path)) == ["tekken.json"]


def test_every_file_that_a_tokenizer_may_be_read_from_counts(tmp_path: Path) -> None:
    tokenizer = (
        *("added_tokens.json", "merges.txt", "qwen.tiktoken", "special_tokens_map.json"),
        *("spiece.model", "tekken.json", "tiktoken.model", "tokenizer.4.0.json", "tokenizer.json"),
        *("tokenizer.model", "tokenizer.model.v3", "vocab.json", "vocab.txt"),
    )
    write(tmp_path, *tokenizer, "README.md", "chat_template.jinja", "generation_config.json")
    assert names(tokenizer_files(tmp_path)) == sorted(tokenizer)


def test_mistral_s_files_count_only_where_vllm_prefers_them(tmp_path: Path) -> None:
    write(tmp_path, "params.json", "tekken.json", "model.safetensors")
    assert not has_mistral_config(tmp_path)
    assert not has_mistral_tokenizer(tmp_path)
    assert config_files(tmp_path) == []
    write(tmp_path, "consolidated.safetensors")
    assert has_mistral_config(tmp_path)
    assert has_mistral_tokenizer(tmp_path)
    assert names(config_files(tmp_path)) == ["params.json"]


def test_files_of_quantisation_architecture_and_code(tmp_path: Path) -> None:
    quantization = [
        "gptq_quantize_config.json",
        "hf_quant_config.json",
        "quant_config.json",
        "quantization_config.json",
        "quantize_config.json",
    ]
    more = ["joint_head_config.json", "sparse_attention_config.json"]
    write(tmp_path, *quantization, *more, "modeling_x.py", "config.json")
    assert names(quantization_files(tmp_path)) == quantization
    assert names(config_files(tmp_path)) == more
    assert names(code_files(tmp_path)) == ["modeling_x.py"]
