"""Why a flag has its variant: the steps of `CompiledFlag.evaluate`, one line each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from openfeature.contrib.tools.flagd.core.targeting import targeting as evaluate_targeting
from pydantic import JsonValue

from .builtin import misshapen
from .compiled import CompiledFlag, switched_off
from .context import FlagContext
from .definition import FlagRecord
from .evaluation import Evaluation, Step
from .logic import ITERATIONS, arguments, share_weight


def explain_flag(flag: CompiledFlag, context: FlagContext) -> list[Step]:
    """Returns the steps to the flag's variant in a context; the last is the result."""
    definition = flag.record.definition
    steps = [Step("state", definition.state, _state(flag)), _override(flag, context)]
    result = flag.evaluate(context)
    if definition.targeting is not None:
        steps.append(_targeting(flag, context, asked=result.reason != "override"))
    if flag.targeting is not None and result.reason != "override":
        steps += _fractionals(flag.key, flag.targeting, context)
    if result is flag.otherwise:
        steps.append(Step("default", definition.default_variant, result.variant))
    return [*steps, Step("result", flag.key, _result(result))]


def explain_missing(key: str, known: Mapping[str, FlagRecord]) -> list[Step]:
    """Returns the steps for a flag that does not exist."""
    missing: JsonValue = f"there is no such flag; there are: {', '.join(known)}"
    return [
        Step("flag", key, missing),
        Step("result", key, _result(Evaluation(key, "", None, "error"))),
    ]


def _state(flag: CompiledFlag) -> str:
    if flag.record.definition.state == "DISABLED":
        return f"disabled: {flag.otherwise.variant} for everybody"
    if misshapen(flag.key, flag.record.definition):
        return "a built-in flag without on (true) and off (false): off for everybody"
    if switched_off(flag.key, flag.record.definition):
        return "switched off for everybody; overrides have no say"
    return "enabled"


def _override(flag: CompiledFlag, context: FlagContext) -> Step:
    variant = flag.record.overrides.get(context.tenant)
    if variant is None:
        return Step("override", context.tenant, "none")
    return Step("override", context.tenant, variant if flag.overrides else f"{variant}, ignored")


def _targeting(flag: CompiledFlag, context: FlagContext, *, asked: bool) -> Step:
    expression = flag.record.definition.targeting
    if flag.targeting is None or not asked:
        return Step("targeting", expression, "not asked")
    try:
        outcome = evaluate_targeting(flag.key, flag.targeting, context.for_flagd())
    except Exception as error:  # as in `CompiledFlag.evaluate`
        return Step("targeting", expression, f"error: {type(error).__name__}: {error}")
    if flag.of_outcome(outcome) is flag.failed:
        return Step("targeting", expression, f"error: {str(outcome)[:80]!r} is no variant")
    return Step("targeting", expression, outcome if outcome is None else str(outcome))


def _fractionals(key: str, node: JsonValue, context: FlagContext) -> Iterator[Step]:
    """Yields where the context falls in each `fractional`, whether targeting reached it or not."""
    if isinstance(node, list):
        for item in node:
            yield from _fractionals(key, item, context)
    if not isinstance(node, dict):
        return
    operator, args = arguments(node)
    if operator in ITERATIONS:
        return  # its data is one item of a list
    if operator == "fractional":
        yield Step("fractional", node, _place(key, args, context))
    else:
        yield from _fractionals(key, args, context)


def _place(key: str, args: list[JsonValue], context: FlagContext) -> JsonValue:
    by, shares = ([], args) if isinstance(args[0], list) else (args[:1], args[1:])
    weights = [share_weight(share) for share in shares]
    if None in weights:
        return "weights are computed"
    total = sum(weight or 0 for weight in weights)
    try:
        bucket = bucket_of(key, by, total, context)
    except Exception as error:  # as in `CompiledFlag.evaluate`
        return f"error: {type(error).__name__}: {error}"
    if bucket is None:
        return "no bucket: nothing to bucket by"
    return {"bucket": bucket, "of": total, "ranges": list(_ranges(shares, weights))}


def _ranges(shares: Iterable[JsonValue], weights: Iterable[int | None]) -> Iterator[JsonValue]:
    start = 0
    for share, weight in zip(shares, weights, strict=True):
        end = start + (weight or 0)
        yield {"variant": share[0] if isinstance(share, list) else None, "from": start, "to": end}
        start = end


def bucket_of(key: str, by: list[JsonValue], total: int, context: FlagContext) -> int | None:
    """Returns the bucket in [0, total) that flagd puts a context into, None when it has none.

    Found by bisection with flagd's own `fractional`, so that the hash is written down once.
    """
    low, high = 0, total  # low <= bucket < high
    flagd = context.for_flagd()
    while True:
        middle = (low + high) // 2
        shares: list[JsonValue] = [["below", middle], ["above", total - middle]]
        logic: dict[str, JsonValue] = {"fractional": [*by, *shares]}
        side = evaluate_targeting(key, logic, flagd)
        if side is None:
            return None
        low, high = (low, middle) if side == "below" else (middle, high)
        if high - low <= 1:
            return low


def _result(result: Evaluation) -> JsonValue:
    return {"variant": result.variant, "value": result.value, "reason": result.reason}
