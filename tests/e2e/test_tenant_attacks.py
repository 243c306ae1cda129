"""What a tenant may try: another tenant's steering, a plan of its own, more than its cap.

`acme` may not name steering, `free` may, and both have a cap. Whatever they send, they get their
own steering or a refusal.
"""

from __future__ import annotations

import json

import pytest

from tests.e2e.tenants import CAP, DEFAULT, MESSAGES, applied, code, raw, text

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
OWN = {"empathy@2": DEFAULT}
NOT_ALLOWED = (403, "steering_not_allowed")
SECRET = {"vectors": {"secret": 0.5}}
MINE = {"vectors": {"empathy": 0.5}}
PLAN = {"v": 1, "terms": [["sha256:" + "0" * 64, 9.0]], "scope": "all"}


@pytest.fixture(scope="module")
def expected(tenant_server):
    """What acme's own steering says, and what none says."""
    own, none = tenant_server.chat("acme"), tenant_server.chat("free")
    assert text(own) != text(none)
    return {"own": text(own), "none": text(none)}


@pytest.mark.parametrize(
    "body",
    [
        {"vllm_xargs": {"steering_plan": "x", "tenant": "rival"}},
        {"extra_args": {"steering": PLAN}},
        {"sampling_params": {"extra_args": {"steering": PLAN}}},
        {"kv_transfer_params": {"steering": PLAN}},
        {"cache_salt": "rival"},
        {"extra_body": {"steering": SECRET}},
        {"metadata": {"steering": "secret", "tenant": "rival", "steering-override": "on"}},
        {"chat_template_kwargs": {"steering": SECRET, "tenant": "rival"}},
        {"messages": [{**message, "steering": SECRET} for message in MESSAGES]},
        {"Steering": SECRET},
        {"steering ": SECRET},
        {"steering": None},
        {"user": "rival"},
        {"safety_identifier": "rival", "tenant": "rival", "key_id": "00000000"},
        {"priority": 0, "lora_request": {"name": "rivals-own"}},
    ],
    ids=lambda body: json.dumps(body)[:48],
)
def test_fields_beside_steering_change_nothing(tenant_server, expected, body):
    reply = tenant_server.chat("acme", **body)
    assert applied(reply) == OWN
    assert reply.json()["steering"]["reason"] == "default"
    assert text(reply) == expected["own"]


def test_a_plan_in_the_engines_arguments_is_refused(tenant_server):
    for value in (PLAN, json.dumps(PLAN), [1]):
        reply = tenant_server.chat("acme", vllm_xargs={"steering": value})
        assert code(reply) == (400, "steering_not_allowed")
        again = tenant_server.chat("free", vllm_xargs={"steering": value}, steering=MINE)
        assert code(again) == (400, "steering_not_allowed")


def test_headers_change_nothing(tenant_server, expected):
    rival = tenant_server.keys["rival"]
    for headers in (
        {"x-tenant": "rival", "x-steering-tenant": "rival", "x-steering": json.dumps(SECRET)},
        {"x-api-key": rival},
        {
            "x-steering-applied": "secret@1=9",
            "steersman.caller": "rival",
            "openai-project": "rival",
        },
        {"x-forwarded-for": "127.0.0.1", "host": "localhost", "x-http-method-override": "PUT"},
        {"cookie": f"api_key={rival}", "proxy-authorization": f"Bearer {rival}"},
    ):
        reply = tenant_server.chat("acme", headers=headers)
        assert applied(reply) == OWN
        assert text(reply) == expected["own"]


def test_of_two_keys_the_first_counts(tenant_server):
    import httpx

    own, rival = (("authorization", f"Bearer {tenant_server.keys[w]}") for w in ("acme", "rival"))
    body = {"model": tenant_server.model, "messages": MESSAGES, "max_tokens": 1}
    url = tenant_server.server.url + "/v1/chat/completions"
    assert applied(httpx.post(url, json=body, headers=[own, rival], timeout=60)) == OWN
    wrong = httpx.post(url, json=body, headers=[("authorization", "Bearer x"), own], timeout=60)
    assert code(wrong) == (401, "invalid_api_key")


@pytest.mark.parametrize("steering", [False, MINE, SECRET, {"vectors": {"empathy": 0}}])
def test_naming_steering_needs_the_flag(tenant_server, steering):
    assert code(tenant_server.chat("acme", steering=steering)) == NOT_ALLOWED
    assert code(tenant_server.chat("acme", steering=steering, stream=True)) == NOT_ALLOWED


@pytest.mark.parametrize(
    "fields",
    [
        '"steering": null, "steering": {"vectors": {"secret": 0.5}}',
        '"steering": {"vectors": {"secret": 0.5}}, "steering": false',
        '"\\u0073teering": {"vectors": {"secret": 0.5}}',
        '"steering": {"vectors": {"\\u0073ecret": 0.5}}',
    ],
)
def test_repeated_and_escaped_keys_are_still_steering(tenant_server, fields):
    assert code(tenant_server.chat("acme", content=raw(tenant_server, fields))) == NOT_ALLOWED


