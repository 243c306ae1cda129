"""The edge against a bare ASGI app: what goes in, what comes out, what is left alone."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from steersman_server.access.routes import GENERATION_ROUTES
from steersman_server.access.whole_body import read_whole
from steersman_server.admission.admitted import Admitted
from steersman_server.admission.limits import Limits
from steersman_server.openai.body import check_beside
from steersman_server.openai.middleware import SteeringMiddleware
from steersman_vectors.errors import CallerError, OperatorError, SteersmanError
from tests.unit.server.samples import resolve_field

CHAT = "/v1/chat/completions"
OTHER = "/tokenize"
"""A tenant's route that cannot be steered."""
STEERED = {"vectors": {"empathy": 0.5}}


class FakeAdmission:
    """Our own contract, on a fixed snapshot; remembers the plan each request ran under."""

    def __init__(self):
        self.plans = []
        self.bodies = []
        self.failure = None
        self.refusals = []

    models = ("m",)

    def profiles_of(self, caller):
        return ["formal"]

    def refuse(self, caller, path, error, request_id):
        assert path.startswith("/")
        assert request_id
        self.refusals.append((caller.name, error.code))

    async def admit(self, caller, path, body, request_id, headers):
        try:
            decision = self._decide(body)
        except SteersmanError as error:
            self.refuse(caller, path, error, request_id)
            raise
        return Admitted(decision, Limits().running(caller))

    def _decide(self, body):
        if self.failure:
            raise self.failure
        self.bodies.append(body)
        decision = resolve_field(body.steering)
        if decision.plan is not None:
            check_beside(body.payload, decision.scope)
        return decision

    @contextmanager
    def running(self, admitted):
        self.plans.append(admitted.decision.plan)
        yield


async def answer(request):
    """Echoes the body that got through, in the manner it asks for."""
    body = await request.body()
    payload = json.loads(body) if body.endswith(b"}") else {}
    match payload.get("as"):
        case "stream":
            chunks = [": ping\n\n", 'data: {"n": 1}\n\n', 'data: {"n": 2}\n\n', "data: [DONE]\n\n"]
            return StreamingResponse(iter(chunks), media_type="text/event-stream")
        case "empty":
            return JSONResponse({})
        case "list":
            return JSONResponse([{"n": 1}])
        case "text":
            return Response("{plain", media_type="text/plain")
        case "error":
            return JSONResponse({"error": {"message": "no"}}, status_code=404)
    return JSONResponse({"got": body.decode(errors="replace")})


@pytest.fixture
def admission():
    return FakeAdmission()


@pytest.fixture
async def client(admission):
    paths = [*GENERATION_ROUTES, OTHER, "/ping"]
    app = Starlette(routes=[Route(path, answer, methods=["POST"]) for path in paths])
    transport = httpx.ASGITransport(SteeringMiddleware(app, lambda: admission))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield http


@pytest.mark.parametrize("path", sorted(GENERATION_ROUTES))
async def test_every_generation_route_is_steered(client, admission, path):
    reply = await client.post(path, json={"model": "m", "steering": STEERED})
    assert json.loads(reply.json()["got"]) == {"model": "m"}
    assert reply.json()["steering"]["applied"][0]["vector"] == "empathy"
    assert reply.headers["x-steering-applied"] == "empathy@2=0.5"
    assert reply.headers["x-steering-revision"] == "7"
    assert admission.plans[0].terms[0][1] == 0.5


async def test_a_body_without_the_field_passes_byte_for_byte(client, admission):
    body = b'{ "model":"m" , "temperature":0.10 }'
    reply = await client.post(CHAT, content=body)
    assert reply.json()["got"].encode() == body
    assert reply.json()["steering"]["reason"] == "default"
    assert admission.plans == [None]


async def test_the_field_is_found_even_when_its_name_is_escaped(client, admission):
    body = b'{"model": "m", "st\\u0065ering": {"vectors": {"empathy": 0.5}}}'
    reply = await client.post(CHAT, content=body)
    assert "steering" not in json.loads(reply.json()["got"])
    assert admission.plans[0] is not None


