"""The running server: admission on live parts. Deciding is pure; this is where the effects are."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import structlog

from steersman_vectors import __version__
from steersman_vectors.chat_template import markers_of_tokenizer
from steersman_vectors.engine_contract import intake_of
from steersman_vectors.errors import CallerError, OperatorError, SteersmanError
from steersman_vectors.registry.local_copy import LocalCopy
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.store import RegistryStore

from .admission.admitted import Admitted, Headers
from .admission.decision import Decision
from .admission.engine_facts import EngineFacts
from .admission.inbound import Caller, Inbound, texts_of, user_of
from .admission.limits import Limits
from .admission.request import parse_steering
from .admission.resolve import Situation, resolve, unavailable, wants_intent
from .configuration import Configuration
from .engine.link import EngineLink, running_plan
from .engine.self_test import SelfTest, run_self_test
from .engine.vllm_api import data_parallel_ranks, vllm_version
from .intent.contract import Intent, IntentClassifier
from .intent.load import load_classifier
from .intent.user_turn import latest_user_turn
from .kill_file import KillFile
from .live_registry import LiveRegistry
from .monitor import engine_watch, registry_watch
from .monitor.catalogue import DECISIONS_LOST, INTAKE
from .monitor.counted import CountedSoFar
from .monitor.decision_line import decided, refused
from .monitor.decision_log import DecisionLog
from .monitor.engine_watch import EngineWatch
from .monitor.metrics import DecisionMetrics
from .monitor.registry_watch import RegistryWatch, Standing
from .monitor.watch import announce, every
from .openai.body import Body, check_beside
from .openai.models import profiles_of
from .processes import ProcessBoard, ProcessReport
from .quality.backoff_actor import BackoffActor
from .quality.logprob_gate import LogprobGate
from .quality.shadows import Shadows
from .quality.watch import QualityWatch
from .readout.keeper import ReadoutKeeper
from .settings import ServerSettings
from .vector_supply import VectorSupply

if TYPE_CHECKING:
    from .tracing.tracing import Tracing

log = structlog.get_logger("steersman")


@dataclass(frozen=True, slots=True)
class View:
    """What requests see of the registry: one revision, parsed."""

    snapshot: RegistrySnapshot
    configuration: Configuration


class SteeringService:
    """What the routes and the middleware of one API process share."""

    def __init__(
        self,
        settings: ServerSettings,
        registry: LiveRegistry,
        link: EngineLink,
        engine: EngineFacts,
        self_test: SelfTest,
        classifier: IntentClassifier | None = None,
    ) -> None:
        self.registry = registry
        self.link = link
        self.engine = engine
        self.self_test = self_test
        self.classifier = classifier
        self.models: Collection[str] = frozenset(settings.model_names)
        self.shape = settings.shape
        self.kill_file = KillFile(settings.data_dir)
        self.limits = Limits(settings.api_processes)
        self.metrics = DecisionMetrics()
        self.decisions = DecisionLog(settings.data_dir, DECISIONS_LOST.inc)
        self.quality = QualityWatch(
            settings.quality_sample, self.metrics,
            LogprobGate(settings.quality_logprob_share, settings.api_processes),
        )  # fmt: skip
        if settings.quality_shadow > 0.0:
            self.quality.shadows = Shadows(
                settings.quality_shadow, link, self.quality.judging.take, settings.api_processes
            )
        self.view = View(registry.snapshot, Configuration.of(registry.snapshot.documents))
        self.store = RegistryStore(settings.registry_url, known=lambda: registry.snapshot)
        """For operators; nothing that a request needs goes through it."""
        self.backoff = BackoffActor(
            self.store, self.view.configuration, self.view.snapshot.revision,
            label=self.metrics.tenants.of,
        )  # fmt: skip
        self.processes = ProcessBoard(settings.data_dir / "processes", settings.server_pid)
        self.supply = VectorSupply(
            registry.reader, registry.local, link, engine.fingerprint, engine.why_not
        )
        counted = CountedSoFar(settings.data_dir / "processes", settings.server_pid)
        self.registry_watch = RegistryWatch(engine.fingerprint, self.standing)
        readout = ReadoutKeeper(
            settings.readout, engine.fingerprint, lambda: self.view.snapshot,
            self.supply.ensure_resident, link.read_out,
        )  # fmt: skip
        self.engine_watch = EngineWatch(
            partial(link.status, brief=True), partial(self.processes.is_first, os.getpid()),
            counted, readout,
        )  # fmt: skip
        self.tracing: Tracing | None = None
        """None where nobody wants spans: OpenTelemetry is not even imported."""
        self._background: list[asyncio.Task[None]] = []

    @classmethod
    async def start(
        cls, settings: ServerSettings, engine_client: Any, chat_template: str | None,
        traces_endpoint: str | None = None,
    ) -> SteeringService:  # fmt: skip
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
        classifier = None if settings.intents is None else load_classifier(settings.intents)
        registry = await LiveRegistry.open(settings.registry_url, local)
        service = cls(settings, registry, link, engine, self_test, classifier)
        if traces_endpoint is not None:
            from .tracing.tracing import Tracing

            service.tracing = Tracing()
        link.observe_intake(INTAKE.observe)
        announce(
            version=__version__, vllm=vllm_version(), model=settings.model_names[0],
            fingerprint=engine.fingerprint, self_test_seconds=self_test.seconds,
            api_processes=settings.api_processes,
        )  # fmt: skip
        await service.supply.fetch(registry.snapshot)
        service._report()
        service.backoff.start()
        service.quality.judging.told.append(service.backoff.on_judged)
        service._background = [
            asyncio.create_task(service.supply.load(registry.snapshot)),
            asyncio.create_task(
                registry.follow(service.supply.prepare, service._report, service._show)
            ),
            asyncio.create_task(every(registry_watch.EVERY_S, service.registry_watch.look)),
            asyncio.create_task(every(engine_watch.EVERY_S, service.engine_watch.look)),
        ]
        return service

    @property
    def configuration(self) -> Configuration:
        """Returns what operators have configured, as requests see it."""
        return self.view.configuration

    def profiles_of(self, caller: Caller) -> Collection[str]:
        """Returns the profiles that a caller may choose."""
        return profiles_of(self.configuration.profiles, caller.name)

    def situation(self) -> Situation:
        """Returns what a decision depends on at this moment, beside the request."""
        return Situation(
            self.view.snapshot, self.view.configuration, self.engine, self.kill_file.reason(),
            frozenset() if self.classifier is None else self.classifier.safety_labels,
            self.backoff.backoffs,
        )  # fmt: skip

    def standing(self) -> Standing:
        """Returns where this process stands with the registry."""
        return Standing(
            self.view.snapshot, self.registry.age_s, self.registry.stale,
            killed=self.situation().killed is not None,
        )  # fmt: skip

    async def admit(
        self, caller: Caller, path: str, body: Body, request_id: str = "", headers: Headers = ()
    ) -> Admitted:
        """Returns the decision for a request that has its place, its vectors in every worker."""
        started = perf_counter()
        trace = None
        if self.tracing is not None:
            trace = self.tracing.begin(request_id, path, caller, headers)
        try:
            admitted = await self._admit(caller, path, body, request_id)
        except SteersmanError as error:
            self.metrics.took(perf_counter() - started)
            self.refuse(caller, path, error, request_id)
            if trace is not None:
                trace.refused(error)
            raise
        self.metrics.took(perf_counter() - started)
        self.decisions.write(partial(decided, request_id, path, caller, admitted.decision))
        if trace is None:
            return admitted
        trace.decided(admitted.decision)
        return replace(admitted, trace=trace)

    def refuse(self, caller: Caller, path: str, error: SteersmanError, request_id: str) -> None:
        """Counts a request that is refused, and writes its line."""
        self.metrics.refused(caller.name, error)
        line = partial(refused, request_id, path, caller, error.code, error.http_status)
        self.decisions.write(line)

    async def _admit(self, caller: Caller, path: str, body: Body, request_id: str) -> Admitted:
        place = self.limits.running(caller)
        try:
            decision = await self._decide(caller, path, body)
            tap = self.quality.tap(request_id, path, body.payload, decision)
            return Admitted(decision, place, tap)
        except BaseException:
            place.withdraw()
            raise

    async def _decide(self, caller: Caller, path: str, body: Body) -> Decision:
        situation = self.situation()
        inbound = Inbound(
            caller,
            parse_steering(body.steering),
            profile=body.profile,
            metadata=texts_of(body.payload.get("metadata")),
            user=user_of(body.payload),
        )
        if self.classifier is not None and wants_intent(inbound, situation):
            inbound = replace(inbound, intent=await self.intent_of(path, body.payload))
        decision = resolve(inbound, situation)
        if decision.plan is None:
            return decision
        check_beside(body.payload, decision.scope)
        try:
            await self.supply.ensure_resident([digest for digest, _ in decision.plan.terms])
        except (CallerError, OperatorError) as error:
            if not decision.by_operator:
                raise
            return unavailable(decision, inbound, error)
        return decision

    async def intent_of(self, path: str, payload: Any) -> Intent | None:
        """Returns what the latest user turn is about; None where none can be found."""
        turn = latest_user_turn(path, payload)
        if turn is None or self.classifier is None:
            return None
        return await self.classifier.classify(turn)

    @contextmanager
    def running(self, admitted: Admitted) -> Iterator[Callable[[int], None]]:
        """Returns a context under which `generate` uses the plan; it gives the place back.

        It gives a function to be told the response's status, before the client sees that. A request
        whose client has gone before there was one ran all the same.
        """
        trace, decision = admitted.trace, admitted.decision
        counted = False

        def began(status: int) -> None:
            nonlocal counted
            if not counted:
                counted = True
                (self.metrics.decided if status < 400 else self.metrics.failed)(decision)

        try:
            with admitted.place, running_plan(decision.plan, admitted.tap, trace):
                yield began
            began(200)
        except BaseException:
            began(500)
            raise
        finally:
            if trace is not None:
                trace.end()

    def _show(self, snapshot: RegistrySnapshot) -> None:
        """Shows a snapshot to requests, or nothing: raises `OperatorError(registry_corrupt)`."""
        configuration = Configuration.of(snapshot.documents, self.view.configuration)
        self.view = View(snapshot, configuration)
        self.backoff.shown(configuration, snapshot.revision)

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
