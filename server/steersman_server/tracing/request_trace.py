"""One request's span, from its decision to the engine's own span of it.

NOTE: no import of OpenTelemetry: what a request passes is the same with and without.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from steersman_vectors.errors import SteersmanError

from ..admission.decision import Decision
from .attributes import ENGINE_REQUEST_ID, Attributes, decided, refused

if TYPE_CHECKING:
    from opentelemetry.trace import Span

Running = dict[int, Attributes]
"""Id of a span whose request is running -> what its children say too."""


class RequestTrace:
    """The span of one request's admission.

    It covers the time to the decision, and is sent when the request is done: only then is it known
    under which id the engine ran it.
    """

    def __init__(self, span: Span, attributes: Attributes, running: Running) -> None:
        self._span = span
        self._attributes = attributes
        self._running = running
        self._decided_ns: int | None = None
        self._engine_request_id: str | None = None
        """Not among the attributes: vLLM gives each of its spans the id itself."""

    def decided(self, decision: Decision) -> None:
        """Notes what was decided; to be followed by `end`."""
        self._decided_ns = time.time_ns()
        self._attributes |= decided(decision)
        self._running[self._span.get_span_context().span_id] = self._attributes

    def refused(self, error: SteersmanError) -> None:
        """Ends the span of a request that was not let in."""
        self._attributes |= refused(error.code)
        if error.http_status >= 500:  # by OpenTelemetry's rule a caller's mistake is none of ours
            from opentelemetry.trace import StatusCode

            self._span.set_status(StatusCode.ERROR, error.code)
        self.end()

    def headers(self, engine_request_id: str) -> Mapping[str, str]:
        """Returns the headers under which the engine's span of the request is a child of this one.

        engine_request_id: of this call of the engine; the span keeps that of the first, where one
        request has several, as one with several prompts has.
        """
        if self._engine_request_id is None:
            self._engine_request_id = engine_request_id
        context = self._span.get_span_context()
        if not context.is_valid:  # OTEL_SDK_DISABLED
            return {}
        headers = {
            "traceparent": traceparent(context.trace_id, context.span_id, context.trace_flags)
        }
        if context.trace_state:
            headers["tracestate"] = context.trace_state.to_header()
        return headers

    def end(self) -> None:
        """Sends the span."""
        self._running.pop(self._span.get_span_context().span_id, None)
        self._span.set_attributes(self._attributes)
        if self._engine_request_id is not None:
            self._span.set_attribute(ENGINE_REQUEST_ID, self._engine_request_id)
        self._span.end(self._decided_ns)


def traceparent(trace_id: int, span_id: int, flags: int) -> str:
    """Returns the header of W3C's Trace Context, version 00."""
    return f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}"
