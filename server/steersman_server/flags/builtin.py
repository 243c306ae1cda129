"""The flags that Steersman itself asks: gates, boolean flags with the variants `on` and `off`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from steersman_vectors.errors import CallerError

from .definition import VECTOR_PREFIX, FlagDefinition

STEERING = "steering"
STEERING_OVERRIDE = "steering-override"
STEERING_INTENT = "steering-intent"
ON = "on"
OFF = "off"


def gate(description: str, default: str) -> FlagDefinition:
    """Returns a boolean flag with the variants `on` and `off`."""
    return FlagDefinition(
        state="ENABLED",
        variants={ON: True, OFF: False},
        default_variant=default,
        metadata={"description": description},
    )


BUILT_IN: Mapping[str, FlagDefinition] = MappingProxyType(
    {
        STEERING: gate("Steering as a whole; off serves everybody unsteered, at once", ON),
        STEERING_OVERRIDE: gate("Requests may name their own steering", OFF),
        STEERING_INTENT: gate("Prompts are classified, and policies may use the intent", ON),
    }
)


def vector_flag(name: str) -> FlagDefinition:
    """Returns the flag that the vector `name` has until somebody changes it."""
    return gate(f"The vector {name}", ON)


def built_in(key: str) -> FlagDefinition | None:
    """Returns what a flag is before anybody has changed it; None when it is nobody's but yours."""
    if key.startswith(VECTOR_PREFIX):
        return vector_flag(key.removeprefix(VECTOR_PREFIX))
    return BUILT_IN.get(key)


def is_gate(key: str) -> bool:
    """Returns whether Steersman itself asks this flag: what is in doubt there is off."""
    return key.startswith(VECTOR_PREFIX) or key in BUILT_IN


def off_is_final(key: str) -> bool:
    """Returns whether `off` for everybody also holds for tenants with an override.

    True for what is on by default, so that one command rolls back. `steering-override` is off by
    default and exists to be on for a few.
    """
    return is_gate(key) and key != STEERING_OVERRIDE


def misshapen(key: str, definition: FlagDefinition) -> bool:
    """Returns whether a built-in flag has other variants than on (true) and off (false)."""
    variants = definition.variants
    right = len(variants) == 2 and variants.get(ON) is True and variants.get(OFF) is False
    return is_gate(key) and not right  # by identity: 1 == True


def check_gate(key: str, definition: FlagDefinition) -> None:
    """Raises `CallerError(invalid_flag)` when a built-in flag is given other variants."""
    if misshapen(key, definition):
        raise CallerError(
            f"flag {key!r} is built in and has the variants on (true) and off (false), got "
            f"{', '.join(definition.variants)}; define a flag of your own for other variants",
            code="invalid_flag",
            param=f"flags.{key}.variants",
        )
