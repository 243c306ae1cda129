"""The link to the engine client: plans cannot be forged, vectors are loaded once."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest

from steersman_server.engine.asked import Asked, EngineLoad
from steersman_server.engine.link import EngineLink, running_plan, with_plan
from steersman_server.engine.vllm_api import data_parallel_ranks
from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.formats import native
from steersman_vectors.plan import SteeringPlan
from steersman_vectors.vector import from_differences

DATA = native.dumps(from_differences({0: np.ones(4)}, name="v", scale="unit"))
DIGEST = native.digest(DATA)
LOADED = {"digest": DIGEST, "reach": [1.0, 0]}
PLAN = SteeringPlan(terms=((DIGEST, 1.0),), scope="all")


class FakeClient:
    """The part of vLLM's engine client that the link uses."""

    def __init__(self):
        self.input_processor = SimpleNamespace()
        self.engine_core = self
        self.core_engines = [0, 1]
        self.loads = 0
        self.pending = 0
        """Questions that each engine answers with "pending" first."""
        self.answers = [LOADED, LOADED]
        """Of the two data-parallel engines, one worker each."""
        self.seen = []
        self.calls = []
        """All that `generate` was given."""
        self.asked = []
        """Arguments of each question."""

    def generate(self, prompt, sampling_params, request_id, **kwargs):
        self.seen.append(sampling_params.extra_args)
        self.calls.append(
            {"prompt": prompt, "params": sampling_params, "request_id": request_id,
             "beside": kwargs}
        )  # fmt: skip
        return "outputs"

    async def _call_utility_async(self, utility, method, timeout, args, kwargs, engine):
        assert (utility, kwargs) == ("collective_rpc", None)
        self.asked.append(args)
        await asyncio.sleep(0)
        if method == "steering_load":
            self.loads += 1
            return [{}]
        if method == "steering_loaded" and engine == 1 and self.pending:
            self.pending -= 1
            return [{"pending": True}]
        return self.answers[engine : engine + 1]


@pytest.fixture
def client():
    return FakeClient()


async def read_blob(digest: str) -> bytes:
    return DATA


def test_generate_writes_the_decided_plan_over_anything_the_client_sent(client):
    EngineLink(client)
    forged = {"steering": {"terms": [["sha256:" + "f" * 64, 99]]}, "other": 1}
    with running_plan(PLAN):
        assert client.generate("p", SimpleNamespace(extra_args=dict(forged)), "id") == "outputs"
    client.generate("p", SimpleNamespace(extra_args=dict(forged)), "id")
    client.generate("p", SimpleNamespace(extra_args=None), "id")
    assert client.seen == [{"steering": PLAN.to_wire(), "other": 1}, {"other": 1}, None]


def test_the_engines_span_is_joined_whatever_the_clients_headers_say(client):
    class Trace:
        def headers(self, engine_request_id):
            return {"traceparent": f"of {engine_request_id}"}

    EngineLink(client)
    with running_plan(None, None, Trace()):
        client.generate("p", SimpleNamespace(extra_args=None), "id1", trace_headers={"a": "b"})
    client.generate("p", SimpleNamespace(extra_args=None), "id2", trace_headers={"a": "b"})
    given = [call["beside"]["trace_headers"] for call in client.calls]
    assert given == [{"traceparent": "of id1"}, {"a": "b"}]


@pytest.mark.parametrize("policy", ["fcfs", "priority"])
def test_what_was_asked_is_asked_again_alone_without_its_plan(client, policy):
    from vllm.sampling_params import RequestOutputKind, SamplingParams

    seen = []

    class Tap:
        def through(self, generate, *, deltas, may_ask):
            asked, outputs = generate(may_ask)
            seen.append(asked)
            return outputs

    client.vllm_config = SimpleNamespace(
        model_config=SimpleNamespace(), scheduler_config=SimpleNamespace(
            policy=policy, max_num_seqs=4),
        parallel_config=SimpleNamespace(
            local_engines_only=False, data_parallel_size=2, data_parallel_size_local=2),
    )  # fmt: skip
    client.output_processor = SimpleNamespace(get_num_unfinished_requests=lambda: 3)
    link = EngineLink(client)
    assert link.load() == EngineLoad(3, 8, by_priority=policy == "priority")
    prompt = {"type": "token", "prompt_token_ids": [1, 2], "cache_salt": "s", "arrival_time": 7.0}
    params = SamplingParams(n=3, max_tokens=5, seed=11, temperature=0.7, prompt_logprobs=1,
                            extra_args={"other": 1})  # fmt: skip
    with running_plan(PLAN, Tap()):
        client.generate(prompt, params, "id", priority=-4, trace_headers={}, prompt_text="p",
                        data_parallel_rank=1)  # fmt: skip
        link.unsteered(seen[0])  # begun within the request's own context
    again = client.calls[-1]
    assert again["prompt"] == {"type": "token", "prompt_token_ids": [1, 2], "cache_salt": "s"}
    assert again["request_id"].startswith("steersman-shadow-")
    by_priority = {"priority": 2**63 - 1} if policy == "priority" else {}
    assert again["beside"] == {"prompt_text": "p"} | by_priority
    one = again["params"]
    assert (one.n, one.output_kind, one.prompt_logprobs) == (1, RequestOutputKind.DELTA, None)
    assert (one.max_tokens, one.seed, one.temperature) == (5, 11, 0.7)
    assert one.extra_args == {"other": 1}
    assert (params.n, params.prompt_logprobs) == (3, 1)
    assert client.seen[0] == {"steering": PLAN.to_wire(), "other": 1}


