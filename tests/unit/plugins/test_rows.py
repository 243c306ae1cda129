"""The row pool against a plain model of what it promises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.errors import InternalError
from vllm_steersman.rows import RowPool

steps = st.lists(st.lists(st.sampled_from("abcdefghij"), max_size=4, unique=True), max_size=40)


@given(steps)
def test_a_row_holds_what_was_last_written_to_it(steps):
    pool = RowPool(4)
    memory: dict[int, str] = {}
    for keys in steps:
        assignment = pool.assign(keys)
        for key in assignment.to_write:
            memory[assignment.row_of[key]] = key
        assert set(assignment.row_of) == set(keys)
        assert {key: memory[row] for key, row in assignment.row_of.items()} == {k: k for k in keys}
        assert all(1 <= row <= 4 for row in assignment.row_of.values())
        assert len(pool) <= 4


def test_a_row_in_use_is_not_written_again():
    pool = RowPool(2)
    assert pool.assign(["a"]).to_write == ("a",)
    assert pool.assign(["b", "a"]).to_write == ("b",)
    assert pool.assign(["a", "b"]).to_write == ()


def test_the_least_recently_assigned_row_goes_first():
    pool = RowPool(2)
    row = pool.assign(["a"]).row_of["a"]
    pool.assign(["b"])
    assert pool.assign(["c"]).row_of["c"] == row


def test_a_key_that_is_assigned_again_is_the_newest():
    pool = RowPool(2)
    pool.assign(["a"])
    row = pool.assign(["b"]).row_of["b"]
    pool.assign(["a"])
    assert pool.assign(["c"]).row_of["c"] == row
    assert pool.assign(["a"]).to_write == ()


def test_a_forgotten_key_is_written_anew():
    pool = RowPool(1)
    pool.assign(["a"])
    pool.forget("a")
    pool.forget("a")
    assert pool.assign(["a"]).to_write == ("a",)
    assert len(pool) == 1


def test_more_plans_than_rows_is_our_mistake():
    with pytest.raises(InternalError, match="3 distinct plans"):
        RowPool(2).assign(["a", "b", "c"])
