"""A file that is written line by line: nothing lost, nothing overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError
from steersman_vectors.pairs.growing_file import GrowingFile
from steersman_vectors.pairs.line import parse_line

from .samples import clean


def raw(index: int, **more: object) -> bytes:
    return json.dumps({**clean(40)[index], **more}, ensure_ascii=False).encode() + b"\n"


def code(path: Path, concept: str = "c", *, resume: bool = True) -> str:
    with pytest.raises(CallerError) as error:
        GrowingFile(path, concept, resume=resume)
    return error.value.code


def test_the_file_appears_with_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    with GrowingFile(path, "c", resume=True) as file:
        assert file.lines == []
        assert not path.exists()
        file.write(raw(0))
        assert path.read_bytes() == raw(0)
        file.write(raw(1))
    assert path.read_bytes() == raw(0) + raw(1)
    assert code(path, resume=False) == "out_exists"


@given(st.data())
def test_after_any_cut_no_whole_line_is_lost(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("cut") / "f.jsonl"
    lines = [raw(i, prompt=f"é{i} ☃") for i in range(3)]
    whole = b"".join(lines)
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    ends = [sum(map(len, lines[: i + 1])) for i in range(3)]
    kept = sum(cut >= end - 1 for end in ends)  # without its line feed it is whole, too
    with GrowingFile(path, "c", resume=True) as file:
        assert len(file.lines) == kept
        assert path.read_bytes() == whole[:cut]
        file.write(raw(9))
    assert path.read_bytes() == b"".join(lines[:kept]) + raw(9)
    assert all(parse_line(line) for line in path.read_bytes().splitlines())


def test_only_one_writes(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(raw(0))
    with GrowingFile(path, "c", resume=True):
        assert code(path) == "path_unusable"
    GrowingFile(path, "c", resume=True).close()
    with GrowingFile(tmp_path / "new", "c", resume=False) as one:
        with GrowingFile(tmp_path / "new", "c", resume=False) as other:
            one.write(raw(0))
            with pytest.raises(CallerError) as error:
                other.write(raw(1))
        assert error.value.code == "path_unusable"
    assert (tmp_path / "new").read_bytes() == raw(0)


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "f"
    for data in (b"notes\n", raw(0) + b"{}\n" + raw(1), b"my notes", b'{"x": 1}'):
        path.write_bytes(data)
        assert code(path) == "pairs_invalid"
        assert path.read_bytes() == data
    path.write_bytes(raw(0, meta={"concept": "other"}))
    assert code(path) == "out_differs"
    assert code(tmp_path / "none" / "f") == "path_unusable"
    (tmp_path / "empty").touch()
    with GrowingFile(tmp_path / "empty", "c", resume=True) as file:
        file.write(raw(0))
    assert (tmp_path / "empty").read_bytes() == raw(0)
