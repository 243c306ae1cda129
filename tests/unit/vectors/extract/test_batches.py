"""Batches by length: whole, within the bound, and the same when a run of them is batched again."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.extract.batches import by_length, chunks

LENGTHS = st.lists(st.integers(1, 60), max_size=80)


@given(LENGTHS, st.integers(1, 200))
def test_every_sequence_once_within_the_bound(lengths: list[int], bound: int) -> None:
    batches = by_length(lengths, bound)
    flat = [i for batch in batches for i in batch]
    assert sorted(flat) == list(range(len(lengths)))
    assert [lengths[i] for i in flat] == sorted(lengths, reverse=True)
    for batch in batches:
        longest = max(lengths[i] for i in batch)
        assert len(batch) == 1 or len(batch) * longest <= bound
    for batch, following in itertools.pairwise(batches):
        assert (len(batch) + 1) * lengths[batch[0]] > bound, "the next one would have fitted"
        assert following


@given(LENGTHS, st.integers(1, 200), st.integers(1, 5))
def test_a_chunk_batched_alone_gives_the_same_batches(
    lengths: list[int], bound: int, size: int
) -> None:
    """So a pass that was interrupted between chunks computes what it would have computed."""
    whole = by_length(lengths, bound)
    again = [
        [chunk[i] for i in batch]
        for chunk in chunks(whole, size)
        for batch in by_length([lengths[i] for i in chunk], bound)
    ]
    assert again == whole
