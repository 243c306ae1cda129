"""Spans of a real server of two API processes, received as a collector receives them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
import openai
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.conftest import Server, run, start
from tests.e2e.tenants import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SECRET = "Zanzibarquux"
MESSAGES: list[Any] = [{"role": "user", "content": f"Where is my order, {SECRET}?"}]
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACED = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "shop=42"}
STEERED = {"steering": {"vectors": {"empathy": 0.5}}}
SHADOW = "steersman-shadow-"
OURS, ENGINES = "steersman.admission", "llm_request"


@dataclass(frozen=True)
class Received:
    """One span, and which process sent it."""

    span: Span
    process: str

    @property
    def name(self) -> str:
        return self.span.name

    @property
    def trace_id(self) -> str:
        return self.span.trace_id.hex()

    @property
    def parent(self) -> str:
        return self.span.parent_span_id.hex()

    @property
    def says(self) -> dict[str, Any]:
        return {one.key: plain(one.value) for one in self.span.attributes}


def plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    return getattr(value, kind)


@dataclass
class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """An OTLP receiver on loopback that keeps what it is sent."""

    requests: list[Any] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def Export(self, request, context):  # noqa: N802
        with self.lock:
            self.requests.append(request)
        return trace_service_pb2.ExportTraceServiceResponse()

    @property
    def spans(self) -> list[Received]:
        with self.lock:
            return [
                Received(span, next(plain(a.value) for a in each.resource.attributes
                                    if a.key == "vllm.process_id"))
                for request in self.requests for each in request.resource_spans
                for scope in each.scope_spans for span in scope.spans
            ]  # fmt: skip

    def of(self, request_id: str, engines: int = 1) -> tuple[Received, list[Received]]:
        """Returns our span of a request, and vLLM's, once all of them have come."""

        def found(name: str) -> list[Received]:
            named = (span for span in self.spans if span.name == name)
            return [span for span in named if span.says.get("steering.request_id") == request_id]

        wait_until(lambda: len(found(OURS)) == 1 and len(found(ENGINES)) == engines)
        return found(OURS)[0], found(ENGINES)


@pytest.fixture(scope="module")
def collector() -> Iterator[tuple[Collector, int]]:
    receiver = grpc.server(ThreadPoolExecutor(2))
    kept = Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(kept, receiver)
    port = receiver.add_insecure_port("127.0.0.1:0")
    receiver.start()
    yield kept, port
    receiver.stop(None).wait()


