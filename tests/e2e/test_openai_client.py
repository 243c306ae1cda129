"""The stock OpenAI client against a real server."""

from __future__ import annotations

import asyncio
import json

import httpx
import openai
import pytest
from transformers import AutoTokenizer

from steersman_vectors.chat_template import markers_of_tokenizer
from steersman_vectors.plan import SteeringPlan
from steersman_vectors.schedule import CONSTANT, Linear
from steersman_vectors.spans import steered_turns

pytestmark = pytest.mark.e2e

MESSAGES = [
    {"role": "user", "content": "Where is my order?"},
    {"role": "assistant", "content": "Please tell me the number."},
    {"role": "user", "content": "It is 4812, thanks"},
]


def chat(server, steering=..., **options):
    options = {"temperature": 0, "max_tokens": 12} | options
    body = {} if steering is ... else {"steering": steering}
    extra = {**body, "ignore_eos": True, "return_token_ids": True}
    return server.client.chat.completions.create(
        model=str(server.model), messages=MESSAGES, extra_body=extra, **options,
    )  # fmt: skip


def text(reply) -> str:
    return reply.choices[0].message.content


def test_steered_unsteered_and_switched_off(server):
    plain, off = chat(server), chat(server, False)
    steered = chat(server, {"vectors": {"empathy": "low"}})
    assert text(steered) != text(plain) == text(off)
    assert plain.steering["reason"] == "default"
    assert off.steering["reason"] == "request_off"
    assert steered.steering["applied"][0]["preset"] == "low"
    assert steered.steering["applied"][0]["alpha"] == 0.5
    assert text(chat(server, {"vectors": {"empathy": 0.0}})) == text(plain)
    assert text(chat(server)) == text(plain)


@pytest.mark.parametrize(
    ("steering", "schedule"),
    [
        ({"vectors": {"empathy": 1.0}}, CONSTANT),
        ({"vectors": {"empathy": -0.7}, "scope": "generation"}, CONSTANT),
        ({"vectors": {"empathy": "strong"}}, Linear(tokens=4, floor=0.25)),
        (
            {"vectors": {"empathy": 1}, "schedule": {"kind": "linear", "tokens": 3}},
            Linear(tokens=3),
        ),
    ],
)
def test_what_is_answered_is_exact(server, reference, by_digest, steering, schedule):
    """Log-probabilities through HTTP equal a Hugging Face forward with hooks."""
    reply = chat(server, steering, logprobs=True)
    applied = reply.steering["applied"][0]
    prompt, answer = reply.prompt_token_ids, reply.choices[0].token_ids
    markers = markers_of_tokenizer(AutoTokenizer.from_pretrained(server.model))
    plan = SteeringPlan(
        terms=((applied["digest"], applied["alpha"]),),
        schedule=schedule,
        turns=steered_turns(reply.steering["scope"], prompt, markers),
    )
    assert len(plan.turns) == (2 if reply.steering["scope"] == "assistant" else 1)
    expected = reference.logprobs(prompt + answer, plan, by_digest)
    for i, entry in enumerate(reply.choices[0].logprobs.content):
        assert abs(entry.logprob - expected[len(prompt) - 1 + i, answer[i]].item()) < 1e-4


def test_streamed_equals_whole(server):
    steering = {"vectors": {"empathy": "strong"}}
    whole = chat(server, steering)
    chunks = list(chat(server, steering, stream=True))
    streamed = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert streamed == text(whole)
    assert chunks[0].steering == whole.steering
    assert all(getattr(c, "steering", None) is None for c in chunks[1:])


def test_headers(server):
    raw = server.client.chat.completions.with_raw_response.create(
        model=str(server.model), messages=MESSAGES, max_tokens=1,
        extra_body={"steering": {"vectors": {"empathy@1": 0.5}}},
    )  # fmt: skip
    assert raw.headers["x-steering-applied"] == "empathy@1=0.5"
    assert int(raw.headers["x-steering-revision"]) >= 1


def test_each_of_n_is_steered(server, reference, by_digest):
    reply = chat(
        server,
        {"vectors": {"empathy": 1.5}, "scope": "generation"},
        n=2,
        temperature=1,
        logprobs=True,
    )
    applied = reply.steering["applied"][0]
    prompt = reply.prompt_token_ids
    plan = SteeringPlan(
        terms=((applied["digest"], applied["alpha"]),), turns=((len(prompt) - 1, None),)
    )
    for choice in reply.choices:
        expected = reference.logprobs(prompt + choice.token_ids, plan, by_digest)
        for i, entry in enumerate(choice.logprobs.content):
            wanted = expected[len(prompt) - 1 + i, choice.token_ids[i]].item()
            assert abs(entry.logprob - wanted) < 1e-4
    assert len(reply.choices) == 2


