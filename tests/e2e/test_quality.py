"""Sampled answers on the real server: counted at /metrics, and the client notices nothing."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from steersman_server.quality.sampler import is_sampled
from tests.e2e.conftest import QUALITY_SAMPLE, QUALITY_SHADOW
from tests.e2e.tenants import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SECRET = "Zanzibarquux"
SAY = f"Where is my order, {SECRET}?"
CHAT = {"messages": [{"role": "user", "content": SAY}]}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {**CHAT, "max_tokens": 12},
    "/v1/completions": {"prompt": SAY, "max_tokens": 12},
    "/v1/responses": {"input": SAY, "max_output_tokens": 12, "store": False},
    "/v1/messages": {**CHAT, "max_tokens": 12},
}
STEERED = {"steering": {"vectors": {"empathy": 0.5}}}
DRAWN = {"temperature": 0.8, "seed": 3}
ANSWERS = "steering_quality_answers_total"
FRESH = {"id", "item_id", "created", "created_at", "completed_at", "request_id"}
"""Keys whose values are new with every request."""
_numbers = count()


def request_id(sampled: bool) -> str:
    """Returns an id that the server has, or has not, in its sample."""
    ids = (f"quality-{number}" for number in _numbers)
    return next(name for name in ids if is_sampled(name, QUALITY_SAMPLE) is sampled)


def shadowed_id(shadowed: bool) -> str:
    """Returns an id in the sample, whose request has, or has not, a shadow if it is steered."""
    return next(name for name in iter(lambda: request_id(True), None)
                if is_sampled(name, QUALITY_SHADOW) is shadowed)  # fmt: skip


def post(
    server, path: str, body: dict[str, Any], sampled: bool = True, name: str | None = None
) -> httpx.Response:
    answer = httpx.post(
        server.url + path, timeout=120, headers={"x-request-id": name or request_id(sampled)},
        json={"model": server.get("/v1/models")["data"][0]["id"], "temperature": 0, **body},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    return answer


def counters(server) -> Counter[tuple[str, ...]]:
    """Returns the quality metrics: (name, label values in the order of their names) -> value."""
    text = httpx.get(server.url + "/metrics", timeout=30).text
    return Counter({
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text) if "quality" in family.name
        for sample in family.samples if not sample.name.endswith("_created")
    })  # fmt: skip


def judged(found: Counter[tuple[str, ...]]) -> float:
    return sum(value for key, value in found.items() if key[0] == ANSWERS)


def settled(server) -> Counter[tuple[str, ...]]:
    """Returns the metrics once what other tests have left is judged."""
    before = counters(server)
    while True:
        time.sleep(1.0)
        if (after := counters(server)) == before:
            return after
        before = after


def risen(server, before: Counter[tuple[str, ...]], answers: int) -> Counter[tuple[str, ...]]:
    """Returns by how much the metrics rose, once so many more answers are judged."""
    deadline = time.monotonic() + 60
    while judged(found := counters(server)) < judged(before) + answers:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return Counter({key: value - before[key] for key, value in found.items()})


def plain(value: Any) -> Any:
    """Returns JSON without what is new with every request."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key not in FRESH}
    return [plain(item) for item in value] if isinstance(value, list) else value


def events(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in answer.text.splitlines():
        if line.startswith("data: {"):
            yield plain(json.loads(line.removeprefix("data: ")))


def told(streamed: list[dict[str, Any]]) -> tuple[str, set[str], Any]:
    """Returns a stream's text, its shapes, and its last event but for that event's share of text.

    How many tokens one event has depends on who was busy, so that events cannot be compared.
    """
    text, shapes = "", set()
    for event in streamed:
        for choice in event.get("choices", []):
            text += choice.get("text") or choice.get("delta", {}).get("content") or ""
            shapes.add(json.dumps(sorted(choice)))
        delta = event.get("delta")
        text += delta if isinstance(delta, str) else (delta or {}).get("text") or ""
        shapes.add(f"{event.get('type')} {sorted(event)}")
    last = {k: v for k, v in streamed[-1].items() if k not in ("sequence_number", "choices")}
    ends = [choice["finish_reason"] for choice in streamed[-1].get("choices", [])]
    return text, shapes, (last, ends)


@pytest.mark.parametrize("steering", [{}, STEERED], ids=["unsteered", "steered"])
@pytest.mark.parametrize("path", BODIES)
def test_the_client_gets_the_same_whether_sampled_or_not(server, path, steering):
    body = BODIES[path] | steering
    post(server, path, body, sampled=False)  # the prompt is cached for both from here on
    without, with_tap = (post(server, path, body, sampled) for sampled in (False, True))
    assert plain(with_tap.json()) == plain(without.json())
    assert {*with_tap.headers} == {*without.headers}


@pytest.mark.parametrize("path", BODIES)
def test_so_does_the_client_of_a_stream(server, path):
    body = BODIES[path] | STEERED | {"stream": True}
    post(server, path, body, sampled=False)
    without, with_tap = (
        told([*events(post(server, path, body, sampled))]) for sampled in (False, True)
    )
    assert with_tap == without
    assert without[0]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "asked", [{"logprobs": True, "top_logprobs": 2}, {"logprobs": False}, {"n": 3, **DRAWN}]
)
def test_what_the_client_asks_for_beside_stays_its_own(server, asked, stream):
    body = BODIES["/v1/chat/completions"] | asked | {"stream": stream}
    post(server, "/v1/chat/completions", body, sampled=False)
    answers = [post(server, "/v1/chat/completions", body, sampled) for sampled in (False, True)]
    if stream:
        texts = [
            {choice["index"]: "" for event in events(a) for choice in event["choices"]}
            for a in answers
        ]
        for text, answer in zip(texts, answers, strict=True):
            for event in events(answer):
                for choice in event["choices"]:
                    text[choice["index"]] += choice["delta"].get("content") or ""
        assert texts[0] == texts[1]
    else:
        assert plain(answers[0].json()) == plain(answers[1].json())


