"""Rules for sets of layers, against a slow reading of the table in the module."""

from __future__ import annotations

import itertools
import json
from fractions import Fraction
from math import floor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError
from steersman_vectors.layer_sets import choose_layers
from steersman_vectors.model_dir import read_attention, read_max_tokens


def half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def test_what_worked_in_practice_is_what_the_rules_name() -> None:
    """Gemma 3 27B, 62 blocks: the best single block, and the sparse global ones."""
    pattern = ["full_attention" if (i + 1) % 6 == 0 else "sliding_attention" for i in range(62)]
    assert choose_layers("single", 62) == (41,)
    assert choose_layers("sparse:5", 62) == (23, 29, 35, 41, 47)
    assert choose_layers("global", 62, pattern) == (5, 11, 17, 23, 29, 35, 41, 47, 53, 59)


@given(st.integers(1, 200))
def test_single_is_nearest_to_two_thirds(n: int) -> None:
    (found,) = choose_layers("single", n)
    assert 0 <= found < n
    distance = [abs(Fraction(i, n) - Fraction(2, 3)) for i in range(n)]
    assert distance[found] == min(distance)


@given(st.integers(1, 200), st.data())
def test_sparse_is_even_and_in_the_middle(n: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, n))
    found = choose_layers(f"sparse:{count}", n)
    assert len(found) == count
    assert list(found) == sorted(set(found))
    assert found[0] >= 0
    assert found[-1] < n
    gaps = [b - a for a, b in itertools.pairwise(found)]
    assert not gaps or max(gaps) - min(gaps) <= 1
    first, last = half_up(Fraction(3 * n, 8)), min(n - 1, half_up(Fraction(3 * n, 4)))
    if 1 < count <= last - first + 1:
        assert (found[0], found[-1]) == (first, last)


@given(st.integers(1, 300), st.data())
def test_dense_all_and_lists(n: int, data: st.DataObject) -> None:
    a = data.draw(st.integers(0, n - 1))
    b = data.draw(st.integers(a, n - 1))
    assert choose_layers("all", n) == tuple(range(n))
    assert choose_layers(f"dense:{a}-{b}", n) == tuple(range(a, b + 1))
    assert choose_layers(f"{b},{a},{b}", n) == tuple(sorted({a, b}))
    assert choose_layers(f" {a} , {b} ", n) == tuple(sorted({a, b}))


@pytest.mark.parametrize(
    "rule",
    ["", "some", "-1", "6", "1,6", "1,", "dense:3-2", "dense:0-6", "dense:1", "sparse:0",
     "sparse:7", "sparse:", "sparse:x", "global", "1.5", "all,1"],
)  # fmt: skip
def test_refused_with_what_was_expected(rule: str) -> None:
    with pytest.raises(CallerError, match="expected") as refused:
        choose_layers(rule, 6)
    assert refused.value.code == "invalid_layers"


def test_global_needs_a_config_that_tells() -> None:
    with pytest.raises(CallerError, match="tells global blocks from local"):
        choose_layers("global", 2, ["sliding_attention"] * 2)
    assert choose_layers("global", 2, ["sliding_attention", "full_attention"]) == (1,)


SHAPE = {"hidden_size": 8, "num_hidden_layers": 4}
LOCAL, GLOBAL = "sliding_attention", "full_attention"


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        (SHAPE, None),
        ({**SHAPE, "layer_types": [LOCAL, GLOBAL] * 2}, (LOCAL, GLOBAL, LOCAL, GLOBAL)),
        ({**SHAPE, "sliding_window_pattern": 3}, (LOCAL, LOCAL, GLOBAL, LOCAL)),
        ({"text_config": {**SHAPE, "layer_types": [GLOBAL] * 4}}, (GLOBAL,) * 4),
    ],
)
def test_the_kinds_of_attention_in_a_config(
    config: dict[str, object], kinds: tuple[str, ...] | None, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert read_attention(tmp_path) == kinds


@pytest.mark.parametrize(
    ("more", "most"),
    [({"max_position_embeddings": 77}, 77), ({"n_positions": 5}, 5), ({}, 1 << 30),
     ({"text_config": {"max_position_embeddings": 9}, "max_position_embeddings": 7}, 9)],
)  # fmt: skip
def test_the_longest_sequence_of_a_config(
    more: dict[str, object], most: int, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**SHAPE, **more}))
    assert read_max_tokens(tmp_path) == most
