"""Admission on live parts: nobody is admitted before the workers hold the vectors."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import pytest

from steersman_server.admission.admitted import Admitted
from steersman_server.admission.inbound import LOCAL_CALLER, Caller
from steersman_server.engine.self_test import SelfTest
from steersman_server.monitor.catalogue import REQUESTS
from steersman_server.openai.body import Body
from steersman_server.policies.steering import Steering
from steersman_server.service import SteeringService
from steersman_server.settings import ServerSettings
from steersman_server.tenants.tenant import Tenant
from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.formats import native
from steersman_vectors.model_dir import ModelShape
from steersman_vectors.registry.local_copy import LocalCopy
from steersman_vectors.registry.store import RegistryStore
from tests.redis_server import redis_server
from tests.unit.server.fakes import FakeLink
from tests.unit.server.samples import DIGEST, ENGINE, OTHER_MODEL, SNAPSHOT, resolve_field
from tests.unit.vectors.samples import vector

CHAT = "/v1/chat/completions"
OVERRIDE = json.dumps({"definition": {"state": "ENABLED", "variants": {"on": True, "off": False},
                                      "defaultVariant": "on"}})  # fmt: skip


@pytest.fixture
def service(tmp_path, monkeypatch):
    settings = ServerSettings(
        registry_url="unix:///none",
        fingerprint=ENGINE.fingerprint,
        shape=ModelShape(4, 4),
        data_dir=tmp_path,
        registry_copy=tmp_path / "copy",
        server_pid=1,
        model_names=("tiny",),
    )
    registry = SimpleNamespace(snapshot=SNAPSHOT, reader=None, local=LocalCopy(tmp_path / "copy"))
    made = SteeringService(settings, registry, FakeLink(), ENGINE, SelfTest((0, 1, 2, 3), 0.1))

    async def read(digest):
        return b""

    monkeypatch.setattr(made.supply, "read", read)
    return made


async def admit(service, steering):
    return (await service.admit(LOCAL_CALLER, CHAT, Body(b"", {}, steering))).decision


async def test_what_is_admitted_is_resident(service):
    decision = await admit(service, {"vectors": {"empathy": 0.5, "plain": 0.1}})
    wanted = {DIGEST["empathy", 2], DIGEST["plain", 1]}
    assert service.link.resident == wanted == {d for d, _ in decision.plan.terms}


async def test_what_cannot_be_loaded_is_refused_and_never_unsteered(service):
    service.link.refuses = (DIGEST["empathy", 2],)
    with pytest.raises(OperatorError, match="no room"):
        await admit(service, {"vectors": {"empathy": 0.5}})


async def test_unsteered_requests_load_nothing(service):
    for field in (None, False, {"vectors": {"empathy": 0}}):
        assert (await admit(service, field)).plan is None
    assert service.link.resident == set()


async def test_all_that_this_engine_can_steer_is_loaded_ahead(service):
    service.link.refuses = (DIGEST["concise", 1],)  # one that fails keeps none of the others
    await service.supply.load(SNAPSHOT)
    foreign = {e.digest for e in SNAPSHOT.entries() if e.fingerprint == OTHER_MODEL}
    unserved = {DIGEST["deep", 1], DIGEST["by-norm", 1], DIGEST["concise", 1]}
    assert service.link.resident == {e.digest for e in SNAPSHOT.entries()} - foreign - unserved


async def test_bytes_come_from_redis_once_and_are_read_from_the_disk(tmp_path):
    """A real Redis that is killed once the bytes were fetched; a file that rots on the disk."""
    from steersman_server.vector_supply import VectorSupply

    local, link = LocalCopy(tmp_path / "copy"), FakeLink()
    with redis_server(tmp_path / "redis") as redis:
        async with RegistryStore(redis.url) as store:
            supply = VectorSupply(store, local, link, ENGINE.fingerprint, lambda card: None)
            for seed in range(40):  # more than are fetched at once
                await store.publish(
                    vector(seed), name=f"v{seed}", fingerprint=ENGINE.fingerprint, actor="x"
                )
            snapshot = await store.snapshot()
            digests = [entry.digest for entry in snapshot.entries()]
            await supply.fetch(snapshot)
            redis.kill()
            await supply.load(snapshot)
            assert link.resident == set(digests)
            assert {native.digest(data) for data in link.read} == set(digests)
            path = local.folder / "blobs" / digests[0].removeprefix("sha256:")
            path.write_bytes(b"rotten")
            redis.start()
            for _ in range(10):  # a connection of the Redis before may be tried first
                with suppress(OperatorError):
                    assert native.digest(await supply.read(digests[0])) == digests[0]
                    break
                await asyncio.gather(*supply._repairs.values())
            else:
                pytest.fail("what rotted on the disk was not fetched again")


BASE = Caller("acme", Tenant(vectors=("*",), on_unavailable="base",
                             default=Steering(vectors={"plain": 0.1})))  # fmt: skip


async def test_what_a_request_names_is_never_replaced_by_nothing(service):
    """`base` is about what operators chose; what the caller asked for is loaded or refused."""
    service.link.refuses = (DIGEST["empathy", 2], DIGEST["plain", 1])
    service._show(replace(SNAPSHOT, documents={"flag/steering-override": OVERRIDE}))
    asked = Body(b"", {}, {"vectors": {"empathy": 0.5}})
    with pytest.raises(OperatorError, match="no room"):
        await service.admit(BASE, CHAT, asked)
    served = (await service.admit(BASE, CHAT, Body(b"", {}))).decision
    assert (served.plan, served.fallback.code) == (None, "vector_not_loadable")


async def test_a_template_of_its_own_is_about_the_assistants_turns_only(service):
    field = {"vectors": {"empathy": 0.5}}
    own = {"chat_template": "{{ messages }}"}
    for scope in ("generation", "all"):
        asked = Body(b"", own, {**field, "scope": scope})
        assert (await service.admit(LOCAL_CALLER, CHAT, asked)).decision.plan is not None
    with pytest.raises(CallerError, match="chat template"):
        await service.admit(LOCAL_CALLER, CHAT, Body(b"", own, field))


def test_a_flip_parses_what_changed_and_nothing_else(service):
    documents = {"tenant/a": "{}", "tenant/b": "{}"}
    service._show(replace(SNAPSHOT, documents=documents))
    first = service.configuration.tenants
    service._show(replace(SNAPSHOT, documents={**documents, "tenant/b": '{"dose_cap":1}'}))
    assert service.configuration.tenants["a"] is first["a"]
    assert service.configuration.tenants["b"].dose_cap == 1


async def test_only_safety_overrides_are_counted_as_such(service):
    from steersman_server.monitor.metrics import SAFETY

    counter = SAFETY.labels("counted-here")
    decision = resolve_field({"vectors": {"empathy": 0.5}})
    counts = []
    for reason in ("request", "safety_override"):
        service.metrics.decided(replace(decision, tenant="counted-here", reason=reason))
        counts.append(counter._value.get())
    assert counts == [0, 1]


async def test_who_finds_no_place_is_refused_before_anything_is_decided(service, monkeypatch):
    """Six of eight at once were told 429, and logged and counted as steered."""
    release, lines, counted = asyncio.Event(), [], []

    async def slow(path, payload):
        await release.wait()

    steering = Steering(vectors={"plain": 0.1})
    caller = Caller("acme", Tenant(vectors=("*",), max_concurrent=2, default=steering))
    service.classifier = SimpleNamespace(safety_labels=frozenset({"safety"}))
    monkeypatch.setattr(service, "intent_of", slow)
    monkeypatch.setattr(service.decisions, "write", lambda line: lines.append(line()))
    monkeypatch.setattr(service.metrics, "refused", lambda name, error: counted.append(error.code))
    asked = [asyncio.create_task(service.admit(caller, CHAT, Body(b"", {}))) for _ in range(8)]
    await asyncio.sleep(0)
    release.set()
    got = await asyncio.gather(*asked, return_exceptions=True)
    admitted = [each for each in got if not isinstance(each, Exception)]
    assert len(admitted) == 2
    assert counted == ["too_many_concurrent_requests"] * 6
    assert sum("applied" in line for line in lines) == 2
    assert sum(line.get("status") == 429 for line in lines) == 6


async def test_what_is_refused_takes_no_place(service):
    caller = Caller("acme", Tenant(requests_per_minute=1, max_concurrent=1))
    for _ in range(5):
        with pytest.raises(CallerError):
            await service.admit(caller, CHAT, Body(b"", {}, {"vectors": {"plain": 1}}))
    (await service.admit(caller, CHAT, Body(b"", {}))).place.withdraw()


@pytest.mark.parametrize(
    ("told", "outcome"), [((200,), "steered"), ((404, 200), "failed"), ((), "steered")]
)
async def test_what_vllm_refuses_is_not_counted_as_steered(service, told, outcome):
    """Such bodies and models were counted as steered, their vectors as applied."""
    decision = replace(resolve_field({"vectors": {"empathy": 0.5}}), tenant=f"told-{told}")
    admitted = Admitted(decision, service.limits.running(LOCAL_CALLER), None)
    counters = {o: REQUESTS.labels(decision.tenant, decision.reason, o)
                for o in ("steered", "unsteered", "failed")}  # fmt: skip
    with service.running(admitted) as began:
        for status in told:
            began(status)
    assert {o: c._value.get() for o, c in counters.items() if c._value.get()} == {outcome: 1}


async def test_a_request_that_ends_in_an_exception_is_counted_as_failed(service):
    decision = replace(resolve_field({"vectors": {"empathy": 0.5}}), tenant="raised")
    admitted = Admitted(decision, service.limits.running(LOCAL_CALLER), None)
    with pytest.raises(ValueError), service.running(admitted):  # noqa: PT011
        raise ValueError
    assert REQUESTS.labels("raised", decision.reason, "failed")._value.get() == 1
