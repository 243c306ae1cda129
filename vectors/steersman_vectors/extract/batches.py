"""Which sequences go through the model together: by length, within a bound of tokens. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def by_length(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Returns batches of indices, the longest sequences first.

    rows x longest row <= batch_tokens, but for a single sequence that is longer. Sequences of one
    length stay in their order. The batches of a whole run of these batches, batched again, are the
    same batches: so a pass that was interrupted between two of them goes on with the same numbers.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    batches: list[list[int]] = []
    for i in order:
        longest = lengths[batches[-1][0]] if batches else 0
        if batches and (len(batches[-1]) + 1) * longest <= batch_tokens:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def chunks(batches: Sequence[Sequence[int]], size: int) -> list[tuple[int, ...]]:
    """Returns the indices of every `size` batches in a row as one tuple each."""
    return [
        tuple(i for batch in batches[at : at + size] for i in batch)
        for at in range(0, len(batches), size)
    ]
