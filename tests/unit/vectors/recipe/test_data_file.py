"""Files are found by what is in them, wherever they are and whatever they are called."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError
from steersman_vectors.formats import native
from steersman_vectors.recipe.data_file import data_file, data_files, find

CONTENT = st.binary(max_size=3)
PLACE = st.sampled_from(["a", "b", "deep/a", "deep/er/c", ".hidden/a"])


def by_hand(wanted: dict[str, bytes], there: dict[str, bytes]) -> set[str]:
    """The reference: a file is found if any visible one has its bytes."""
    seen = [data for place, data in there.items() if not place.startswith(".")]
    return {role for role, data in wanted.items() if data in seen}


@given(
    st.dictionaries(st.sampled_from(["x", "y", "z"]), CONTENT),
    st.dictionaries(PLACE, CONTENT),
)
def test_what_is_there_is_found_and_nothing_else(
    wanted: dict[str, bytes], there: dict[str, bytes]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        gone = Path(folder) / "gone"
        gone.mkdir()
        named = {}
        for role, data in wanted.items():
            (gone / role).write_bytes(data)
            named[role] = data_file(gone / role)
            (gone / role).unlink()
        root = Path(folder) / "root"
        root.mkdir()
        for place, data in there.items():
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            (root / place).write_bytes(data)
        found = find(named, [root])
        assert set(found) == by_hand(wanted, there)
        assert all(found[role] == wanted[role] for role in found)


def test_where_it_was_goes_first_and_only_with_the_same_content(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(b"one")
    wanted = data_files(pairs=path, negative=None)
    assert find(wanted, []) == {"pairs": b"one"}
    assert wanted["pairs"].sha256 == native.digest(b"one")
    path.write_bytes(b"two")
    assert find(wanted, [tmp_path]) == {}


def test_what_cannot_be_read_is_refused_and_a_pipe_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(CallerError) as caught:
        data_file(tmp_path / "none")
    assert caught.value.code == "data_unreadable"
    os.mkfifo(tmp_path / "pipe")
    assert data_files(pairs=tmp_path / "pipe") == {}


def test_a_path_of_any_bytes_can_be_on_a_card(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"p\xff.jsonl")
    path.write_bytes(b"x")
    assert data_file(path).path.encode()


def test_beside_is_looked_at_by_name_and_not_below(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    path = tmp_path / "made" / "pairs.jsonl"
    path.write_bytes(b"one")
    wanted = {"pairs": data_file(path).model_copy(update={"path": "gone/pairs.jsonl"})}
    assert find(wanted, [], tmp_path) == {}
    assert find(wanted, [], tmp_path / "made") == {"pairs": b"one"}
    null = {"pairs": wanted["pairs"].model_copy(update={"path": "\x00"})}
    assert find(null, [], tmp_path) == {}
