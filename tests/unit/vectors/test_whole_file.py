"""A file is what it was, or what was written: never a part, and nothing lies beside it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from steersman_vectors.whole_file import write_whole


@pytest.mark.parametrize("durable", [False, True])
def test_it_is_there_whole_with_the_mode_that_was_asked_for(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / ("x" * 255)
    umask = os.umask(0o027)
    try:
        write_whole(path, b"one", durable=durable)
        assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"one", 0o640)
        write_whole(path, b"two", durable=durable, mode=0o600)
        assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"two", 0o600)
    finally:
        os.umask(umask)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_whole(path, b"before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"after", durable=True)
    assert path.read_bytes() == b"before"
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "folder", b"x")
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "none" / "file", b"x")
    assert {found.name for found in tmp_path.iterdir()} == {"file", "folder"}


def test_many_writers_and_a_reader(tmp_path: Path) -> None:
    path, contents = tmp_path / "file", [bytes([k]) * 100_000 for k in range(4)]
    write_whole(path, contents[0])

    def write(data: bytes) -> None:
        for _ in range(50):
            write_whole(path, data)

    threads = [threading.Thread(target=write, args=(data,)) for data in contents]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]
