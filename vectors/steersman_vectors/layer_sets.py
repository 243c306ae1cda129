"""Which decoder blocks a rule names: `all`, `single`, `sparse:5`, `global`, `dense:20-31`, `5,9`.

| rule | blocks of a model with n |
|---|---|
| `all` | 0 ... n - 1 |
| `single` | the one nearest to 2/3 of the depth: round(2 n / 3) |
| `sparse:N` | N at even distances from round(3 n / 8) to round(3 n / 4), widened if too short |
| `global` | those that attend to the whole context, where the config tells them from local ones |
| `dense:a-b` | a ... b, both included |
| `5,9` | these |

The parts follow what worked in practice: of 62 blocks, `single` is 41 and `sparse:5` is 23, 29, 35,
41, 47. Depth is layer_idx / n; halves round up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NoReturn

from .engine_contract import GLOBAL_ATTENTION
from .errors import CallerError

EXPECTED = "all, single, sparse:N, global, dense:a-b, or indices such as 5,9"
_SPARSE = re.compile(r"sparse:([0-9]{1,4})")
_DENSE = re.compile(r"dense:([0-9]{1,4})-([0-9]{1,4})")
_LIST = re.compile(r"[0-9]{1,4}(,[0-9]{1,4})*")


def choose_layers(
    rule: str, num_layers: int, attention: Sequence[str] | None = None
) -> tuple[int, ...]:
    """Returns the blocks that `rule` names, ascending.

    attention: the kind of each block as the model's config names it, if it does (see
    `model_dir.read_attention`). Raises `CallerError(invalid_layers)` for anything that is no rule,
    for a block that the model does not have, and for `global` where the config tells no such block.
    """
    text = rule.replace(" ", "")
    if text == "all":
        return tuple(range(num_layers))
    if text == "single":
        return (_single(num_layers),)
    if text == "global":
        return _global(num_layers, attention)
    if found := _SPARSE.fullmatch(text):
        return _sparse(rule, int(found[1]), num_layers)
    if found := _DENSE.fullmatch(text):
        first, last = int(found[1]), int(found[2])
        if not first <= last < num_layers:
            _refuse(rule, f"blocks in order, from 0 to {num_layers - 1}")
        return tuple(range(first, last + 1))
    if _LIST.fullmatch(text):
        chosen = sorted({int(part) for part in text.split(",")})
        if chosen[-1] >= num_layers:
            _refuse(rule, f"blocks from 0 to {num_layers - 1}: this model has {num_layers}")
        return tuple(chosen)
    _refuse(rule, EXPECTED)


def _single(num_layers: int) -> int:
    return min(num_layers - 1, _rounded(2 * num_layers, 3))


def _sparse(rule: str, count: int, num_layers: int) -> tuple[int, ...]:
    if not 1 <= count <= num_layers:
        _refuse(rule, f"from 1 to {num_layers} of them: this model has {num_layers} blocks")
    if count == 1:
        return (_single(num_layers),)
    first = _rounded(3 * num_layers, 8)
    last = min(num_layers - 1, _rounded(3 * num_layers, 4))
    while last - first + 1 < count:  # of a small model; the early side first, edges do least
        first, last = (first - 1, last) if first > 0 else (first, last + 1)
    steps = count - 1
    return tuple(first + _rounded((last - first) * k, steps) for k in range(count))


def _global(num_layers: int, attention: Sequence[str] | None) -> tuple[int, ...]:
    found = [i for i, kind in enumerate(attention or ()) if kind == GLOBAL_ATTENTION]
    if attention is None or len(attention) != num_layers or not found:
        kinds = ", ".join(sorted(set(attention or ()))) or "nothing"
        _refuse(
            "global",
            f"a model whose config tells global blocks from local ones (this one's says: {kinds}). "
            "Use all, sparse:5, or indices",
        )
    return tuple(found)


def _rounded(numerator: int, denominator: int) -> int:
    """Returns the nearest integer of a ratio; halves go up."""
    return (2 * numerator + denominator) // (2 * denominator)


def _refuse(rule: str, expected: str) -> NoReturn:
    raise CallerError(
        f"--layers: got {rule[:80]!r}, expected {expected}", code="invalid_layers", param="layers"
    )