def test_known_traffic_is_counted(server):
    before = settled(server)
    chat = BODIES["/v1/chat/completions"] | {"ignore_eos": True}
    completion = BODIES["/v1/completions"] | {"ignore_eos": True}
    for _ in range(2):
        post(server, "/v1/chat/completions", chat | STEERED)
    post(server, "/v1/completions", completion | {"n": 2} | DRAWN)
    post(server, "/v1/chat/completions", chat | {"stream": True})
    for _ in range(3):
        post(server, "/v1/completions", completion, sampled=False)
    rise = risen(server, before, 5)
    assert judged(rise) == 5
    by_steered: Counter[str] = Counter()
    for key, value in rise.items():
        if key[0] == ANSWERS:
            by_steered[key[1]] += value  # labels in order: steered, tenant, verdict
    assert by_steered == {"yes": 2, "no": 3}
    assert rise["steering_quality_findings_total", "truncated", "yes"] == 2
    assert rise["steering_quality_findings_total", "truncated", "no"] == 3
    vectors = [k for k, v in rise.items() if k[0] == "steering_quality_vector_answers_total" and v]
    assert {key[1] for key in vectors} == {"empathy"}
    assert rise["steering_quality_answer_tokens_count", "yes"] == 2
    assert rise["steering_quality_answer_tokens_sum", "yes"] == 24
    assert rise["steering_quality_nll_count", "no"] == 3
    assert 0 < rise["steering_quality_nll_sum", "no"] < 3 * 8


PAIRS = "steering_quality_pairs_total"
RISE = "steering_quality_pair_nll_rise_bucket"


def paired(found: Counter[tuple[str, ...]]) -> float:
    return sum(value for key, value in found.items() if key[0] == PAIRS)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", BODIES)
def test_a_steered_request_is_run_once_more_and_its_client_notices_nothing(server, path, stream):
    body = BODIES[path] | STEERED | {"stream": stream}
    post(server, path, body)  # the prompt is cached for both from here on
    before = settled(server)
    without, shadowed = (post(server, path, body, name=shadowed_id(s)) for s in (False, True))
    if stream:
        assert told([*events(shadowed)]) == told([*events(without)])
    else:
        assert plain(shadowed.json()) == plain(without.json())
    wait_until(lambda: paired(counters(server)) == paired(before) + 1)
    after = settled(server)
    assert paired(after) == paired(before) + 1
    assert judged(after) == judged(before) + 2  # the shadow's answer is nobody's
    post(server, path, BODIES[path] | {"stream": stream}, name=shadowed_id(True))
    assert paired(settled(server)) == paired(after)


def test_a_pair_is_of_the_answers_that_clients_get_with_and_without_steering(server):
    path, told_all = "/v1/chat/completions", {"logprobs": True, "ignore_eos": True}

    def mean(steering: dict[str, Any], name: str) -> float:
        answer = post(server, path, BODIES[path] | told_all | steering, name=name).json()
        tokens = answer["choices"][0]["logprobs"]["content"]
        return sum(token["logprob"] for token in tokens) / len(tokens)

    unsteered = mean({}, shadowed_id(False))
    requests = sum_of(server, "steering_requests_total")
    before = settled(server)
    strong = {"steering": {"vectors": {"empathy": 2.0}}}
    nll_rise = unsteered - mean(strong, shadowed_id(True))
    assert abs(nll_rise) > 0.01
    wait_until(lambda: paired(counters(server)) == paired(before) + 1)
    after = settled(server)
    assert sum_of(server, "steering_requests_total") == requests + 1
    rose = {float(key[1]) for key in after if key[0] == RISE and after[key] > before[key]}
    bounds = {float(key[1]) for key in after if key[0] == RISE}
    assert rose == {bound for bound in bounds if bound >= nll_rise}
    ratio = "steering_quality_pair_length_ratio"
    assert after[f"{ratio}_sum",] - before[f"{ratio}_sum",] == 1  # both had 12 tokens
    lines = [json.loads(line) for file in (server.data_dir / "decisions").iterdir()
             for line in file.read_text().splitlines()]  # fmt: skip
    assert not [line for line in lines if "shadow" in line["request_id"]]


def sum_of(server, name: str) -> float:
    text = httpx.get(server.url + "/metrics", timeout=30).text
    return sum(sample.value for family in text_string_to_metric_families(text)
               for sample in family.samples if sample.name == name)  # fmt: skip


def test_a_client_that_goes_away_is_judged_by_what_it_got(server):
    before = settled(server)
    body = {**CHAT, "max_tokens": 400, "ignore_eos": True, "stream": True, "temperature": 0}
    body["model"] = server.get("/v1/models")["data"][0]["id"]
    headers = {"x-request-id": request_id(True)}
    with httpx.stream(
        "POST", server.url + "/v1/chat/completions", json=body, headers=headers, timeout=120
    ) as answer:
        next(line for line in answer.iter_lines() if '"content"' in line)
    rise = risen(server, before, 1)
    assert judged(rise) == 1
    assert rise["steering_quality_findings_total", "truncated", "no"] == 0
    assert rise["steering_quality_answer_tokens_count", "no"] == 0


def test_no_text_leaves_the_process(server):
    answer = post(server, "/v1/completions", BODIES["/v1/completions"]).json()
    said = answer["choices"][0]["text"].strip()
    settled(server)
    metrics = httpx.get(server.url + "/metrics", timeout=30).text
    log = server.log.read_text(errors="replace")
    for text in (SECRET, said):
        assert text not in metrics
        assert text not in log
