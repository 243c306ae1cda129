"""Spans of one API process, through the exporter that vLLM has set up in it.

vLLM makes a tracer provider of --otlp-traces-endpoint in each API process, with its engine client.
Ours are among its spans: one exporter and one service name for both, and nothing crosses a fork.
"""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from steersman_vectors import __version__

from ..admission.inbound import Caller
from .attributes import asked
from .request_trace import RequestTrace, Running

SPAN = "steersman.admission"
HEADERS = (b"traceparent", b"tracestate")


class Tracing:
    """Begins spans; knows which requests are running, so that vLLM's spans of them say the same."""

    def __init__(self, provider: trace.TracerProvider | None = None) -> None:
        """provider: the process's own by default, which vLLM's engine client has set."""
        provider = trace.get_tracer_provider() if provider is None else provider
        self._running: Running = {}
        self._tracer = provider.get_tracer("steersman", __version__)
        if isinstance(provider, TracerProvider):  # not where OpenTelemetry is switched off
            provider.add_span_processor(_SayTheSame(self._running))

    def begin(
        self, request_id: str, path: str, caller: Caller, headers: Iterable[tuple[bytes, bytes]]
    ) -> RequestTrace:
        """Returns the span of a request that has arrived, in its caller's trace if it has one.

        headers: as ASGI gives them.
        """
        context = TraceContextTextMapPropagator().extract(carrier(headers), Context())
        # Internal: the one that serves the request, in OpenTelemetry's sense, is vLLM's.
        span = self._tracer.start_span(SPAN, context, trace.SpanKind.INTERNAL)
        return RequestTrace(span, asked(request_id, path, caller), self._running)


class _SayTheSame(SpanProcessor):
    """Gives the children of a request's span the attributes of its decision.

    Those are vLLM's `llm_request`: latencies and tokens can be asked for by vector and tenant.
    """

    def __init__(self, running: Running) -> None:
        self._running = running

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002
        """Adds to a span that has just begun."""
        parent = span.parent
        if parent is not None and (said := self._running.get(parent.span_id)) is not None:
            span.set_attributes(said)


def carrier(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Returns the headers of W3C's Trace Context, several of one name as one."""
    found: dict[str, str] = {}
    for raw, value in headers:
        if (name := raw.lower()) in HEADERS:
            key, text = name.decode(), value.decode("latin-1")
            found[key] = f"{found[key]},{text}" if key in found else text
    return found
