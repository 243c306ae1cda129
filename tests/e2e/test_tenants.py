"""Tenants with keys, on two API processes, through the stock clients."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import anthropic
import openai
import pytest

from tests.e2e.tenants import DEFAULT, MESSAGES, applied, code, text, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
OWN = {"empathy@2": DEFAULT}
CONNECTIONS = 8
"""Enough that both processes are asked."""


def chat(server, who: str, model: str = "", **options):
    options = {"max_tokens": 12, "temperature": 0} | options
    return server.client(who).chat.completions.create(
        model=model or server.model, messages=MESSAGES, **options
    )


def test_the_default_holds_and_is_told(tenant_server):
    replies = [tenant_server.chat("acme") for _ in range(CONNECTIONS)]
    assert all(applied(reply) == OWN for reply in replies)
    assert {reply.headers["x-steering-applied"] for reply in replies} == {f"empathy@2={DEFAULT}"}
    plain = tenant_server.chat("free")
    assert applied(plain) == {}
    assert {text(reply) for reply in replies} != {text(plain)}


def test_the_default_holds_on_every_route_of_every_client(tenant_server):
    with tenant_server.client("acme") as client:
        model = tenant_server.model
        said = [
            client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=4),
            client.completions.create(model=model, prompt="Where", max_tokens=4),
            client.responses.create(model=model, input="Where is it?", max_output_tokens=4),
        ]
    with anthropic.Anthropic(
        base_url=tenant_server.server.url, api_key=tenant_server.keys["acme"], max_retries=0
    ) as claude:  # it sends x-api-key
        said.append(claude.messages.create(model=model, messages=MESSAGES, max_tokens=4))
    for reply in said:
        (vector,) = reply.model_extra["steering"]["applied"]
        assert (vector["vector"], vector["version"], vector["alpha"]) == ("empathy", 2, DEFAULT)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": MESSAGES}),
        ("/v1/completions", {"prompt": "Where"}),
        ("/v1/responses", {"input": "Where is it?"}),
        ("/v1/messages", {"messages": MESSAGES}),
    ],
)
def test_a_stream_says_it_first(tenant_server, path, body):
    limit = "max_output_tokens" if path == "/v1/responses" else "max_tokens"
    asked = {"model": tenant_server.model, "stream": True, limit: 4, **body}
    reply = tenant_server.request("acme", "POST", path, json=asked)
    first = next(line for line in reply.text.splitlines() if line.startswith("data: {"))
    steering = json.loads(first.removeprefix("data: "))["steering"]
    assert [(v["vector"], v["alpha"]) for v in steering["applied"]] == [("empathy", DEFAULT)]
    assert reply.headers["x-steering-reason"] == "default"


def test_a_profile_is_a_model(tenant_server):
    base = tenant_server.model
    with tenant_server.client("acme") as client:
        listed = {model.id: model for model in client.models.list()}
    assert set(listed) == {base, f"{base}:formal"}
    assert listed[f"{base}:formal"].model_extra["parent"] == base
    reply = chat(tenant_server, "acme", f"{base}:formal")
    assert reply.model_extra["steering"]["reason"] == "profile:formal"
    assert reply.model_extra["steering"]["applied"][0]["alpha"] == 0.4
    chunks = list(chat(tenant_server, "acme", f"{base}:formal", stream=True))
    assert chunks[0].model_extra["steering"]["reason"] == "profile:formal"
    with tenant_server.client("rival") as client:
        assert {model.id for model in client.models.list()} == {base, f"{base}:rivals-own"}
    refused = {}
    for name in ("rivals-own", "nobodys"):
        with pytest.raises(openai.NotFoundError) as caught:
            chat(tenant_server, "acme", f"{base}:{name}")
        refused[name] = caught.value.message.replace(name, "NAME")
    assert refused["rivals-own"] == refused["nobodys"]  # nobody learns what others have


def test_a_flip_is_in_force_everywhere_within_a_second_and_streams_go_on(tenant_server):
    options = {"max_tokens": 300, "extra_body": {"ignore_eos": True}}
    whole = chat(tenant_server, "acme", **options).choices[0].message.content
    stream = chat(tenant_server, "acme", stream=True, **options)
    said = [next(stream).choices[0].delta.content or ""]

    def reasons() -> set[str]:
        replies = [tenant_server.chat("acme", max_tokens=1) for _ in range(CONNECTIONS)]
        return {reply.headers["x-steering-reason"] for reply in replies}

    off = {"variant": "off", "tenant": "acme"}
    started = time.monotonic()
    answer = tenant_server.admin("POST", "/flags/steering/set", json=off)  # waits for both
    print(f"both processes at revision {answer['revision']} {time.monotonic() - started:.3f} s "
          "after the flip was sent")  # fmt: skip
    try:
        assert reasons() == {"flag_off"}
        said += [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
        assert "".join(said) == whole
    finally:
        tenant_server.admin("POST", "/flags/steering/unset", json={"tenant": "acme"})
    assert reasons() == {"default"}


def test_the_kill_switch_from_the_admin_api_and_from_a_file(tenant_server):
    def steered() -> set[str]:
        replies = [tenant_server.chat("acme", max_tokens=1) for _ in range(CONNECTIONS)]
        return {reply.headers["x-steering-reason"] for reply in replies}

    tenant_server.admin("POST", "/kill-switch", json={"on": True, "reason": "trial"})
    assert steered() == {"kill_switch"}
    tenant_server.admin("POST", "/kill-switch", json={"on": False})
    assert steered() == {"default"}
    (tenant_server.server.data_dir / "kill-switch").touch()
    assert steered() == {"kill_switch"}  # from the very next request on
    assert tenant_server.admin("GET", "/kill-switch")["on"] is True
    tenant_server.admin("POST", "/kill-switch", json={"on": False})
    assert steered() == {"default"}


def test_revoked_and_expired_keys_open_nothing(tenant_server):
    made = tenant_server.make_key(tenant="acme")
    soon = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
    short = tenant_server.make_key(tenant="acme", expires_at=soon)
    tenant_server.keys.update(passing=made["key"], short=short["key"])
    assert applied(tenant_server.chat("passing")) == OWN
    tenant_server.admin("DELETE", f"/keys/{made['id']}")
    # Somebody will: the log must not have it (the fixture reads the whole log at its end).
    whole = tenant_server.request("root", "DELETE", f"/admin/v1/keys/{made['key']}")
    assert code(whole) == (400, "invalid_request")
    tenant_server.request("root", "GET", f"/v1/models?api_key={made['key']}")
    shortened = "/v1/models?..."  # queries are left out as a whole
    wait_until(lambda: shortened in tenant_server.server.log.read_text(errors="replace"))
    refused = {code(tenant_server.chat("passing")) for _ in range(CONNECTIONS)}
    assert refused == {(401, "api_key_revoked")}
    wait_until(lambda: tenant_server.chat("short").status_code == 401)
    assert code(tenant_server.chat("short")) == (401, "api_key_expired")
    with pytest.raises(openai.AuthenticationError):
        chat(tenant_server, "short")


def test_requests_per_minute(tenant_server):
    replies = [tenant_server.chat("slow", max_tokens=1) for _ in range(12)]
    statuses = [reply.status_code for reply in replies]
    assert 1 <= statuses.count(200) <= 4
    refused = next(reply for reply in replies if reply.status_code == 429)
    assert code(refused) == (429, "rate_limit_exceeded")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert tenant_server.chat("free", max_tokens=1).status_code == 200  # nobody else's limit


def test_requests_at_once(tenant_server):
    options = {"max_tokens": 400, "stream": True, "extra_body": {"ignore_eos": True}}
    streams, refusals = [], []
    for _ in range(CONNECTIONS):
        try:
            streams.append(chat(tenant_server, "narrow", **options))
        except openai.RateLimitError as error:
            refusals.append(error)
    assert 1 <= len(streams) <= 2
    assert {error.code for error in refusals} == {"too_many_concurrent_requests"}
    assert refusals[0].response.headers["retry-after"] == "1"
    for stream in streams:
        stream.close()
    wait_until(lambda: tenant_server.chat("narrow", max_tokens=1).status_code == 200)


def test_a_default_that_is_gone_fails_or_falls_back_as_the_tenant_says(tenant_server):
    assert applied(tenant_server.chat("strict")) == {"fading@1": 0.5}
    tenant_server.admin("POST", "/retire", json={"vector": "fading@1", "reason": "too old"})
    wait_until(lambda: tenant_server.chat("strict", max_tokens=1).status_code == 503)
    strict = [tenant_server.chat("strict", max_tokens=1) for _ in range(CONNECTIONS)]
    wait_until(lambda: {code(reply) for reply in strict} == {(503, "vector_retired")})
    assert "too old" in strict[0].json()["error"]["message"]
    lenient = tenant_server.chat("lenient", max_tokens=1)
    assert applied(lenient) == {}
    assert lenient.json()["steering"]["fallback"]["code"] == "vector_retired"
    assert lenient.headers["x-steering-fallback"] == "vector_retired"