async def test_false_and_null(client):
    off = await client.post(CHAT, json={"steering": False})
    absent = await client.post(CHAT, json={"steering": None})
    assert off.json()["steering"]["reason"] == "request_off"
    assert absent.json()["steering"]["reason"] == "default"


async def test_a_stream_says_it_once_in_its_first_event(client):
    reply = await client.post(CHAT, json={"as": "stream", "steering": STEERED})
    events = [line[6:] for line in reply.text.splitlines() if line.startswith("data: {")]
    assert json.loads(events[0])["n"] == 1
    assert json.loads(events[0])["steering"]["applied"][0]["alpha"] == 0.5
    assert json.loads(events[1]) == {"n": 2}
    assert reply.text.startswith(": ping\n\n")
    assert reply.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("kind", "expected"), [("list", '[{"n":1}]'), ("text", "{plain"), ("error", None)]
)
async def test_what_is_no_successful_object_is_left_alone(client, kind, expected):
    reply = await client.post(CHAT, json={"as": kind, "steering": STEERED})
    if expected is None:
        assert reply.status_code == 404
        assert reply.json() == {"error": {"message": "no"}}
    else:
        assert reply.text == expected


async def test_an_empty_object_stays_json(client):
    reply = await client.post(CHAT, json={"as": "empty", "steering": STEERED})
    assert list(reply.json()) == ["steering"]


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"steering": ', b"\xff\xfe", b'"steering"'])
async def test_what_is_no_json_object_is_the_routes_business(client, body):
    reply = await client.post(CHAT, content=body)
    assert reply.status_code == 200


async def test_other_routes_refuse_steering_and_are_left_alone_without(client, admission):
    for steering in (STEERED, "garbage"):
        reply = await client.post(OTHER, json={"steering": steering})
        assert reply.status_code == 400
        assert reply.json()["error"]["code"] == "steering_unsupported"
    body = b'{ "input":"x"}'
    headers = {"content-type": "application/json"}
    reply = await client.post(OTHER, content=body, headers=headers)
    assert reply.json()["got"].encode() == body
    upload = b'{"steering": 1}'  # no JSON by its type: not even read
    assert (await client.post(OTHER, content=upload)).status_code == 200
    assert admission.plans == []
    assert admission.refusals == [("local", "steering_unsupported")] * 2


async def test_a_form_that_asks_for_steering_is_refused_too(client, admission):
    """As audio is transcribed by: nobody would look at its fields."""
    sound = {"file": ("a.wav", b"steering", "audio/wav")}
    reply = await client.post(OTHER, files=sound, data={"steering": "{}"})
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "steering_unsupported"
    reply = await client.post(OTHER, files=sound, data={"prompt": "name=steering"})
    assert reply.status_code == 200
    assert admission.plans == []
    assert admission.refusals == [("local", "steering_unsupported")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"steering": {"vectors": {"empthy": 1}}}, "vector_not_found"),
        ({"vllm_xargs": {"steering": "{}"}}, "steering_not_allowed"),
        ({"steering": STEERED, "use_beam_search": True}, "steering_unsupported"),
        ({"steering": STEERED, "chat_template": "{{ messages }}"}, "steering_unsupported"),
        (
            {"steering": STEERED, "chat_template_kwargs": {"chat_template": "{{ messages }}"}},
            "steering_unsupported",
        ),
    ],
)
async def test_refusals_have_openais_shape(client, admission, body, code):
    reply = await client.post(CHAT, json=body)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["type"]) == (code, "invalid_request_error")
    assert reply.headers["x-should-retry"] == "false"
    assert admission.plans == []
    assert admission.refusals == [("local", code)]  # once, whoever finds it


async def test_our_own_trouble_is_a_503_that_may_be_retried(client, admission):
    admission.failure = OperatorError("registry is away", code="registry_unavailable")
    reply = await client.post(CHAT, json={"steering": STEERED})
    assert reply.status_code == 503
    assert reply.json()["error"]["type"] == "server_error"
    assert "x-should-retry" not in reply.headers


