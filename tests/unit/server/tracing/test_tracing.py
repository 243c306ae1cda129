"""Spans on OpenTelemetry's own SDK: whose trace they are in, and what they say."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from steersman_server.admission.decision import Fallback
from steersman_server.admission.inbound import LOCAL_CALLER, Caller
from steersman_server.flags.evaluation import Evaluation
from steersman_server.intent.contract import Intent
from steersman_server.tenants.tenant import Tenant
from steersman_server.tracing.installed import check_endpoint, check_installed
from steersman_server.tracing.request_trace import traceparent
from steersman_server.tracing.tracing import SPAN, Tracing, carrier
from steersman_vectors.errors import CallerError, OperatorError
from tests.unit.server.samples import resolve_field

CHAT = "/v1/chat/completions"
ACME = Caller("acme", Tenant())
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STEERED = resolve_field({"vectors": {"empathy": "low", "plain": 0.1},
                         "schedule": {"kind": "constant"}})  # fmt: skip


@pytest.fixture
def sent():
    return InMemorySpanExporter()


@pytest.fixture
def provider(sent):
    made = TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(sent))
    return made


@pytest.fixture
def tracing(provider):
    return Tracing(provider)


def engine_span(provider, headers):
    """Makes vLLM's span as vLLM does, of the headers that it was given."""
    context = TraceContextTextMapPropagator().extract(headers)
    provider.get_tracer("vllm").start_span("llm_request", context).end()


def served(tracing, provider, decision=STEERED, headers=()):
    one = tracing.begin("r1", CHAT, ACME, headers)
    one.decided(decision)
    engine_span(provider, one.headers("chatcmpl-r1"))
    one.end()


def test_a_span_is_in_its_callers_trace_and_the_engines_is_its_child(tracing, provider, sent):
    served(tracing, provider, headers=[(b"Traceparent", PARENT.encode())])
    engine, ours = sent.get_finished_spans()
    assert ours.name == SPAN
    assert traceparent(ours.context.trace_id, ours.parent.span_id, 1) == PARENT
    assert engine.parent.span_id == ours.context.span_id
    assert engine.context.trace_id == ours.context.trace_id


@pytest.mark.parametrize("header", [None, b"", b"nonsense", b"00-" + b"0" * 32 + b"-b7-01"])
def test_without_a_caller_that_traces_the_two_are_a_trace_of_their_own(
    tracing, provider, sent, header
):
    served(tracing, provider, headers=[] if header is None else [(b"traceparent", header)])
    engine, ours = sent.get_finished_spans()
    assert ours.parent is None
    assert engine.context.trace_id == ours.context.trace_id


def test_a_span_around_the_server_is_no_callers(tracing, provider, sent):
    with provider.get_tracer("t").start_as_current_span("boot"):
        served(tracing, provider)
    assert [span.parent for span in sent.get_finished_spans() if span.name == SPAN] == [None]


def test_both_spans_say_what_was_decided(tracing, provider, sent):
    decision = replace(
        STEERED, tenant="acme", scale=0.5,
        intent=Intent("billing", 0.9, "billing", "rules"),
        flags=(Evaluation("dose", "high", 1, "targeting"),),
        fallback=Fallback("vector_retired", "not this text"),
    )  # fmt: skip
    served(tracing, provider, decision)
    engine, ours = sent.get_finished_spans()
    assert dict(engine.attributes) == {
        "steering.request_id": "r1",
        "steering.tenant": "acme",
        "http.route": CHAT,
        "steering.outcome": "steered",
        "steering.reason": "request",
        "steering.revision": decision.revision,
        "steering.vectors": ("empathy@2", "plain@1"),
        "steering.alphas": tuple(v.alpha for v in decision.applied),
        "steering.scope": "assistant",
        "steering.intent": "billing",
        "steering.flags": ("dose=high",),
        "steering.backed_off": 0.5,
        "steering.fallback": "vector_retired",
    }
    assert dict(ours.attributes) == {**engine.attributes, "gen_ai.request.id": "chatcmpl-r1"}


def test_an_unsteered_request_has_a_span_too(tracing, provider, sent):
    served(tracing, provider, resolve_field(False))
    ours = sent.get_finished_spans()[-1]
    assert ours.attributes["steering.outcome"] == "unsteered"
    assert ours.attributes["steering.vectors"] == ()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (CallerError("has the client's text", code="vector_not_found"), trace.StatusCode.UNSET),
        (OperatorError("has a path", code="registry_unavailable"), trace.StatusCode.ERROR),
    ],
)
def test_a_refusal_is_sent_at_once_with_its_code_only(tracing, sent, error, status):
    tracing.begin("r2", CHAT, LOCAL_CALLER, ()).refused(error)
    (ours,) = sent.get_finished_spans()
    assert ours.attributes["steering.outcome"] == "refused"
    assert ours.attributes["error.type"] == error.code
    assert "gen_ai.request.id" not in ours.attributes
    assert ours.status.status_code is status
    assert error.message not in ours.to_json()


