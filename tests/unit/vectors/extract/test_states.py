"""States on disk: what was put is what is read, nothing mixes, and a killed pass goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.extract.contract import SpanStates
from steersman_vectors.extract.states import StoreShape, open_store, remove_states, store_name
from tests.tiny_model import build_tiny_llama

ROOT = Path(__file__).parents[4]
SHAPE = StoreShape(layers=(0, 2, 5), positive=3, negative=2, hidden_size=4, chunks=2)
KEY = {"fingerprint": "a", "layers": [0, 2, 5]}


def states(seed: int, layers: int = 3, hidden: int = 4) -> SpanStates:
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(1, layers, hidden)).astype(np.float32)
    return SpanStates(mean, rng.random((1, layers), dtype=np.float32))


@settings(max_examples=25, deadline=None)
@given(
    positive=st.integers(1, 5), negative=st.integers(1, 5), layers=st.integers(1, 4),
    hidden=st.integers(1, 6), order=st.randoms(),
)  # fmt: skip
def test_by_example_in_and_by_layer_out(
    positive: int, negative: int, layers: int, hidden: int, order: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("store")
    shape = StoreShape(tuple(range(layers)), positive, negative, hidden, 1)
    given_ = [states(i, layers, hidden) for i in range(shape.examples)]
    with open_store(folder, KEY, shape) as store:
        for i in order.sample(range(shape.examples), shape.examples):
            store.put(i, given_[i])
        store.mark(0)
    with open_store(folder, KEY, shape) as store:
        assert store.whole
        for k in range(layers):
            found = store.at(k)
            rows = [s.mean[0, k] for s in given_]
            assert np.array_equal(found.positive, rows[:positive])
            assert np.array_equal(found.negative, rows[positive:])
            assert np.array_equal(found.norms, [s.norm[0, k] for s in given_])


def test_chunks_are_marked_for_the_next_who_opens(tmp_path: Path) -> None:
    with open_store(tmp_path, KEY, SHAPE) as store:
        assert not store.is_done(0)
        store.mark(1)
        assert store.is_done(1)
        assert not store.whole
    with open_store(tmp_path, KEY, SHAPE) as store:
        assert [store.is_done(0), store.is_done(1)] == [False, True]


def test_another_key_has_a_folder_of_its_own(tmp_path: Path) -> None:
    with open_store(tmp_path, KEY, SHAPE) as store:
        store.mark(0)
    with open_store(tmp_path, {**KEY, "fingerprint": "b"}, SHAPE) as store:
        assert not store.is_done(0)


@pytest.mark.parametrize("damage", ["key", "states", "norms", "done"])
def test_keys_never_mix(damage: str, tmp_path: Path) -> None:
    with open_store(tmp_path, KEY, SHAPE) as store:
        folder = store.folder
    if damage == "key":
        (folder / "key.json").write_text(json.dumps({"fingerprint": "b"}))
    else:
        os.truncate(folder / damage, 1)
    with (
        pytest.raises(CallerError, match="--workdir another") as refused,
        open_store(tmp_path, KEY, SHAPE),
    ):
        pytest.fail("opened")
    assert refused.value.code == "states_mixed"


def test_a_folder_whose_making_was_interrupted_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / store_name(KEY)
    folder.mkdir()
    (folder / "states").write_bytes(b"half of it")
    with open_store(tmp_path, KEY, SHAPE) as store:
        assert not store.is_done(0)
        assert not store.at(2).negative.any()


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with (
        open_store(tmp_path, KEY, SHAPE),
        pytest.raises(OperatorError, match="another process") as refused,
        open_store(tmp_path, KEY, SHAPE),
    ):
        pytest.fail("opened")
    assert refused.value.code == "states_in_use"


def test_removed_with_the_folder_unless_that_holds_more(tmp_path: Path) -> None:
    for more in ("mine.txt", None):
        workdir = tmp_path / "work"
        with open_store(workdir, KEY, SHAPE) as store:
            folder = store.folder
        if more is not None:
            (workdir / more).write_text("kept")
        remove_states(folder)
        assert not folder.exists()
        assert workdir.exists() == (more is not None)
        (workdir / "mine.txt").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_llama(tmp_path_factory.mktemp("model"))


def extraction(*args: object) -> subprocess.CompletedProcess[str]:
    script = Path(__file__).with_name("extraction.py")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    return subprocess.run(
        [sys.executable, script, *map(str, args)], env=env, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip


def test_killed_in_the_middle_it_goes_on_to_the_same_bytes(model: Path, tmp_path: Path) -> None:
    """kill -9 twice, at different places; what comes out is what an undisturbed pass gives."""
    whole = extraction(model, tmp_path / "one", tmp_path / "one.safetensors", "mean", 0)
    assert whole.returncode == 0, whole.stderr
    tokens, resumed = map(int, whole.stdout.split())
    assert resumed == 0
    for die_at in (tokens // 3, 2 * tokens // 3):
        killed = extraction(model, tmp_path / "two", tmp_path / "two.safetensors", "mean", die_at)
        assert killed.returncode == -9, killed.stderr
        assert not (tmp_path / "two.safetensors").exists()
    done = extraction(model, tmp_path / "two", tmp_path / "two.safetensors", "mean", 0)
    assert done.returncode == 0, done.stderr
    again, resumed = map(int, done.stdout.split())
    assert again == tokens
    assert tokens / 3 < resumed < tokens
    one, two = ((tmp_path / f"{n}.safetensors").read_bytes() for n in ("one", "two"))
    assert one == two
