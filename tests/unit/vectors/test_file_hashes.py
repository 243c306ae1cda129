"""A remembered hash is never trusted past a change, and every byte is read once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from steersman_vectors import file_hashes
from steersman_vectors.errors import CallerError
from steersman_vectors.file_hashes import FileHashes, default_cache_path
from steersman_vectors.fingerprint import fingerprint

from .test_fingerprint import SHARD, flip_byte

SECOND_NS = 10**9


def sha256(path: Path) -> str:
    return FileHashes().sha256([path])[path].sha256


def remembered() -> dict[str, Any]:
    found = json.loads(default_cache_path().read_bytes())
    assert isinstance(found, dict)
    return found


@pytest.fixture
def settled(model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model whose files were written long enough ago to be remembered."""
    monkeypatch.setattr(file_hashes, "SETTLED_NS", -(10**12))
    return model_dir


def test_unchanged_files_are_hashed_once(settled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(settled)
    monkeypatch.setattr(file_hashes, "_hash", lambda *_: pytest.fail("hashed again"))
    assert fingerprint(settled) == before


@pytest.mark.parametrize("keep_mtime", [True, False])
def test_a_changed_file_is_hashed_again(settled: Path, keep_mtime: bool) -> None:
    before, stat = fingerprint(settled), (settled / SHARD).stat()
    flip_byte(settled / SHARD)
    if keep_mtime:
        os.utime(settled / SHARD, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert fingerprint(settled).digest != before.digest


@pytest.mark.parametrize("field", [0, 1, 2])
def test_size_mtime_and_ctime_must_each_be_what_they_were(settled: Path, field: int) -> None:
    path = settled / SHARD
    true = sha256(path)
    entries = remembered()
    (entry,) = entries.values()
    entry[field] += 1
    entry[3] = "0" * 64
    default_cache_path().write_text(json.dumps(entries))
    assert sha256(path) == true


@pytest.mark.parametrize(("age_s", "kept"), [(0.0, 0), (1.9, 0), (2.1, 1)])
@pytest.mark.parametrize("old_mtime", [False, True])
def test_a_file_is_remembered_once_two_seconds_have_passed_since_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age_s: float, kept: int, old_mtime: bool
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    if old_mtime:  # which anyone can set; ctime tells when that was
        os.utime(path, (1, 1))
    now_ns = path.stat().st_ctime_ns + int(age_s * SECOND_NS)
    clock = SimpleNamespace(time_ns=lambda: now_ns)
    monkeypatch.setattr(file_hashes, "time", clock)
    sha256(path)
    assert len(remembered()) == kept


def test_a_file_with_an_mtime_ahead_of_the_clock_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    os.utime(path, (time.time() + 9, time.time() + 9))
    later = SimpleNamespace(time_ns=lambda: path.stat().st_ctime_ns + 5 * SECOND_NS)
    monkeypatch.setattr(file_hashes, "time", later)
    sha256(path)
    assert remembered() == {}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": 1}', b"\xff"])
def test_a_damaged_cache_costs_time_only(settled: Path, content: bytes) -> None:
    before = fingerprint(settled)
    default_cache_path().write_bytes(content)
    assert fingerprint(settled) == before
    entries = remembered()
    for key in entries:
        entries[key] = ["x"]
    default_cache_path().write_text(json.dumps(entries))
    assert fingerprint(settled) == before


def test_a_cache_that_cannot_be_written_is_no_error(settled: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cached = fingerprint(settled, cache_path=tmp_path / "file" / "cache.json")
    assert cached == fingerprint(settled)


def test_a_cache_in_nobody_s_home_is_refused_with_a_remedy(
    model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "~nouser")
    with pytest.raises(CallerError, match="set XDG_CACHE_HOME"):
        fingerprint(model_dir)


@pytest.fixture
def blob(tmp_path: Path) -> Path:
    """A large file in a Hugging Face cache, as a snapshot links to it."""
    repo = tmp_path / "models--org--name"
    for folder in ("blobs", "snapshots/c0"):
        (repo / folder).mkdir(parents=True)
    stored = repo / "blobs" / hashlib.sha256(b"weights").hexdigest()
    stored.write_bytes(b"weights")
    (repo / "snapshots/c0/model.safetensors").symlink_to(f"../../blobs/{stored.name}")
    return repo / "snapshots/c0/model.safetensors"


def test_a_blob_of_the_hub_cache_is_hashed_once(
    blob: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_hashes, "SETTLED_NS", -(10**12))
    read: list[tuple[int, int]] = []
    for _ in range(2):
        found = FileHashes().sha256([blob], progress=lambda *step: read.append(step))
        assert found[blob].sha256 == blob.resolve().name
    assert read == [(7, 7)]


@pytest.mark.parametrize("settled_ns", [-(10**12), 2 * SECOND_NS])
def test_a_blob_that_is_not_what_it_is_named_is_refused_every_time(
    blob: Path, monkeypatch: pytest.MonkeyPatch, settled_ns: int
) -> None:
    monkeypatch.setattr(file_hashes, "SETTLED_NS", settled_ns)
    sha256(blob)
    flip_byte(blob.resolve())
    for _ in range(2):
        with pytest.raises(CallerError) as caught:
            sha256(blob)
        assert caught.value.code == "model_damaged"
        assert str(blob) in caught.value.message
        remedy = "`hf download org/name model.safetensors --force-download`"
        assert remedy in caught.value.message


def test_a_hub_cache_and_a_folder_with_the_same_bytes_are_the_same_model(
    model_dir: Path, tmp_path: Path
) -> None:
    snapshot = tmp_path / "models--org--name/snapshots/c0"
    for folder in (snapshot, snapshot.parent.parent / "blobs"):
        folder.mkdir(parents=True)
    for path in model_dir.iterdir():
        stored = tmp_path / "models--org--name/blobs" / sha256(path)
        shutil.copy(path, stored)
        (snapshot / path.name).symlink_to(stored)
    assert fingerprint(snapshot) == fingerprint(model_dir)


def test_only_the_hub_s_names_are_held_against_a_file(tmp_path: Path) -> None:
    stored = tmp_path / "store" / ("a" * 64)
    stored.parent.mkdir()
    stored.write_bytes(b"weights")
    (tmp_path / "model.safetensors").symlink_to(stored)
    assert sha256(tmp_path / "model.safetensors") == hashlib.sha256(b"weights").hexdigest()


def test_blobs_that_are_not_named_by_their_sha256_are_plain_files(blob: Path) -> None:
    stored = blob.resolve().rename(blob.resolve().with_name("a" * 40))  # git's hash of a small file
    blob.unlink()
    blob.symlink_to(stored)
    assert sha256(blob) == hashlib.sha256(b"weights").hexdigest()


def test_a_file_that_changes_while_it_is_hashed_is_refused(
    model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hash_and_touch(path: Path, *_: Any) -> str:
        os.utime(path, (1, 1))
        return "0" * 64

    monkeypatch.setattr(file_hashes, "_hash", hash_and_touch)
    with pytest.raises(CallerError, match="changed while it was being read"):
        fingerprint(model_dir)


def test_a_pipe_is_refused_and_not_waited_for(model_dir: Path) -> None:
    os.mkfifo(model_dir / "more.safetensors")
    with pytest.raises(CallerError, match="not a plain file"):
        fingerprint(model_dir)
