"""A request that was let in: what was decided, and its place among its tenant's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..engine.link import OutputTap
from ..tracing.request_trace import RequestTrace
from .decision import Decision
from .limits import Place

Headers = Sequence[tuple[bytes, bytes]]
"""Of a request, as ASGI gives them."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """What admission gives to the edge."""

    decision: Decision
    place: Place
    """To be given back when the request is done."""
    tap: OutputTap | None = None
    """What looks on at its answer, where that is sampled."""
    trace: RequestTrace | None = None
    """Its span, to be ended when the request is done; None where nobody wants spans."""