async def test_a_template_of_its_own_leaves_scopes_that_need_none(client, admission):
    for scope in ("generation", "all"):
        body = {"steering": {**STEERED, "scope": scope}, "chat_template": "{{ messages }}"}
        assert (await client.post(CHAT, json=body)).status_code == 200
        assert admission.plans[-1].scope == scope


async def test_a_server_without_steering_refuses_steered_requests_only():
    app = Starlette(routes=[Route(CHAT, answer, methods=["POST"])])
    transport = httpx.ASGITransport(SteeringMiddleware(app, lambda: None))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        steered = await http.post(CHAT, json={"steering": STEERED})
        assert steered.status_code == 503
        assert steered.json()["error"]["code"] == "steering_not_enabled"
        for body in ({}, {"steering": False}):
            reply = await http.post(CHAT, json=body)
            assert reply.status_code == 200
            assert "x-steering-applied" not in reply.headers


async def test_beam_search_without_steering_is_none_of_our_business(client):
    assert (await client.post(CHAT, json={"use_beam_search": True})).status_code == 200


async def test_a_profile_is_taken_out_of_the_model_field(client, admission):
    reply = await client.post(CHAT, json={"model": "m:formal", "n": 1})
    assert json.loads(reply.json()["got"]) == {"model": "m", "n": 1}
    assert admission.bodies[-1].profile == "formal"
    for model in ("m:unknown", "other:formal", "m", 7, "formal", ":formal", "m:"):
        reply = await client.post(CHAT, json={"model": model})
        assert json.loads(reply.json()["got"]) == {"model": model}  # the route says what is wrong
        assert admission.bodies[-1].profile is None


async def test_profiles_are_listed_beneath_their_model(admission):
    async def models(request):
        return JSONResponse({"object": "list", "data": [
            {"id": "m", "object": "model", "created": 5, "owned_by": "vllm", "parent": None},
            {"id": "adapter", "object": "model", "parent": "m"},
        ]})  # fmt: skip

    app = Starlette(routes=[Route("/v1/models", models)])
    transport = httpx.ASGITransport(SteeringMiddleware(app, lambda: admission))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        reply = await http.get("/v1/models")
    assert [card["id"] for card in reply.json()["data"]] == ["m", "adapter", "m:formal"]
    assert reply.json()["data"][2] == {
        "id": "m:formal", "object": "model", "created": 5, "owned_by": "vllm", "root": "m",
        "parent": "m",
    }  # fmt: skip


async def test_who_has_no_key_has_no_body_read(client):
    """Not even looked at: anybody may post to the open routes."""
    body = b'{"steering": {"vectors": {"empathy": 1}}}'
    reply = await client.post("/ping", content=body, headers={"content-type": "application/json"})
    assert reply.json()["got"].encode() == body


@pytest.mark.timeout(60)
async def test_a_form_made_to_be_slow_is_looked_through_once(client):
    hostile = b"form-data;" * 300_000  # minutes, where each word were tried with all that follows
    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert (await client.post(OTHER, content=hostile, headers=headers)).status_code == 200


@pytest.mark.parametrize("path", [CHAT, OTHER])
async def test_a_body_has_a_largest_size(admission, path):
    app = Starlette(routes=[Route(path, answer, methods=["POST"])])
    edge = SteeringMiddleware(app, lambda: admission, max_body_bytes=100)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(edge), base_url="http://test"
    ) as http:
        assert (await http.post(path, json={"n": "x" * 50})).status_code == 200
        refused = await http.post(path, json={"n": "x" * 200})
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "body_too_large")


async def test_a_body_that_does_not_come_is_not_waited_for():
    async def never():
        await asyncio.Event().wait()

    with pytest.raises(CallerError) as caught:
        await read_whole(never, 100, timeout_s=0.01)
    assert (caught.value.http_status, caught.value.code) == (408, "body_too_slow")
