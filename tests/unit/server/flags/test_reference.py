"""We and flagd-core agree, on flags and contexts that nobody chose."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from steersman_server.flags.context import FlagContext
from steersman_server.flags.definition import FlagDefinition, FlagRecord
from steersman_server.flags.evaluate import FlagSet

from .reference import Reference

TENANTS = ["acme", "globex", "umbrella"]
KEYS = ["steering", "steering-override", "vector.empathy", "ab"]
texts = st.text(max_size=8) | st.sampled_from(["1.2.3", "v2", "acme", "10", "", "böb"])
scalars = texts | st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(-9.0, 9.0)
paths = st.sampled_from(
    ["tenant", "targetingKey", "labels.tier", "labels", "model", "$flagd.flagKey", "absent", "0"]
)
variables = st.builds(lambda path: {"var": path}, paths)


def operations(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def of(operators: list[str], low: int, high: int) -> st.SearchStrategy[Any]:
        arguments = st.lists(inner, min_size=low, max_size=high)
        return st.builds(lambda o, a: {o: a}, st.sampled_from(operators), arguments)

    comparisons = st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "^", "~"])
    return st.one_of(
        of(["==", "===", "!=", "!==", "<", "<=", ">", ">=", "in", "-", "/", "%"], 2, 2),
        of(["and", "or", "+", "*", "min", "max", "cat", "merge"], 1, 3),
        of(["!", "!!"], 1, 1),
        of(["starts_with", "ends_with"], 2, 2),
        st.builds(lambda a, c, b: {"sem_ver": [a, c, b]}, inner, comparisons, inner),
        st.builds(lambda items, body: {"some": [items, body]}, inner.filter(flat), small(inner)),
    )


def flat(node: Any) -> bool:
    return "some" not in str(node)


def small(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return inner.filter(lambda node: flat(node) and len(str(node)) < 60)


conditions = st.recursive(scalars | variables, operations, max_leaves=8)


@st.composite
def targetings(draw: st.DrawFn, variants: list[str]) -> dict[str, Any] | None:
    names = st.sampled_from(variants)
    shares = st.lists(
        st.builds(lambda v, w: [v, w], names, st.integers(0, 100)), min_size=1, max_size=4
    ).filter(lambda made: sum(weight for _, weight in made) > 0)
    by = st.just([]) | st.builds(lambda node: [node], variables | texts)
    fractional = st.builds(lambda b, s: {"fractional": [*b, *s]}, by, shares)
    outcomes = names | fractional | st.none() | st.builds(lambda p: {"var": p}, paths)
    outcomes |= st.builds(lambda c: {"!": [c]}, conditions)
    branch = st.builds(lambda c, a, b: {"if": [c, a, b]}, conditions, outcomes, outcomes)
    chosen: dict[str, Any] | None = draw(branch | fractional | st.none())
    return chosen


@st.composite
def records(draw: st.DrawFn, key: str) -> FlagRecord:
    variants: dict[str, Any] = {"on": True, "off": False}
    if key == "ab":
        kinds: list[dict[str, Any]] = [
            variants,
            {"control": 0, "mild": 0.5, "strong": 1},
            {"true": True, "false": False},
            {"a": "x", "b": ""},
            {"a": {"empathy": 0.4}, "b": {"empathy": None}},
        ]
        variants = draw(st.sampled_from(kinds))
    names = list(variants)
    definition = FlagDefinition(
        state=draw(st.sampled_from(["ENABLED", "ENABLED", "ENABLED", "DISABLED"])),
        variants=variants,
        default_variant=draw(st.sampled_from(names)),
        targeting=draw(targetings(names)),
    )
    overrides = st.dictionaries(st.sampled_from(TENANTS), st.sampled_from(names), max_size=2)
    return FlagRecord(definition=definition, overrides=draw(overrides))


json_values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(texts, v, max_size=3), max_leaves=5
)
contexts = st.builds(
    FlagContext,
    st.sampled_from([*TENANTS, "initech"]),
    texts,
    st.fixed_dictionaries(
        {},
        optional={
            "labels": st.dictionaries(st.just("tier") | texts, json_values, max_size=3),
            "model": json_values,
            "0": json_values,
            "tenant": json_values,
        },
    ),
)


@settings(max_examples=300, deadline=None)
@given(key=st.sampled_from(KEYS), data=st.data(), context=contexts)
def test_the_export_evaluates_in_flagd_as_the_record_does_here(
    key: str, data: st.DataObject, context: FlagContext
) -> None:
    kept = {key: data.draw(records(key))}
    found = FlagSet.of(kept).evaluate(key, context)
    assert (found.variant, found.value) == Reference(kept).evaluate(key, context)
    result = FlagSet.of(kept).explain(key, context)[-1].outcome
    assert result == {"variant": found.variant, "value": found.value, "reason": found.reason}
