"""Whole flagd files: import, and export such that flagd evaluates what we evaluate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue, ValidationError

from steersman_vectors.errors import CallerError

from .builtin import check_gate
from .compiled import is_final
from .definition import FlagDefinition, FlagRecord, check_flag_key
from .evaluate import FlagSet

SCHEMA = "https://flagd.dev/schema/v0/flags.json"
MAX_FILE_CHARS = 1 << 20
MAX_FLAGS = 1000
_KEYS = {"$schema", "flags", "$evaluators", "metadata"}


def parse_flagd(text: str) -> dict[str, FlagDefinition]:
    """Returns the flags of a flagd file, in its order.

    `$evaluators` are put where `$ref` names them; the file's `metadata` goes into each flag's,
    whose own wins. Raises `CallerError`: invalid_flag_file, invalid_flag, invalid_name.
    """
    try:
        return _parse_flags(text)
    except RecursionError as error:
        raise _refused("nested too deep") from error


def read_flag(key: str, value: object) -> FlagDefinition:
    """Returns the definition in parsed JSON; raises `CallerError`: invalid_flag, invalid_name."""
    check_flag_key(key)
    try:
        definition = FlagDefinition.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(["flags", key, *(str(part) for part in first["loc"])])[:160]
        why = first["msg"].removeprefix("Value error, ")
        raise CallerError(
            f"invalid flag {key!r}: {why}, at {where!r}", code="invalid_flag", param=where
        ) from error
    check_gate(key, definition)
    return definition


def as_flagd(flags: FlagSet) -> dict[str, JsonValue]:
    """Returns a flagd file's JSON with all flags, overrides composed into targeting.

    NOTE: flagd gives a disabled flag's caller its own default, and an error for a failed targeting,
    where we give the safe variant: neither can be written in a flagd file.
    """
    exported = {key: _export(key, record) for key, record in flags.records.items()}
    return {"$schema": SCHEMA, "flags": exported}


def _parse_flags(text: str) -> dict[str, FlagDefinition]:
    file = _object(_parse(text), "a flagd file")
    unknown = sorted(set(file) - _KEYS)
    if unknown:
        raise _refused(
            f"unknown key {unknown[0][:80]!r}; a flagd file has: {', '.join(sorted(_KEYS))}"
        )
    flags = _object(file.get("flags"), "'flags'")
    if len(flags) > MAX_FLAGS:
        raise _refused(f"{len(flags)} flags in one file, expected at most {MAX_FLAGS}")
    evaluators = _object(file.get("$evaluators", {}), "'$evaluators'")
    shared = _object(file.get("metadata", {}), "'metadata'")
    return {key: _read(key, value, evaluators, shared) for key, value in flags.items()}


def _export(key: str, record: FlagRecord) -> JsonValue:
    definition: dict[str, JsonValue] = record.definition.model_dump(mode="json")
    if record.definition.targeting is None:
        del definition["targeting"]
    if record.overrides and not is_final(key, record.definition):
        definition["targeting"] = _with_overrides(record)
    return definition


def _with_overrides(record: FlagRecord) -> JsonValue:
    """Returns `if tenant in [...]: variant, ..., else targeting`; without an else it is null."""
    branches: list[JsonValue] = []
    for variant in record.definition.variants:
        tenants: list[JsonValue] = [t for t, v in sorted(record.overrides.items()) if v == variant]
        if tenants:
            branches += [{"in": [{"var": "tenant"}, tenants]}, variant]
    if record.definition.targeting is not None:
        branches.append(record.definition.targeting)
    return {"if": branches}


def _read(
    key: str, value: Any, evaluators: Mapping[str, Any], shared: Mapping[str, Any]
) -> FlagDefinition:
    flag = dict(_object(value, f"flag {key[:80]!r}"))
    if "targeting" in flag:
        flag["targeting"] = _expanded(flag["targeting"], evaluators)
    if shared:
        flag["metadata"] = {**shared, **_object(flag.get("metadata", {}), f"metadata of {key!r}")}
    return read_flag(key, flag)


def _expanded(node: Any, evaluators: Mapping[str, Any]) -> Any:
    """Returns the expression with `{"$ref": name}` replaced.

    A `$ref` inside an evaluator stays and is refused as an unknown operator: flagd resolves those
    or not depending on the order of the file.
    """
    if isinstance(node, list):
        return [_expanded(item, evaluators) for item in node]
    if not isinstance(node, dict):
        return node
    if set(node) == {"$ref"}:
        name = node["$ref"]
        if not isinstance(name, str) or name not in evaluators:
            raise _refused(
                f"$ref names no evaluator: {str(name)[:80]!r}; the file has: "
                f"{', '.join(evaluators) or 'none'}"
            )
        return evaluators[name]
    return {key: _expanded(value, evaluators) for key, value in node.items()}


def _parse(text: str) -> Any:
    if len(text) > MAX_FILE_CHARS:
        raise _refused(f"{len(text)} characters, expected at most {MAX_FILE_CHARS}")
    try:
        return json.loads(text, object_pairs_hook=_no_repeats, parse_constant=_no_constant)
    except ValueError as error:
        raise _refused(f"not readable as JSON: {error}") from error


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(k for k in keys if keys.count(k) > 1)[:80]!r} is there twice")
    return made


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _refused(f"{what} must be an object, got {type(value).__name__}")
    return value


def _refused(why: str) -> CallerError:
    return CallerError(f"invalid flagd file: {why}", code="invalid_flag_file")
