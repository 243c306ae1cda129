"""Back-off at work: on a real Redis, from several threads and processes at once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from steersman_server.control import backoff as control
from steersman_server.control import tenants
from steersman_server.control.documents import read
from steersman_server.quality.backoff_actor import BackoffActor
from steersman_server.tenants.backoff import BackedOff
from steersman_vectors.errors import InternalError
from steersman_vectors.quality.judgement import Judgement
from steersman_vectors.registry.store import RegistryStore
from tests.redis_server import redis_server
from tests.unit.server.quality.observations import observed

ROOT = Path(__file__).parents[4]
BAD = Judgement(frozenset({"gibberish"}))
FINE = Judgement(frozenset({"truncated"}))
POLICY = {"max_degenerate_rate": 0.05}


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("backoff") / "redis") as running:
        yield running


@pytest.fixture
async def store(redis):
    redis.wipe()
    async with RegistryStore(redis.url) as opened:
        await tenants.create_tenant(opened, "acme", {"backoff": POLICY}, actor="ann")
        await tenants.create_tenant(opened, "plain", {}, actor="ann")
        yield opened


class Server:
    """One API process: an actor, its clock, and what it has been shown."""

    def __init__(self, store, configuration, revision):
        self.now_s = 1000.0
        self.store = store
        self.revision = revision
        self.actor = BackoffActor(
            store, configuration, revision, clock=lambda: self.now_s, actor="back-off on one"
        )
        self.actor.start()

    @classmethod
    async def of(cls, store):
        return cls(store, await read(store), await store.revision())

    async def judge(self, judgement, times=40, **fields):
        for _ in range(times):
            self.actor.on_judged(observed(**{"revision": self.revision, **fields}), judgement)
        await asyncio.sleep(0)  # what was handed over is counted

    async def catch_up(self):
        self.revision = await self.store.revision()
        self.actor.shown(await read(self.store), self.revision)

    @property
    def scale(self):
        here = self.actor.backoffs.get("acme")
        return None if here is None else here.scale


async def log(store):
    """Returns (actor, scale before, scale after) of the changes of back-offs, oldest first."""
    found = [entry async for entry in store.log_backwards() if entry.subject == "backoff/acme"]
    scales = [[json.loads(t)["scale"] if t else None for t in (e.before, e.after)] for e in found]
    return [(e.actor, *both) for e, both in zip(found, scales, strict=True)][::-1]


async def test_a_step_is_in_force_at_once_and_then_in_the_registry(store):
    server = await Server.of(store)
    await server.judge(BAD)
    assert server.scale == 0.5  # before anybody heard of it
    await server.actor.told()
    there = (await read(store)).backoffs["acme"]
    assert (there.scale, there.answers, there.degenerate) == (0.5, 20, 20)
    assert (there.window_s, there.max_degenerate_rate) == (600.0, 0.05)
    assert await log(store) == [("back-off on one", None, 0.5)]
    assert server.scale == 0.5  # requests do not see the registry's word yet
    await server.catch_up()
    assert server.actor.backoffs == {}


async def test_step_by_step_to_off_and_never_up(store):
    server = await Server.of(store)
    for scale in (1.0, 0.5, 0.25):
        await server.judge(BAD, scale=scale)
        await server.actor.told()
        await server.catch_up()
        server.now_s += 299.0
        await server.judge(BAD, scale=scale)  # too soon, and half of them from before
        server.now_s += 1.0
    assert [after for _, _, after in await log(store)] == [0.5, 0.25, 0.0]
    await server.judge(FINE, times=500, scale=0.0)
    await server.actor.told()
    assert (await read(store)).backoffs["acme"].scale == 0.0


async def test_one_bad_stretch_is_one_step(store):
    """Answers that were decided before the step are judged after it, and the cooldown is over."""
    server = await Server.of(store)
    await server.judge(BAD)
    await server.actor.told()
    await server.catch_up()
    server.now_s += 10_000.0
    await server.judge(BAD, times=100, scale=1.0, revision=1)
    assert server.scale is None
    assert len(await log(store)) == 1


async def test_an_operator_restores_and_the_window_starts_anew(store):
    server = await Server.of(store)
    await server.judge(BAD)
    await server.actor.told()
    assert (await control.clear_backoff(store, "acme", actor="ann")).revision is not None
    await server.catch_up()
    assert (await read(store)).backoffs == {}
    server.now_s += 10_000.0
    await server.judge(BAD, times=100, revision=1)  # decided before all that
    assert server.scale is None
    await server.judge(BAD, times=19)
    assert server.scale is None
    await server.judge(BAD, times=1)
    assert server.scale == 0.5
    await server.actor.told()
    assert [after for _, _, after in await log(store)] == [0.5, None, 0.5]


async def test_who_is_not_judged(store):
    server = await Server.of(store)
    await server.judge(BAD, times=100, tenant="plain")
    await server.judge(BAD, times=100, tenant="nobody")
    await server.judge(BAD, times=100, steered=False)
    await server.judge(FINE, times=100)
    assert server.actor.backoffs == {}
    assert await log(store) == []


async def test_it_says_so_when_it_was_not_started(store):
    actor = BackoffActor(store, await read(store), 2)
    with pytest.raises(InternalError):
        actor.on_judged(observed(), BAD)


async def test_answers_from_many_threads(store):
    server = await Server.of(store)

    def judge():
        for _ in range(50):
            server.actor.on_judged(observed(revision=server.revision), BAD)

    threads = [threading.Thread(target=judge) for _ in range(4)]
    for thread in threads:
        thread.start()
    await asyncio.to_thread(lambda: [thread.join() for thread in threads])
    await asyncio.sleep(0)
    await server.actor.told()
    assert await log(store) == [("back-off on one", None, 0.5)]


async def test_two_in_one_process_write_it_once(store):
    one, two = await Server.of(store), await Server.of(store)
    await asyncio.gather(one.judge(BAD), two.judge(BAD))
    assert one.scale == two.scale == 0.5
    await asyncio.gather(one.actor.told(), two.actor.told())
    assert await log(store) == [("back-off on one", None, 0.5)]
    for server in (one, two):
        await server.catch_up()
        assert server.actor.backoffs == {}


async def test_two_processes_write_it_once(store, redis):
    command = [sys.executable, "-m", "tests.unit.server.quality.backoff_writer", redis.url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    started = [subprocess.Popen(command, cwd=ROOT, text=True, **pipes) for _ in range(3)]
    try:
        for process in started:
            assert process.stdout is not None
            line = await asyncio.to_thread(process.stdout.readline)
            assert line == "ready\n", process.stderr.read() if process.stderr else ""
        said = await asyncio.gather(
            *(asyncio.to_thread(process.communicate, "go\n", 120) for process in started)
        )
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert [json.loads(out.splitlines()[-1])["in_force"] for out, _ in said] == [0.5] * 3, said
    assert await log(store) == [("a process", None, 0.5)]


async def test_while_the_registry_is_silent_it_is_in_force_and_remembered(store, redis):
    server = await Server.of(store)
    redis.kill()
    try:
        await server.judge(BAD)
        assert server.scale == 0.5
        server.now_s += 300.0
        await server.judge(BAD, scale=0.5)
        assert server.scale == 0.25
    finally:
        redis.start()
    await server.actor.told()
    # One change or two, as the registry came back before or after the second step.
    told = [after for _, _, after in await log(store)]
    assert told in ([0.25], [0.5, 0.25])
    await server.catch_up()
    assert server.actor.backoffs == {}


async def test_a_registry_that_was_wiped_is_not_told(store, redis):
    known = await store.current()
    async with RegistryStore(redis.url, known=lambda: known) as following:
        server = Server(following, await read(following), known.revision)
        redis.wipe()
        await server.judge(BAD)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(server.actor.told(), 2.0)
        assert server.scale == 0.5
        assert await log(store) == []


def backed_off(scale):
    return BackedOff.model_validate(
        {"scale": scale, "since": "2026-01-01T00:00Z", "answers": 20, "degenerate": 9,
         "window_s": 600, "max_degenerate_rate": 0.05}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("there", "expected", "wanted", "written"),
    [
        (None, 1.0, 0.5, True),
        (0.5, 1.0, 0.5, False),  # another process was faster
        (0.25, 1.0, 0.5, False),  # never up
        (0.5, 1.0, 0.25, True),  # two steps while the registry was silent, one was told
        (None, 0.5, 0.25, False),  # an operator restored it meanwhile
        (0.5, 0.25, 0.0, False),
        (0.0, 1.0, 0.5, False),
    ],
)
async def test_what_is_written_over_what_is_there(store, there, expected, wanted, written):
    if there is not None:
        await control.back_off(store, "acme", backed_off(there), expected_scale=1.0, actor="one")
    ours = await control.back_off(
        store, "acme", backed_off(wanted), expected_scale=expected, actor="two"
    )
    now = (await read(store)).backoffs.get("acme")
    assert ours == written or now == backed_off(wanted)  # the same document counts as ours
    assert (None if now is None else now.scale) == (wanted if written else there)


async def test_a_tenant_that_is_gone_or_wants_none_is_left_alone(store):
    for tenant in ("plain", "gone"):
        assert not await control.back_off(
            store, tenant, backed_off(0.5), expected_scale=1.0, actor="two"
        )
    assert (await read(store)).backoffs == {}


async def test_a_deleted_tenants_back_off_goes_with_it(store):
    await control.back_off(store, "acme", backed_off(0.5), expected_scale=1.0, actor="two")
    await tenants.delete_tenant(store, "acme", actor="ann")
    assert (await read(store)).backoffs == {}


async def test_the_metrics_of_it(store):
    from steersman_server.monitor.catalogue import BACKED_OFF, BACKOFFS

    counted = BACKOFFS.labels("acme", "scaled")
    before = counted._value.get()
    server = await Server.of(store)
    await server.judge(BAD)
    assert BACKED_OFF._value.get() == 1
    assert counted._value.get() == before
    await server.actor.told()
    await server.catch_up()
    assert (BACKED_OFF._value.get(), counted._value.get()) == (1, before + 1)
    await control.clear_backoff(store, "acme", actor="ann")
    await server.catch_up()
    assert BACKED_OFF._value.get() == 0


def counters(tenant):
    """Returns the steps counted of a tenant by action, of the series that there are."""
    from steersman_server.monitor.catalogue import BACKOFFS

    (family,) = BACKOFFS.collect()
    return {
        sample.labels["action"]: sample.value
        for sample in family.samples
        if sample.name.endswith("_total") and sample.labels["tenant"] == tenant
    }


async def test_counters_begin_when_a_tenant_opts_in_not_with_its_first_step(store):
    await tenants.create_tenant(store, "at-start", {"backoff": POLICY}, actor="ann")
    server = await Server.of(store)
    assert counters("at-start") == {"scaled": 0.0, "off": 0.0}
    await tenants.create_tenant(store, "later", {}, actor="ann")
    await server.catch_up()
    assert counters("later") == {}
    await tenants.update_tenant(store, "later", {"backoff": POLICY}, actor="ann")
    await server.catch_up()
    assert counters("later") == {"scaled": 0.0, "off": 0.0}
    await server.judge(BAD, tenant="later")
    await server.actor.told()
    await server.catch_up()
    assert counters("later") == {"scaled": 1.0, "off": 0.0}
    assert counters("plain") == {}