@pytest.fixture(scope="module")
def traced(collector, tiny_model, vector_files, tmp_path_factory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("traces")
    run("vectors", "import", vector_files["empathy"], "--name", "empathy", "--model", tiny_model,
        "--data-dir", folder / "data")  # fmt: skip
    server = start(
        tiny_model, folder / "data", folder / "server.log", "--api-server-count", "2",
        "--otlp-traces-endpoint", f"http://127.0.0.1:{collector[1]}",
        "--scheduling-policy", "priority", "--quality-sample", "1", "--quality-shadow", "1",
        env={"OTEL_BSP_SCHEDULE_DELAY": "100"},
    )  # fmt: skip
    yield server
    assert server.stop() == [], server.log.read_text()[-3000:]


@pytest.fixture
def spans(collector) -> Collector:
    return collector[0]


def chat(server: Server, request_id: str, headers=None, **body) -> str:
    """Asks for twelve tokens and returns them."""
    with server.client as client:
        answer = client.chat.completions.create(
            model=str(server.model), messages=MESSAGES, max_tokens=12, temperature=0,
            extra_headers={"x-request-id": request_id, **(headers or {})}, extra_body=body,
        )  # fmt: skip
        return answer.choices[0].message.content


def line_of(server: Server, request_id: str) -> dict[str, Any]:
    """Returns the decision log's line of a request, once it is written."""

    def lines() -> list[dict[str, Any]]:
        files = server.data_dir.glob("decisions/**/*.jsonl")
        return [one for file in files for text in file.read_text().splitlines()
                if (one := json.loads(text))["request_id"] == request_id]  # fmt: skip

    wait_until(lambda: len(lines()) == 1)
    return lines()[0]


def test_a_steered_request_is_in_its_callers_trace(traced, spans):
    chat(traced, "of-a-shop", TRACED, **STEERED)
    ours, (engine,) = spans.of("of-a-shop")
    line = line_of(traced, "of-a-shop")
    assert (ours.trace_id, ours.parent) == (TRACE, PARENT)
    assert (engine.trace_id, engine.parent) == (TRACE, ours.span.span_id.hex())
    assert ours.span.trace_state == engine.span.trace_state == "shop=42"
    (applied,) = line["applied"]
    said = {
        "steering.request_id": line["request_id"],
        "steering.tenant": line["tenant"],
        "steering.outcome": "steered",
        "steering.reason": line["reason"],
        "steering.revision": line["revision"],
        "steering.vectors": [f"empathy@{applied['version']}"],
        "steering.alphas": [0.5],
        "steering.scope": "assistant",
        "http.route": "/v1/chat/completions",
    }
    assert ours.says == {**said, "gen_ai.request.id": "chatcmpl-of-a-shop"}
    assert engine.says.items() >= ours.says.items()
    assert engine.says["gen_ai.usage.completion_tokens"] == 12
    assert ours.span.start_time_unix_nano < ours.span.end_time_unix_nano
    assert ours.span.end_time_unix_nano <= engine.span.end_time_unix_nano


def test_without_a_trace_of_its_callers_a_request_has_one_of_its_own(traced, spans):
    for request_id in ("alone-1", "alone-2"):
        chat(traced, request_id)
    traces = set()
    for request_id in ("alone-1", "alone-2"):
        ours, (engine,) = spans.of(request_id)
        assert ours.parent == ""
        assert (engine.trace_id, engine.parent) == (ours.trace_id, ours.span.span_id.hex())
        assert ours.says["steering.outcome"] == "unsteered"
        assert ours.says["steering.vectors"] == []
        traces.add(ours.trace_id)
    assert len(traces) == 2


def test_a_refused_request_has_a_span_and_the_engine_none(traced, spans):
    with pytest.raises(openai.BadRequestError):
        chat(traced, "refused", TRACED, steering={"vectors": {"empthy": 1}})
    ours, _ = spans.of("refused", engines=0)
    line = line_of(traced, "refused")
    assert (ours.trace_id, ours.parent) == (TRACE, PARENT)
    assert ours.says["steering.outcome"] == "refused"
    assert ours.says["error.type"] == line["refused"] == "vector_not_found"


ROUTES: dict[str, tuple[str, dict[str, Any], int]] = {
    "prompts": ("/v1/completions", {"prompt": [SECRET, "And now?"], "max_tokens": 4}, 2),
    "stream": ("/v1/completions", {"prompt": SECRET, "max_tokens": 4, "stream": True}, 1),
    "responses": ("/v1/responses", {"input": SECRET, "max_output_tokens": 4, "store": False}, 1),
    "messages": ("/v1/messages", {"messages": MESSAGES, "max_tokens": 4}, 1),
    "answers": ("/v1/chat/completions", {"messages": MESSAGES, "max_tokens": 4, "n": 2}, 2),
}


@pytest.mark.parametrize("name", ROUTES)
def test_so_has_every_route_one_prompt_or_several(traced, spans, name):
    path, body, engines = ROUTES[name]
    with traced.client as client:
        client.post(
            path.removeprefix("/v1"), cast_to=str,
            body={"model": str(traced.model), **STEERED, **body},
            options={"headers": {"x-request-id": name, **TRACED}},
        )  # fmt: skip
    ours, of_engine = spans.of(name, engines)
    assert ours.says["http.route"] == path
    assert {s.parent for s in of_engine} == {ours.span.span_id.hex()}
    assert ours.trace_id == TRACE
    assert ours.says["gen_ai.request.id"] in {s.says["gen_ai.request.id"] for s in of_engine}


def test_both_processes_send_their_own(traced, spans):
    """Each connection goes to whichever process takes it."""
    sent = 0

    def both() -> bool:
        nonlocal sent
        chat(traced, f"spread-{sent}", max_tokens=1)
        ours, (engine,) = spans.of(f"spread-{sent}")
        assert ours.process == engine.process
        sent += 1
        return len({s.process for s in spans.spans if s.name == OURS}) == 2

    wait_until(both)


def test_a_shadow_has_the_lowest_priority_and_a_trace_of_its_own(traced, spans):
    """Here the engine goes by priority, and every steered request has a shadow."""

    def pairs() -> float:
        text = httpx.get(traced.url + "/metrics", timeout=30).text
        return sum(sample.value for family in text_string_to_metric_families(text)
                   for sample in family.samples
                   if sample.name == "steering_quality_pairs_total")  # fmt: skip

    chat(traced, "shadowed", TRACED, **STEERED)
    ours, _ = spans.of("shadowed")

    def shadows() -> list[Received]:
        engines = [span for span in spans.spans if span.name == ENGINES]
        return [span for span in engines if span.says["gen_ai.request.id"].startswith(SHADOW)]

    wait_until(lambda: pairs() >= 1 and len(shadows()) >= 1)
    for shadow in shadows():
        assert shadow.parent == ""
        assert shadow.trace_id != ours.trace_id
        assert not [name for name in shadow.says if name.startswith("steering.")]
    assert "Traceback" not in traced.log.read_text(errors="replace")


def test_no_span_has_any_text(traced, spans):
    said = chat(traced, "quiet", **STEERED).strip()
    spans.of("quiet")
    assert len(said) > 8
    with spans.lock:
        everything = "".join(map(str, spans.requests))
    for text in (SECRET, said):
        assert text not in everything
    assert "Where is my order" not in everything
