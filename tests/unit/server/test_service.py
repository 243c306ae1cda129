"""Admission on live parts: nobody is admitted before the workers hold the vectors."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from steersman_server.engine.self_test import SelfTest
from steersman_server.service import SteeringService
from steersman_vectors.errors import OperatorError
from tests.unit.server.samples import DIGEST, ENGINE, OTHER_MODEL, SNAPSHOT


class FakeLink:
    """Remembers what was made resident; may refuse."""

    def __init__(self):
        self.resident = set()
        self.refuses = ()

    def is_resident(self, digest):
        return digest in self.resident

    async def ensure_resident(self, digests, read_blob):
        for digest in digests:
            if digest in self.refuses:
                raise OperatorError("no room", code="vector_not_loadable")
            self.resident.add(digest)


@pytest.fixture
def service():
    registry = SimpleNamespace(snapshot=SNAPSHOT, store=SimpleNamespace(blob=None))
    return SteeringService(registry, FakeLink(), ENGINE, SelfTest((0, 1, 2, 3), 0.1))


async def test_what_is_admitted_is_resident(service):
    decision = await service.admit({"vectors": {"empathy": 0.5, "plain": 0.1}})
    wanted = {DIGEST["empathy", 2], DIGEST["plain", 1]}
    assert service.link.resident == wanted == {d for d, _ in decision.plan.terms}


async def test_what_cannot_be_loaded_is_refused_and_never_unsteered(service):
    service.link.refuses = (DIGEST["empathy", 2],)
    with pytest.raises(OperatorError, match="no room"):
        await service.admit({"vectors": {"empathy": 0.5}})


async def test_unsteered_requests_load_nothing(service):
    for field in (None, False, {"vectors": {"empathy": 0}}):
        assert (await service.admit(field)).plan is None
    assert service.link.resident == set()


async def test_all_that_this_engine_can_steer_is_loaded_ahead(service):
    service.link.refuses = (DIGEST["concise", 1],)  # one that fails keeps none of the others
    await service._prefetch(SNAPSHOT)
    foreign = {e.digest for e in SNAPSHOT.entries() if e.fingerprint == OTHER_MODEL}
    unserved = {DIGEST["deep", 1], DIGEST["by-norm", 1], DIGEST["concise", 1]}
    assert service.link.resident == {e.digest for e in SNAPSHOT.entries()} - foreign - unserved