def test_other_encodings_of_the_body_are_still_steering(tenant_server):
    body = raw(tenant_server, '"steering": {"vectors": {"secret": 0.5}}').decode()
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        reply = tenant_server.chat("acme", content=body.encode(encoding))
        assert reply.status_code in (400, 403), reply.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"prompt": "Where", "max_tokens": 4}),
        ("/v1/responses", {"input": "Where?", "max_output_tokens": 4}),
        ("/v1/messages", {"messages": MESSAGES, "max_tokens": 4}),
        ("/v1/chat%2Fcompletions", {"messages": MESSAGES, "max_tokens": 4}),
    ],
)
def test_no_other_route_is_a_way_around(tenant_server, path, body):
    def post(who: str, **extra):
        return tenant_server.request(who, "POST", path, json={"model": tenant_server.model, **body,
                                                              **extra})  # fmt: skip

    assert applied(post("acme")) == OWN
    assert code(post("acme", steering=SECRET)) == NOT_ALLOWED
    assert code(post("acme", steering=False)) == NOT_ALLOWED
    assert code(post("free", steering=SECRET)) == NOT_ALLOWED
    too_much = {"vectors": {"empathy": CAP * 2}}
    assert code(post("free", steering=too_much)) == (400, "alpha_out_of_range")
    assert code(post("free", steering={"vectors": {"empathy@2": "strong"}}, stream=True)) == (
        400, "alpha_out_of_range",
    )  # fmt: skip


def test_the_model_field_opens_nothing_else(tenant_server):
    base = tenant_server.model
    for model in (f"{base}:rivals-own", f"{base}:secret", f"{base}:formal:rivals-own", "secret",
                  f"{base}:formal@2", f"{base}: formal"):  # fmt: skip
        assert tenant_server.chat("acme", model=model).status_code == 404
    both = tenant_server.chat("acme", model=f"{base}:formal", steering=SECRET)
    assert code(both) == NOT_ALLOWED
    assert applied(tenant_server.chat("free", model=base)) == {}


def test_vectors_of_others_are_not_listed(tenant_server):
    def names(who: str) -> set[str]:
        listed = tenant_server.request(who, "GET", "/v1/steering/vectors").json()["data"]
        return {vector["id"] for vector in listed}

    assert names("acme") == {"empathy"}
    assert names("rival") == {"concise", "secret"}


@pytest.mark.parametrize(
    "body",
    [
        {"use_beam_search": True, "n": 2},
        {"chat_template": "{{ messages }}"},
        {"chat_template_kwargs": {"chat_template": "{{ messages }}"}},
    ],
    ids=json.dumps,
)
def test_what_cannot_be_steered_is_refused_and_never_served_without(tenant_server, body):
    assert code(tenant_server.chat("acme", **body)) == (400, "steering_unsupported")


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": ["Where is my order?", "Where"]},
        {"prompt": [5, 6, 7, 8]},
        {"prompt": [[5, 6, 7, 8], [9, 10]], "echo": True},
        {"prompt": "Where is my order?", "stop": ["zzz"], "seed": 7, "logprobs": 2},
    ],
    ids=json.dumps,
)
def test_every_prompt_of_a_request_is_steered(tenant_server, body):
    asked = {"model": tenant_server.model, "max_tokens": 12, "temperature": 0, "ignore_eos": True}

    def texts(who: str, **extra) -> list[str]:
        reply = tenant_server.request(
            who, "POST", "/v1/completions", json={**asked, **body, **extra}
        )
        assert reply.status_code == 200, reply.text
        return [choice["text"] for choice in reply.json()["choices"]]

    own = texts("acme")
    steering = {"vectors": {"empathy@2": DEFAULT}}
    assert own == texts("free", steering=steering)
    assert all(a != b for a, b in zip(own, texts("free"), strict=True))


def test_a_request_id_of_anothers_request_changes_neither(tenant_server):
    same = {"request_id": "the-same-for-both"}
    header = {"x-request-id": "the-same-for-both"}
    whole = tenant_server.client("acme").chat.completions.create(
        model=tenant_server.model, messages=MESSAGES, temperature=0, max_tokens=200,
        extra_body={"ignore_eos": True},
    ).choices[0].message.content  # fmt: skip
    alone = text(tenant_server.chat("free", steering=MINE))
    stream = tenant_server.client("acme").chat.completions.create(
        model=tenant_server.model, messages=MESSAGES, temperature=0, max_tokens=200, stream=True,
        extra_body={"ignore_eos": True, **same}, extra_headers=header,
    )  # fmt: skip
    said = [next(stream).choices[0].delta.content or ""]
    for _ in range(4):
        reply = tenant_server.chat("free", headers=header, steering=MINE, **same)
        assert reply.status_code != 200 or text(reply) == alone
    said += [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert "".join(said) == whole
