from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steersman_vectors.fingerprint import fingerprint

from .samples import write_model

SHARD = "model-00001-of-00002.safetensors"


def edit_config(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


def edit_tokenizer(folder: Path, **changes: Any) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def flip_byte(path: Path, at: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


SAME: dict[str, Callable[[Path], Any]] = {
    "readme": lambda d: (d / "README.md").write_text("other"),
    "generation config": lambda d: (d / "generation_config.json").unlink(),
    "chat template": lambda d: (d / "chat_template.jinja").write_text("x"),
    "file times": lambda d: os.utime(d / SHARD, (1, 1)),
    "name of a shard": lambda d: (d / SHARD).rename(d / "other.safetensors"),
    "library version": lambda d: edit_config(d, lambda c: c.update(transformers_version="9")),
    "dtype": lambda d: edit_config(d, lambda c: c.update(dtype=c.pop("torch_dtype"))),
    "generation keys": lambda d: edit_config(d, lambda c: c.update(temperature=2.0, top_k=3)),
    "generation keys of the text part": lambda d: edit_config(
        d, lambda c: c["text_config"].update(top_k=3)
    ),
    "generation keys of a deeper text part": lambda d: edit_config(
        d, lambda c: c["thinker_config"]["text_config"].update(top_k=3)
    ),
    "the tokenizer's old path": lambda d: edit_tokenizer(d, name_or_path="/elsewhere"),
    "chat template in the tokenizer's config": lambda d: edit_tokenizer(d, chat_template="x"),
    "code that nobody asks for": lambda d: (d / "train.py").write_text("x"),
    "Mistral's config beside other weights": lambda d: (d / "params.json").write_text("{}"),
    "key order": lambda d: edit_config(
        d, lambda c: [c.update({k: c.pop(k)}) for k in sorted(c, reverse=True)]
    ),
}
DIFFERENT: dict[str, Callable[[Path], Any]] = {
    "a byte of the weights": lambda d: flip_byte(d / SHARD),
    "a byte of the tokenizer": lambda d: flip_byte(d / "tokenizer.json"),
    "no tokenizer": lambda d: (d / "tokenizer.json").unlink(),
    "a shard less": lambda d: (d / SHARD).unlink(),
    "a shard twice": lambda d: shutil.copy(d / SHARD, d / "more.safetensors"),
    "architecture": lambda d: edit_config(d, lambda c: c.update(num_hidden_layers=5)),
    "a nested key": lambda d: edit_config(d, lambda c: c["rope_scaling"].update(factor=4.0)),
    "a key nobody listed": lambda d: edit_config(d, lambda c: c.update(_sliding_window_pattern=6)),
    "quantisation": lambda d: edit_config(d, lambda c: c.update(quantization_config={"bits": 4})),
    "hf_quant_config.json": lambda d: (d / "hf_quant_config.json").write_text('{"bits": 4}'),
    "quantize_config.json": lambda d: (d / "quantize_config.json").write_text('{"bits": 4}'),
    "quant_config.json": lambda d: (d / "quant_config.json").write_text('{"bits": 4}'),
    "quantisation of the text part": lambda d: edit_config(
        d, lambda c: c["text_config"].update(quantization_config={"bits": 4})
    ),
    "a generation key that is the model's own": lambda d: edit_config(
        d, lambda c: c["ffn_config"].update(top_k=3)
    ),
    "a generation key within the text part": lambda d: edit_config(
        d, lambda c: c["text_config"]["router"].update(temperature=2.0)
    ),
    "a key of the tokenizer's config": lambda d: edit_tokenizer(d, add_bos_token=False),
    "no tokenizer config": lambda d: (d / "tokenizer_config.json").unlink(),
    "special tokens": lambda d: (d / "special_tokens_map.json").write_text("{}"),
    "added tokens": lambda d: (d / "added_tokens.json").write_text("{}"),
    "a second tokenizer": lambda d: (d / "tekken.json").write_text("{}"),
    "weights that vLLM prefers": lambda d: shutil.copy(d / SHARD, d / "consolidated.safetensors"),
    "more config": lambda d: (d / "sparse_attention_config.json").write_text("{}"),
}


@pytest.mark.parametrize("what", SAME)
def test_what_does_not_change_the_model_does_not_change_the_digest(
    model_dir: Path, what: str
) -> None:
    before = fingerprint(model_dir)
    SAME[what](model_dir)
    assert fingerprint(model_dir) == before


@pytest.mark.parametrize("what", DIFFERENT)
def test_what_changes_the_model_changes_the_digest(model_dir: Path, what: str) -> None:
    before = fingerprint(model_dir)
    DIFFERENT[what](model_dir)
    assert fingerprint(model_dir).digest != before.digest


def test_mistral_s_config_counts_where_its_weights_are(model_dir: Path) -> None:
    shutil.copy(model_dir / SHARD, model_dir / "consolidated.safetensors")
    seen = {fingerprint(model_dir).digest}
    params: dict[str, Any]
    for params in ({}, {"dim": 8}, {"dim": 8, "moe": {"temperature": 1}}):
        (model_dir / "params.json").write_text(json.dumps(params))
        seen.add(fingerprint(model_dir).digest)
    assert len(seen) == 4


@pytest.mark.parametrize("asks", ["config.json", "tokenizer_config.json"])
def test_code_counts_where_the_model_brings_it(model_dir: Path, asks: str) -> None:
    (model_dir / "modeling_x.py").write_text("1")
    config = json.loads((model_dir / asks).read_text())
    (model_dir / asks).write_text(json.dumps({**config, "auto_map": {"AutoModel": "modeling_x.X"}}))
    before = fingerprint(model_dir)
    (model_dir / "modeling_x.py").write_text("2")
    assert fingerprint(model_dir).digest != before.digest


def test_the_digest_is_that_of_the_manifest_and_knows_no_path(
    model_dir: Path, tmp_path: Path
) -> None:
    found = fingerprint(model_dir)
    text = json.dumps(found.manifest, sort_keys=True, separators=(",", ":"))
    assert found.digest == "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert str(tmp_path) not in text
    (tmp_path / "link").symlink_to(model_dir)
    shutil.copytree(model_dir, tmp_path / "copy")
    assert fingerprint(tmp_path / "link") == fingerprint(tmp_path / "copy") == found


@given(at=st.integers(0, 200), shard=st.integers(1, 2))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_byte_anywhere_counts_even_with_a_warm_cache(
    tmp_path: Path, at: int, shard: int
) -> None:
    folder = write_model(tmp_path / "model")
    before = fingerprint(folder)
    path = folder / f"model-0000{shard}-of-00002.safetensors"
    flip_byte(path, at % path.stat().st_size)
    assert fingerprint(folder).digest != before.digest


def test_progress_counts_every_byte(model_dir: Path) -> None:
    calls: list[tuple[int, int]] = []
    fingerprint(model_dir, progress=lambda done, total: calls.append((done, total)))
    hashed = [*model_dir.glob("*.safetensors"), model_dir / "tokenizer.json"]
    size = sum(path.stat().st_size for path in hashed)
    assert calls[-1] == (size, size)
    assert calls == sorted(calls)
