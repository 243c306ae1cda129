"""What operators do to a flag: pure, from one record to the next. Storing it is the registry's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import JsonValue, ValidationError

from steersman_vectors.errors import CallerError
from steersman_vectors.names import check_name

from .definition import FlagDefinition, FlagRecord


def set_default(record: FlagRecord, variant: str) -> FlagRecord:
    """Returns the flag with one variant for everybody but tenants with an override.

    Rollout and targeting end, and a disabled flag is enabled: `set steering off` must not depend on
    what was there before. Raises `CallerError(variant_not_found)`.
    """
    _check_variant(record, variant)
    return _redefined(record, state="ENABLED", default_variant=variant, targeting=None)


def set_override(record: FlagRecord, tenant: str, variant: str | None) -> FlagRecord:
    """Returns the flag with a variant of its own for one tenant; None takes the override away.

    Raises `CallerError`: variant_not_found, invalid_name.
    """
    check_name(tenant, what="tenant")
    overrides = {name: own for name, own in record.overrides.items() if name != tenant}
    if variant is not None:
        _check_variant(record, variant)
        overrides[tenant] = variant
    return FlagRecord(definition=record.definition, overrides=overrides)


def set_rollout(
    key: str,
    record: FlagRecord,
    weights: Mapping[str, int],
    tenants: Iterable[str] | None = None,
) -> FlagRecord:
    """Returns the flag with shares of the targeting keys per variant, for all or some tenants.

    Shares are laid out in the order of the definition's variants, whatever the order of `weights`:
    typed differently, the same rollout keeps everybody's bucket. Other tenants get the default.
    Raises `CallerError`: variant_not_found, invalid_rollout, invalid_name.
    """
    for variant in weights:
        _check_variant(record, variant)
    _check_shares(key, record, weights)
    shares: list[JsonValue] = [
        [variant, weights[variant]] for variant in record.definition.variants if variant in weights
    ]
    targeting: dict[str, JsonValue] = {"fractional": shares}
    if tenants is not None:
        names: list[JsonValue] = [*sorted({check_name(each, what="tenant") for each in tenants})]
        if not names:
            raise CallerError(
                f"a rollout of {key!r} for no tenant has no effect; name one, or leave tenants out",
                code="invalid_rollout",
            )
        targeting = {"if": [{"in": [{"var": "tenant"}, names]}, targeting]}
    try:
        return _redefined(record, state="ENABLED", targeting=targeting)
    except ValidationError as error:
        why = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise CallerError(f"invalid rollout of {key!r}: {why}", code="invalid_rollout") from error


def redefine(record: FlagRecord | None, definition: FlagDefinition) -> FlagRecord:
    """Returns the flag with another definition and the overrides whose variants it still has."""
    kept = {} if record is None else record.overrides
    overrides = {tenant: own for tenant, own in kept.items() if own in definition.variants}
    return FlagRecord(definition=definition, overrides=overrides)


def _check_shares(key: str, record: FlagRecord, weights: Mapping[str, int]) -> None:
    """Refuses one weight alone: however small it is, it is everybody."""
    if len(weights) > 1:
        return
    rest = [variant for variant in record.definition.variants if variant not in weights]
    given = " ".join(
        f"{variant}={weight} {rest[0]}={max(0, 100 - weight)}"
        for variant, weight in weights.items()
        if rest
    )
    raise CallerError(
        f"a rollout of {key!r} shares out at least two variants, got {len(weights)}; give the rest "
        f"as well{given and ': '}{given}; for everybody use `steersman flags set`",
        code="invalid_rollout",
    )


def _redefined(record: FlagRecord, **changes: Any) -> FlagRecord:
    kept = record.definition.model_dump(by_alias=False)
    definition = FlagDefinition.model_validate({**kept, **changes})
    return FlagRecord(definition=definition, overrides=record.overrides)


def _check_variant(record: FlagRecord, variant: str) -> None:
    variants = record.definition.variants
    if variant not in variants:
        raise CallerError(
            f"the flag has no variant {variant[:80]!r}; it has: {', '.join(variants)}",
            code="variant_not_found",
        )
