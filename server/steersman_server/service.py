"""The running server: admission on live parts. Deciding is pure; this is where the effects are."""

from __future__ import annotations

import asyncio
import os
from contextlib import AbstractContextManager
from typing import Any

import structlog

from steersman_vectors.chat_template import markers_of_tokenizer
from steersman_vectors.engine_contract import intake_of
from steersman_vectors.errors import OperatorError
from steersman_vectors.registry.local_copy import LocalCopy
from steersman_vectors.registry.store import RegistryStore

from .admission.decision import Decision
from .admission.request import parse_steering
from .admission.resolve import EngineFacts, resolve
from .engine.link import EngineLink, running_plan
from .engine.self_test import SelfTest, run_self_test
from .engine.vllm_api import data_parallel_ranks
from .live_registry import LiveRegistry
from .processes import ProcessBoard, ProcessReport
from .settings import ServerSettings
from .vector_supply import VectorSupply

log = structlog.get_logger("steersman")


class SteeringService:
    """What the routes and the middleware of one API process share."""

    def __init__(
        self,
        settings: ServerSettings,
        registry: LiveRegistry,
        link: EngineLink,
        engine: EngineFacts,
        self_test: SelfTest,
    ) -> None:
        self.registry = registry
        self.link = link
        self.engine = engine
        self.self_test = self_test
        self.admin = settings.admin
        self.shape = settings.shape
        self.store = RegistryStore(settings.registry_url, known=lambda: registry.snapshot)
        """For operators; nothing that a request needs goes through it."""
        self.processes = ProcessBoard(settings.data_dir / "processes", settings.server_pid)
        self.supply = VectorSupply(
            registry.reader, registry.local, link, engine.fingerprint, engine.why_not
        )
        self._background: list[asyncio.Task[None]] = []

    @classmethod
    async def start(
        cls, settings: ServerSettings, engine_client: Any, chat_template: str | None
    ) -> SteeringService:
        """Returns the service, ready; raises `OperatorError` when the engine cannot steer."""
        link = EngineLink(engine_client)
        status = await link.status()
        engine = EngineFacts(
            fingerprint=settings.fingerprint,
            layers=frozenset(status[0]["layers_all_ranks"]),
            assistant_scope=_derive_markers(engine_client, chat_template),
            token_scale=status[0]["token_scale"],
            largest_value=status[0]["largest_value"],
        )
        self_test = await run_self_test(
            link,
            sorted(engine.layers),
            status[0]["hidden_size"],
            data_parallel_ranks(engine_client),
            engine.largest_value,
        )
        log.info("self_test_passed", layers=len(self_test.layers), seconds=self_test.seconds)
        local = LocalCopy(settings.registry_copy)
        registry = await LiveRegistry.open(settings.registry_url, local)
        service = cls(settings, registry, link, engine, self_test)
        await service.supply.fetch(registry.snapshot)
        service._report()
        service._background = [
            asyncio.create_task(service.supply.load(registry.snapshot)),
            asyncio.create_task(registry.follow(service.supply.prepare, service._report)),
        ]
        return service

    async def admit(self, field: Any) -> Decision:
        """Returns the decision for a `steering` field, its vectors resident in every worker."""
        decision = resolve(parse_steering(field), self.registry.snapshot, self.engine)
        if decision.plan is not None:
            await self.supply.ensure_resident([digest for digest, _ in decision.plan.terms])
        return decision

    def running(self, decision: Decision) -> AbstractContextManager[None]:
        """Returns the context under which `generate` uses the decision's plan."""
        return running_plan(decision.plan)

    def _report(self) -> None:
        """Tells this server's other processes where this one stands."""
        registry = self.registry
        self.processes.post(
            ProcessReport(
                os.getpid(), registry.snapshot.revision, registry.confirmed_at, registry.error
            )
        )


def _derive_markers(engine_client: Any, chat_template: str | None) -> OperatorError | None:
    """Finds the turn markers of the served chat template; returns why there are none, or None."""
    intake = intake_of(engine_client.input_processor)
    try:
        tokenizer = engine_client.input_processor.tokenizer
        intake.markers = markers_of_tokenizer(tokenizer, chat_template)
    except OperatorError as error:
        log.warning("assistant_scope_unavailable", message=error.message)
        intake.markers = error
        return error
    return None