def test_completions_and_batches_of_prompts(server):
    def complete(steering, prompt, **options):
        return server.client.completions.create(
            model=str(server.model), prompt=prompt, temperature=0, max_tokens=8,
            extra_body={"ignore_eos": True, "steering": steering}, **options,
        )  # fmt: skip

    on = {"vectors": {"empathy": 1.0}, "scope": "generation"}
    both = complete(on, ["Where is", "Please help"])
    alone = [complete(on, "Where is"), complete(on, "Please help")]
    assert [c.text for c in both.choices] == [r.choices[0].text for r in alone]
    assert both.choices[0].text != complete(False, "Where is").choices[0].text
    chunks = list(complete(on, "Where is", stream=True))
    assert "".join(c.choices[0].text for c in chunks if c.choices) == alone[0].choices[0].text
    assert chunks[0].steering["applied"][0]["vector"] == "empathy"


def test_responses(server):
    def respond(steering, **options):
        return server.client.responses.create(
            model=str(server.model), input=MESSAGES, temperature=0, max_output_tokens=12,
            extra_body={"ignore_eos": True, "steering": steering}, **options,
        )  # fmt: skip

    on = {"vectors": {"empathy": 1.5}}
    reply = respond(on)
    assert reply.output_text == text(chat(server, on))
    assert reply.output_text != respond(False).output_text
    assert reply.steering["applied"][0]["vector"] == "empathy"
    events = list(respond(on, stream=True))
    assert events[0].steering["applied"] == reply.steering["applied"]
    deltas = [e.delta for e in events if e.type == "response.output_text.delta"]
    assert "".join(deltas) == reply.output_text


def test_messages(server):
    def send(steering):
        body = {"model": str(server.model), "messages": MESSAGES, "max_tokens": 12}
        body |= {"temperature": 0, "steering": steering}
        return httpx.post(f"{server.url}/v1/messages", json=body, timeout=60).json()

    on, off = send({"vectors": {"empathy": 1.5}}), send(False)
    assert on["steering"]["applied"][0]["alpha"] == 1.5
    assert on["content"][0]["text"] != off["content"][0]["text"]
    plain = server.client.chat.completions.create(
        model=str(server.model), messages=MESSAGES, max_tokens=12, temperature=0,
        extra_body={"steering": {"vectors": {"empathy": 1.5}}},
    )  # fmt: skip
    assert on["content"][0]["text"] == text(plain)


async def test_forty_requests_at_once_do_not_mix(server):
    alphas = [round(-2 + 0.1 * i, 2) for i in range(40)]
    async with server.async_client as client:

        async def ask(alpha):
            reply = await client.chat.completions.create(
                model=str(server.model), messages=MESSAGES, temperature=0, max_tokens=12,
                extra_body={"ignore_eos": True, "steering": {"vectors": {"empathy": alpha}}},
            )  # fmt: skip
            return reply.choices[0].message.content, reply.steering["applied"][0]["alpha"]

        together = await asyncio.gather(*map(ask, alphas))
        assert [alpha for _, alpha in together] == alphas
        for i in range(0, 40, 9):
            assert (await ask(alphas[i]))[0] == together[i][0]
    workers = server.get("/v1/steering/health")["workers"]
    assert all(w["rows_high_water"] <= w["rows"] == 16 for w in workers)


@pytest.mark.parametrize(
    ("steering", "code", "named"),
    [
        ({"vectors": {"empthy": 1}}, "vector_not_found", "empathy"),
        ({"vectors": {"empathy": "huge"}}, "preset_not_found", "low"),
        ({"vectors": {"empathy": 1}, "dose": 1}, "unknown_key", "dose"),
        ({"vectors": {"empathy": 5}}, "alpha_out_of_range", "4"),
        ({"vectors": {"empathy": None}}, "invalid_alpha", "number"),
        (True, "invalid_steering", "false"),
    ],
)
def test_bad_requests(server, steering, code, named):
    with pytest.raises(openai.BadRequestError) as refusal:
        chat(server, steering)
    assert refusal.value.code == code
    assert named in refusal.value.body["message"]
    assert refusal.value.response.headers["x-should-retry"] == "false"


def test_non_finite_alpha(server):
    for literal in ("NaN", "Infinity", "-Infinity", "1e999"):
        question = json.dumps({"model": str(server.model), "messages": MESSAGES})
        body = question[:-1] + f', "steering": {{"vectors": {{"empathy": {literal}}}}}}}'
        reply = httpx.post(
            f"{server.url}/v1/chat/completions",
            content=body,
            headers={"content-type": "application/json"},
        )
        assert reply.status_code == 400
        assert reply.json()["error"]["code"] == "invalid_alpha"


def test_a_client_cannot_bring_its_own_plan(server):
    with pytest.raises(openai.BadRequestError) as refusal:
        server.client.chat.completions.create(
            model=str(server.model), messages=MESSAGES, max_tokens=1,
            extra_body={"vllm_xargs": {"steering": "{}"}},
        )  # fmt: skip
    assert refusal.value.code == "steering_not_allowed"