@pytest.mark.parametrize("prompt", ["text", {"type": "multimodal"}, {"type": "embeds"}, [1]])
def test_what_vllm_keeps_elsewhere_is_not_asked_again(client, prompt):
    link, none = EngineLink(client), SimpleNamespace(extra_args=None)
    assert not link.can_repeat(Asked(prompt, none, {}))
    handed_over = SimpleNamespace(extra_args={"kv_transfer_params": {}})
    assert not link.can_repeat(Asked({"type": "token"}, handed_over, {}))
    assert link.can_repeat(Asked({"type": "token"}, none, {}))


def test_the_callers_own_params_are_not_edited_in_place(client):
    shared = {"other": 1}
    with_plan(SimpleNamespace(extra_args=shared), PLAN)
    assert shared == {"other": 1}


async def test_a_vector_is_loaded_once_however_many_ask(client):
    link = EngineLink(client)
    await asyncio.gather(*(link.ensure_resident([DIGEST], read_blob) for _ in range(9)))
    await link.ensure_resident([DIGEST], read_blob)
    assert client.loads == len(client.core_engines)
    assert link.is_resident(DIGEST)


async def test_it_is_resident_when_the_last_engine_has_loaded_it(client):
    client.pending = 3
    link = EngineLink(client)
    loading = asyncio.create_task(link.ensure_resident([DIGEST], read_blob))
    while client.pending:
        assert not link.is_resident(DIGEST)
        await asyncio.sleep(0)
    await loading
    assert link.is_resident(DIGEST)


async def test_one_worker_that_refuses_is_a_refusal(client):
    client.answers = [LOADED, {"error": "too wide", "code": "vector_model_mismatch"}]
    link = EngineLink(client)
    with pytest.raises(CallerError, match="too wide"):
        await link.ensure_resident([DIGEST], read_blob)
    assert not link.is_resident(DIGEST)
    client.answers = [LOADED] * 2
    await link.ensure_resident([DIGEST], read_blob)
    assert link.is_resident(DIGEST)


async def test_other_bytes_than_asked_for_are_not_taken(client):
    client.answers = [{**LOADED, "digest": "sha256:" + "0" * 64}] * 2
    with pytest.raises(OperatorError, match="damaged"):
        await EngineLink(client).ensure_resident([DIGEST], read_blob)


async def test_what_the_engine_client_raises_becomes_ours(client):
    async def fails(*args, **kwargs):
        raise Exception("Call to collective_rpc method failed: timed out")

    link = EngineLink(client)
    client._call_utility_async = fails
    with pytest.raises(OperatorError, match="timed out") as refusal:
        await link.ensure_resident([DIGEST], read_blob)
    assert refusal.value.code == "engine_unavailable"


@pytest.mark.parametrize("answers", [[], [{"enabled": False}], [{"enabled": True}, {}]])
async def test_an_engine_without_the_plugin_is_noticed(client, answers):
    client.answers = answers
    with pytest.raises(OperatorError, match="steersman serve"):
        await EngineLink(client).status()


async def test_a_rank_that_lost_its_hooks_is_named(client):
    whole = {"enabled": True, "rank": {"tensor_parallel": 0}, "layers": [0, 1], "hooked": [0, 1]}
    client.answers = [whole, whole]
    assert await EngineLink(client).status() == [whole, whole]
    assert await EngineLink(client).status(brief=True) == [whole, whole]
    assert client.asked[-4:] == [(), (), ("brief",), ("brief",)]
    client.answers = [whole, {**whole, "rank": {"tensor_parallel": 1}, "hooked": [0]}]
    with pytest.raises(OperatorError, match=r"'tensor_parallel': 1\} has lost its hooks"):
        await EngineLink(client).status()


@pytest.mark.parametrize(
    ("size", "local", "own_engines_only", "ranks"),
    [
        (1, 1, False, [None]),
        (4, 4, False, [0, 1, 2, 3]),
        (4, 1, True, [None]),
        (4, 2, True, [0, 1]),
    ],
)
def test_a_server_asks_the_engines_that_it_can_reach(size, local, own_engines_only, ranks):
    parallel = SimpleNamespace(
        data_parallel_size=size, data_parallel_size_local=local, local_engines_only=own_engines_only
    )
    client = SimpleNamespace(vllm_config=SimpleNamespace(parallel_config=parallel))
    assert data_parallel_ranks(client) == ranks
