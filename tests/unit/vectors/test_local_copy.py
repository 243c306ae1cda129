"""A server's copy of the registry on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from steersman_vectors.errors import OperatorError
from steersman_vectors.formats import native
from steersman_vectors.registry.local_copy import LocalCopy
from steersman_vectors.registry.store import RegistryStore

from .samples import FP_A, FP_B, vector


async def test_what_is_saved_is_what_is_loaded(tmp_path: Path, registry_url: str) -> None:
    async with RegistryStore(registry_url) as store:
        for seed, fingerprint in ((0, FP_A), (1, FP_A), (2, FP_B)):
            await store.publish(
                vector(seed, description="quoted \" and \n broken, ünïcode"), name="calm",
                fingerprint=fingerprint, actor="x y",
            )  # fmt: skip
        await store.promote("calm", 2, "prod", fingerprint=FP_A, actor="x")
        await store.retire("calm", 1, fingerprint=FP_A, actor="x", reason="line\nbreak")
        snapshot = await store.snapshot()
    local = LocalCopy(tmp_path / "copy")
    assert local.load() is None
    local.save(snapshot)
    assert local.load() == snapshot
    assert LocalCopy(tmp_path / "copy").load() == snapshot


def test_bytes_are_checked_on_every_read(tmp_path: Path) -> None:
    local, data = LocalCopy(tmp_path), native.dumps(vector())
    digest = native.digest(data)
    assert (local.has(digest), local.blob(digest)) == (False, None)
    local.put(digest, data)
    assert (local.has(digest), local.blob(digest)) == (True, data)
    path = tmp_path / "blobs" / digest.removeprefix("sha256:")
    path.write_bytes(data[:-1] + b"\x00")
    assert local.blob(digest) is None
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # no leavings


def test_what_is_not_kept_is_pruned(tmp_path: Path) -> None:
    local = LocalCopy(tmp_path)
    assert local.prune([]) == 0
    files = [native.dumps(vector(seed)) for seed in range(3)]
    for data in files:
        local.put(native.digest(data), data)
    kept = native.digest(files[1])
    assert local.prune([kept]) == 2
    assert [local.has(native.digest(data)) for data in files] == [False, True, False]


def test_a_folder_that_cannot_be_written_is_an_operator_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OperatorError, match="make room"):
        LocalCopy(tmp_path / "file").put("sha256:" + "0" * 64, b"x")