def test_the_span_keeps_the_engines_first_id_of_several(tracing, provider, sent):
    one = tracing.begin("r3", "/v1/completions", ACME, ())
    one.decided(STEERED)
    assert one.headers("cmpl-r3-0") == one.headers("cmpl-r3-1")
    one.end()
    (ours,) = sent.get_finished_spans()
    assert ours.attributes["gen_ai.request.id"] == "cmpl-r3-0"


def test_what_the_engine_does_after_the_request_is_its_child_and_no_more(tracing, provider, sent):
    """A response in the background runs on when its request is answered."""
    one = tracing.begin("r4", "/v1/responses", ACME, ())
    one.decided(STEERED)
    one.end()
    engine_span(provider, one.headers("resp_1"))
    ours, engine = sent.get_finished_spans()
    assert engine.parent.span_id == ours.context.span_id
    assert not engine.attributes
    assert tracing._running == {}


def test_a_caller_that_does_not_sample_decides_for_all(tracing, provider, sent):
    served(tracing, provider, headers=[(b"traceparent", PARENT[:-2].encode() + b"00")])
    assert sent.get_finished_spans() == ()


def test_the_callers_tracestate_goes_on(tracing, provider, sent):
    headers = [(b"traceparent", PARENT.encode()), (b"tracestate", b"a=1"), (b"Tracestate", b"b=2")]
    served(tracing, provider, headers=headers)
    assert {s.context.trace_state.to_header() for s in sent.get_finished_spans()} == {"a=1,b=2"}


def test_opentelemetry_switched_off_sends_nothing_on():
    one = Tracing(trace.NoOpTracerProvider()).begin("r5", CHAT, ACME, ())
    one.decided(STEERED)
    assert one.headers("chatcmpl-r5") == {}
    one.end()


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.sampled_from([0, 1]))
def test_the_header_is_what_opentelemetry_writes_itself(trace_id, span_id, flags):
    context = trace.SpanContext(trace_id, span_id, is_remote=False, trace_flags=flags)
    span = trace.set_span_in_context(trace.NonRecordingSpan(context))
    reference: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(reference, span)
    assert {"traceparent": traceparent(trace_id, span_id, flags)} == reference


def test_no_other_header_is_looked_at():
    assert carrier([(b"authorization", b"Bearer k"), (b"TRACESTATE", b"a=1")]) == {
        "tracestate": "a=1"
    }


def test_what_is_missing_is_told_with_the_remedy():
    with pytest.raises(OperatorError, match="pip install opentelemetry-exporter-otlp`") as told:
        check_installed("http://t:4317", lambda name: None if "exporter" in name else object())
    assert told.value.code == "tracing_unavailable"

    def nothing(name: str) -> object:
        raise ModuleNotFoundError(name)

    with pytest.raises(OperatorError, match="opentelemetry-exporter-otlp opentelemetry-sdk"):
        check_installed("http://t:4317", nothing)


@pytest.mark.parametrize(
    ("endpoint", "protocol"),
    [
        (None, "rubbish"), ("http://t:4317", None), ("https://t", "grpc"), ("t:4317", ""),
        ("[::1]:4317", None), ("http://[::1]:4317", None), ("unix:///run/t.sock", "grpc"),
        ("dns:///t:4317", None), ("http://t:4318/v1/traces", "http/protobuf"),
        ("https://t/v1/traces", "http/protobuf"),
    ],
)  # fmt: skip
def test_addresses_that_exporters_can_send_to(endpoint, protocol):
    check_endpoint(endpoint, protocol)


@pytest.mark.parametrize(
    ("endpoint", "protocol"),
    [
        ("", None), ("t", None), ("http://", None), ("http:/t:4317", None), ("htp://t:4317", None),
        ("http://t:port", None), ("http://t:99999", None), ("http://[::1:4317", None),
        ("t:4317", "http/protobuf"), ("unix:///run/t", "http/protobuf"), ("a b:4317", None),
        ("http://t:4317", "http/json"),
    ],
)  # fmt: skip
def test_others_are_refused_before_anything_starts(endpoint, protocol):
    with pytest.raises(CallerError, match="expected") as refusal:
        check_endpoint(endpoint, protocol)
    assert refusal.value.code == "invalid_option"


def test_without_an_endpoint_nobody_asks():
    check_installed(None, lambda name: pytest.fail(name))
    check_installed("http://t:4317")


def test_a_server_without_spans_needs_no_opentelemetry():
    code = (
        "import sys; sys.modules['opentelemetry'] = None;"
        "import steersman_server.service, steersman_server.app, steersman_server.serve.run"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
