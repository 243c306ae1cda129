"""What a flag's targeting may say: flagd's JsonLogic, bounded so that a request can afford it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import JsonValue

MAX_DEPTH = 24
MAX_NODES = 1024
"""Objects, arrays and literals of one expression: about 0.2 ms of evaluation."""
MAX_BODY_NODES = 32
"""The same of what an iteration repeats."""
MAX_TEXT = 1024
"""Characters of one literal."""
MAX_NUMBER = 2**53
"""Whole numbers that every JSON reader keeps; products of a thousand stay small."""
MAX_WEIGHT_SUM = 2**31 - 1
"""flagd's own limit for `fractional`."""

ITERATIONS = frozenset(["map", "filter", "all", "none", "some"])
OPERATORS = ITERATIONS | frozenset(
    [
        *("var", "missing", "missing_some", "if", "and", "or", "!", "!!"),
        *("==", "===", "!=", "!==", "<", "<=", ">", ">="),
        *("+", "-", "*", "/", "%", "min", "max", "in", "cat", "substr", "merge"),
        *("fractional", "starts_with", "ends_with", "sem_ver"),
    ]
)
"""The flagd schema's, without `reduce`: it doubles a text 60 times in 20 nodes."""


def check_targeting(targeting: dict[str, JsonValue], variants: Iterable[str]) -> None:
    """Raises `ValueError` unless the expression is bounded and names only flagd's operators.

    Outcomes that are written out must be variants; those that are computed show when evaluated.
    """
    _check_size(targeting)
    _check_operators(targeting, iterated=False)
    names = set(variants)
    for outcome in written_outcomes(targeting):
        if outcome not in names:
            raise ValueError(
                f"targeting gives {outcome[:80]!r}, which is no variant; "
                f"the variants are: {', '.join(sorted(names))}"
            )


def arguments(node: Mapping[str, JsonValue]) -> tuple[str, list[JsonValue]]:
    """Returns an expression's operator and its arguments; JsonLogic may write one without `[]`."""
    operator, args = next(iter(node.items()))
    return operator, args if isinstance(args, list) else [args]


def may_name(node: object, tenant: str) -> bool:
    """Returns whether an expression has the tenant's name, or within the text that `in` looks in.

    What it is compared with does not matter: without a `user` the tenant is the targeting key, and
    what is computed may be either.
    """
    if isinstance(node, list):
        return any(may_name(each, tenant) for each in node)
    if not isinstance(node, dict) or not node:
        return node == tenant
    operator, args = arguments(node)
    if operator == "var":
        return False
    text = args[1] if operator == "in" and len(args) > 1 else ""
    return (isinstance(text, str) and tenant in text) or may_name(args, tenant)


def written_outcomes(node: object) -> Iterable[str]:
    """Yields the variants that an expression can give and that are written in it."""
    if isinstance(node, dict):
        operator, args = arguments(node)
        if operator == "if":
            last = len(args) - 1
            for index, arg in enumerate(args):
                if index % 2 == 1 or index == last:
                    yield from written_outcomes(arg)
        elif operator == "fractional":
            for share in args:
                if isinstance(share, list) and share:
                    yield from written_outcomes(share[0])
    elif isinstance(node, bool):
        yield str(node).lower()  # as flagd reads `true`
    elif node is not None and not isinstance(node, list):
        yield str(node)


def _check_size(targeting: JsonValue) -> None:
    if _size([targeting]) > MAX_NODES:
        raise ValueError(f"targeting has more than {MAX_NODES} parts; use labels or split it")


def _size(level: list[JsonValue]) -> int:
    """Returns how many parts there are; without recursion, and not far beyond what is allowed."""
    nodes = 0
    for _ in range(MAX_DEPTH):
        nodes += len(level)
        if nodes > MAX_NODES:
            return nodes
        level = [child for node in level for child in _children(node)]
        if not level:
            return nodes
    raise ValueError(f"targeting is nested more than {MAX_DEPTH} deep")


def _children(node: JsonValue) -> Iterable[JsonValue]:
    if isinstance(node, dict):
        return list(node.values())
    if isinstance(node, int | float) and not abs(node) <= MAX_NUMBER:  # NaN too
        raise ValueError(f"targeting holds a number beyond {MAX_NUMBER}, or none at all")
    if isinstance(node, str) and len(node) > MAX_TEXT:
        raise ValueError(f"targeting holds a text of {len(node)} characters, at most {MAX_TEXT}")
    return node if isinstance(node, list) else ()


def _check_operators(node: object, *, iterated: bool) -> None:
    if isinstance(node, list):
        for item in node:
            _check_operators(item, iterated=iterated)
    if not isinstance(node, dict):
        return
    if len(node) != 1:
        raise ValueError(
            "an expression is an object with one key, its operator; "
            f"got {len(node)} keys: {', '.join(sorted(node))[:80]!r}"
        )
    operator, args = arguments(node)
    if operator not in OPERATORS:
        raise ValueError(
            f"unknown operator {operator[:80]!r}; known are: {' '.join(sorted(OPERATORS))}"
        )
    if operator in ITERATIONS:
        if iterated:
            raise ValueError(f"{operator!r} inside another iteration is refused: it multiplies")
        if _size(args[1:]) > MAX_BODY_NODES:
            raise ValueError(f"{operator!r} repeats more than {MAX_BODY_NODES} parts")
    if operator == "fractional":
        _check_fractional(args)
    if operator == "sem_ver":
        _check_sem_ver(args)
    if operator in ("starts_with", "ends_with") and len(args) != 2:
        raise ValueError(f"{operator!r} takes 2 arguments, got {len(args)}")
    _check_operators(args, iterated=iterated or operator in ITERATIONS)


def _check_fractional(args: list[JsonValue]) -> None:
    shares = args if args and isinstance(args[0], list) else args[1:]
    if not shares:
        raise ValueError('\'fractional\' needs shares, such as ["on", 10], ["off", 90]')
    weights = [share_weight(share) for share in shares]
    if None not in weights:
        total = sum(weight for weight in weights if weight is not None)
        if not 0 < total <= MAX_WEIGHT_SUM:
            raise ValueError(
                f"the weights of 'fractional' add up to {total}, expected 1 to {MAX_WEIGHT_SUM}"
            )


def share_weight(share: JsonValue) -> int | None:
    """Returns the weight of one share of a `fractional`, None when it is computed.

    Raises `ValueError` for what is neither `[variant]` nor `[variant, weight]`.
    """
    if not isinstance(share, list) or len(share) not in (1, 2):
        raise ValueError(f"a share is [variant] or [variant, weight], got {str(share)[:80]}")
    weight = share[1] if len(share) == 2 else 1
    if isinstance(weight, dict):
        return None
    if isinstance(weight, bool) or not isinstance(weight, int) or weight < 0:
        raise ValueError(f"a weight is a whole number from 0, got {str(weight)[:80]}")
    return weight


def _check_sem_ver(args: list[JsonValue]) -> None:
    comparisons = ("=", "!=", "<", "<=", ">", ">=", "^", "~")
    if len(args) != 3 or (isinstance(args[1], str) and args[1] not in comparisons):
        raise ValueError(f"'sem_ver' takes a version, one of {' '.join(comparisons)}, a version")
