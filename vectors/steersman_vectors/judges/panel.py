"""Which models judge, and how they are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..asking.endpoint import Patience
from ..errors import CallerError

SEVERAL_TEMPERATURE = 0.7
"""Of several calls to one model, which must be able to differ; a single call is at 0."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One model on the panel."""

    url: str
    model: str | None = None
    """None: the only one that the server lists."""
    key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Asking:
    """How the panel is asked."""

    calls: int = 1
    """For each answer, odd; call i goes to seat i modulo the panel's size, with seed i."""
    temperature: float | None = None
    """None: 0 where each seat is asked once, else `SEVERAL_TEMPERATURE`."""
    max_reply_tokens: int = 400
    concurrency: int = 8
    options: Mapping[str, Any] = field(default_factory=dict)
    """More fields of each request, or other values; None leaves a field out."""
    patience: Patience = field(default_factory=Patience)

    def fields(self, sample: int, seats: int) -> dict[str, Any]:
        """Returns the fields of one request beside its model and messages."""
        usual = 0.0 if self.calls <= seats else SEVERAL_TEMPERATURE
        fields = {
            "temperature": usual if self.temperature is None else self.temperature,
            "seed": sample,
            "max_tokens": self.max_reply_tokens,
            **self.options,
        }
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Estimate:
    """What judging would take, before it is begun."""

    calls: int
    cached: int
    """Calls whose replies are there already and cost nothing; not in the figures below."""
    prompt_tokens: int
    reply_tokens: int
    """At most."""
    cost: float


def checked_panel(panel: Sequence[Seat], asking: Asking) -> None:
    """Raises `CallerError(invalid_option)` where votes could not decide."""
    if asking.calls < 1 or asking.calls % 2 == 0:
        raise _invalid(f"--calls {asking.calls}", "an odd number, so that votes decide", "calls")
    if not panel:
        raise _invalid("no endpoint", "--endpoint URL", "endpoint")
    if len(panel) > asking.calls:
        enough = len(panel) + 1 - len(panel) % 2
        raise _invalid(
            f"{len(panel)} endpoints and {asking.calls} calls",
            f"--calls {enough} or more, so that each has a say",
            "calls",
        )


def _invalid(got: str, expected: str, param: str) -> CallerError:
    return CallerError(f"got {got}, expected {expected}", code="invalid_option", param=param)
