"""The slots follow the registry, restarts and take-overs; what reads nothing is told."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from steersman_server.readout.keeper import ReadoutKeeper
from steersman_server.readout.slots import ReadoutSlot
from steersman_vectors.errors import OperatorError
from steersman_vectors.registry.snapshot import RegistrySnapshot
from tests.unit.server.samples import MODEL, entry

ONE, TWO, TERSE = entry("keep-warm", 1), entry("keep-warm", 2), entry("keep-terse", 1)


class Workers:
    """Two workers of one engine: the second is of the same tensor-parallel group, and silent."""

    def __init__(self, slots: int) -> None:
        self.reads: list[str | None] = [None] * slots
        self.writes: list[list[str | None]] = []
        self.resident: set[str] = set()
        self.refuses: set[str] = set()

    async def ensure_resident(self, digests):
        if self.refuses.intersection(digests):
            raise OperatorError("its bytes are not here yet", code="vector_unavailable")
        self.resident.update(digests)

    async def write(self, digests):
        assert self.resident.issuperset(d for d in digests if d is not None)
        self.writes.append(list(digests))
        self.reads = list(digests)
        return self.answers()

    def answers(self):
        return [{"readout": list(self.reads)}, {"readout": None}]


class Server:
    def __init__(self, *slots: ReadoutSlot) -> None:
        self.snapshot = RegistrySnapshot.of(1, [ONE, TERSE])
        self.workers = Workers(sum(s.layer is not None for s in slots))
        self.keeper = ReadoutKeeper(
            slots, MODEL, lambda: self.snapshot, self.workers.ensure_resident, self.workers.write
        )

    async def look(self) -> list[dict]:
        with capture_logs() as said:
            await self.keeper.look(self.workers.answers())
        return said


def reads(vector: str) -> float | None:
    return REGISTRY.get_sample_value("steering_tone_reads", {"vector": vector})


async def test_slots_are_written_once_and_again_when_the_version_moves_or_a_worker_forgets():
    server = Server(ReadoutSlot("keep-warm", 1), ReadoutSlot("keep-terse", 1))
    await server.look()
    await server.look()
    assert server.workers.writes == [[ONE.digest, TERSE.digest]]
    assert (reads("keep-warm"), reads("keep-terse")) == (1, 1)
    server.snapshot = RegistrySnapshot.of(2, [ONE, TWO, TERSE])
    await server.look()
    assert server.workers.writes[1:] == [[TWO.digest, TERSE.digest]]
    server.workers.reads = [None, None]
    await server.look()
    assert len(server.workers.writes) == 3


async def test_an_unknown_name_is_told_once_and_the_others_are_read():
    server = Server(ReadoutSlot("keep-nobody", 1), ReadoutSlot("keep-warm", 1))
    (told,) = await server.look()
    assert told["event"] == "readout_reads_nothing"
    assert "no vector 'keep-nobody'" in told["message"]
    assert await server.look() == []
    assert server.workers.reads == [None, ONE.digest]
    assert (reads("keep-nobody"), reads("keep-warm")) == (0, 1)


async def test_a_vector_that_came_after_the_start_needs_one():
    server = Server(ReadoutSlot("keep-late"), ReadoutSlot("keep-warm", 1))
    await server.look()
    assert server.workers.reads == [ONE.digest]
    server.snapshot = RegistrySnapshot.of(2, [ONE, entry("keep-late", 1)])
    (told,) = await server.look()
    assert "Restart the server" in told["message"]
    assert (reads("keep-late"), reads("keep-warm")) == (0, 1)


async def test_what_cannot_be_loaded_now_is_tried_again():
    server = Server(ReadoutSlot("keep-warm", 1))
    server.workers.refuses = {ONE.digest}
    assert [line["event"] for line in await server.look()] == ["readout_reads_nothing"]
    assert reads("keep-warm") == 0
    server.workers.refuses = set()
    await server.look()
    assert reads("keep-warm") == 1


@pytest.mark.parametrize("answers", [[], [{"enabled": True}]])
async def test_without_slots_nobody_is_asked(answers):
    server = Server()
    await server.keeper.look(answers)
    assert server.workers.writes == []
