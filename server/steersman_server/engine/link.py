"""Plans and vectors on their way to the engine, through vLLM's engine client.

NOTE: `EngineLink` replaces `generate` on the engine client instance. Every route of vLLM's server
calls it, so a plan reaches the engine whatever the route, and a client's own `extra_args` never do.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from uuid import uuid4

from steersman_vectors.engine_contract import (
    OWN_REQUESTS,
    RPC_LOAD,
    RPC_LOADED,
    RPC_READOUT,
    RPC_STATUS,
    RPC_UNLOAD,
    intake_of,
    load_pauses,
    note_loaded,
)
from steersman_vectors.errors import OperatorError
from steersman_vectors.plan import EXTRA_ARGS_KEY, SteeringPlan

from .asked import Asked, EngineLoad
from .vllm_api import (
    LOWEST_PRIORITY,
    REPEATED,
    RpcArgument,
    ask_workers,
    asking_for_logprobs,
    asks_for_logprobs,
    engine_load,
    gives_deltas,
    is_handed_over,
    knows_logprobs,
    one_answer_as_it_comes,
    one_greedy_token,
    plain_prompt,
)

ReadBlob = Callable[[str], Awaitable[bytes]]
"""digest -> native bytes, verified."""

RPC_TIMEOUT_S = 60.0


class OutputTap(Protocol):
    """Looks on while the engine answers; the outputs go through unchanged."""

    def through(
        self,
        generate: Callable[[bool], tuple[Asked, AsyncGenerator[Any, None]]],
        *,
        deltas: bool,
        may_ask: bool,
    ) -> AsyncGenerator[Any, None]:
        """Yields vLLM's outputs.

        generate: asks the engine, told whether to want log-probabilities too; gives what it asked
        and the outputs. deltas: each output holds what was added since the last. may_ask: there
        are log-probabilities, and the client has not asked for them.
        """
        ...


class EngineTrace(Protocol):
    """The span that the engine's own span of a request belongs to."""

    def headers(self, engine_request_id: str) -> Mapping[str, str]:
        """Returns the headers that make it so; told once for each call of `generate`."""
        ...


@dataclass(frozen=True, slots=True)
class _Running:
    """What goes with a request to the engine."""

    plan: SteeringPlan | None = None
    tap: OutputTap | None = None
    trace: EngineTrace | None = None


_UNDECIDED = _Running()
_running: ContextVar[_Running] = ContextVar("steersman_running", default=_UNDECIDED)


@contextmanager
def running_plan(
    plan: SteeringPlan | None, tap: OutputTap | None = None, trace: EngineTrace | None = None
) -> Iterator[None]:
    """Within this context, `generate` runs under `plan`, and its outputs go through `tap`.

    trace: what vLLM's span of the request becomes a child of, whatever the client's headers say.
    """
    token = _running.set(_Running(plan, tap, trace))
    try:
        yield
    finally:
        _running.reset(token)


class EngineLink:
    """One API process's link to its engine."""

    def __init__(self, engine_client: Any) -> None:
        self._client = engine_client
        self._intake = intake_of(engine_client.input_processor)
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._generate = engine_client.generate
        engine_client.generate = self._generate_with_plan

    def is_resident(self, digest: str) -> bool:
        """Returns whether a request that uses the vector can be sent at once."""
        return digest in self._intake.resident

    def observe_intake(self, observe_seconds: Callable[[float], None]) -> None:
        """Has it told how long each plan took to be bound to its prompt."""
        self._intake.observe_seconds = observe_seconds

    async def status(self, *, brief: bool = False) -> list[dict[str, Any]]:
        """Returns what each worker says about its steering; raises `OperatorError` if one cannot.

        brief: without the digests of all residents, of which there may be thousands.

        NOTE: a worker without the extension means that the engine runs without the plugin, which
        would serve unsteered what was asked to be steered.
        """
        answers = await self._ask(RPC_STATUS, *(("brief",) if brief else ()))
        if not answers or not all(answer.get("enabled") for answer in answers):
            raise OperatorError(
                "the engine runs without steering; start it with `steersman serve`",
                code="steering_not_enabled",
            )
        for answer in answers:
            if answer["hooked"] != answer["layers"]:
                raise OperatorError(
                    f"the worker of rank {answer['rank']} has lost its hooks: it steers layers "
                    f"{answer['hooked']} of {answer['layers']}. Restart the server",
                    code="self_test_failed",
                )
        return answers

    async def ensure_resident(self, digests: Iterable[str], read_blob: ReadBlob) -> None:
        """Returns when every worker holds the vectors; loads each missing one once.

        Raises `CallerError` for a vector that the engine refuses, `OperatorError` when its bytes
        cannot be read.
        """
        for digest in digests:
            if digest in self._intake.resident:
                continue
            task = self._loading.get(digest)
            if task is None:
                task = asyncio.create_task(self._load(digest, read_blob))
                self._loading[digest] = task
                task.add_done_callback(partial(self._loaded, digest))
            await asyncio.shield(task)

    async def read_out(self, digests: Sequence[str | None]) -> list[dict[str, Any]]:
        """Has each slot of the read-out measure a resident vector, or nothing for None.

        Returns what each worker's slots measure now; raises `OperatorError(engine_unavailable)`.
        """
        return await self._ask(RPC_READOUT, list(digests))

    async def forget(self, digests: Iterable[str]) -> None:
        """Returns when no worker holds the vectors any more; no request may be using them."""
        for digest in digests:
            self._intake.resident.pop(digest, None)
            await self._ask(RPC_UNLOAD, digest)

    async def logprobs_of_one_token(
        self, prompt: Sequence[int], plan: SteeringPlan | None, *, top: int, rank: int | None
    ) -> dict[int, float]:
        """Returns token -> log-probability of the `top` likeliest tokens after `prompt`."""
        extra = {} if rank is None else {"data_parallel_rank": rank}
        request_id = f"{OWN_REQUESTS}{uuid4().hex}"
        params = one_greedy_token(top)
        with running_plan(plan):
            outputs = self._client.generate(
                {"prompt_token_ids": list(prompt)}, params, request_id, **extra
            )
        async for output in outputs:
            (position,) = output.outputs[0].logprobs
            return {token: entry.logprob for token, entry in position.items()}
        raise OperatorError("the engine gave no answer", code="engine_unavailable")

    def load(self) -> EngineLoad:
        """Returns how busy the engine is."""
        return engine_load(self._client)

    def can_repeat(self, asked: Asked) -> bool:
        """Returns whether `unsteered` can run what was asked."""
        plain = plain_prompt(asked.prompt) is not None
        return plain and not is_handed_over(asked.sampling_params)

    def unsteered(self, asked: Asked) -> AsyncGenerator[Any, None]:
        """Runs what was asked once more, alone, without a plan, behind all others.

        Returns vLLM's outputs, each with what was added since the last.
        """
        beside = {name: asked.beside[name] for name in REPEATED if name in asked.beside}
        if self.load().by_priority:
            beside["priority"] = LOWEST_PRIORITY
        params = one_answer_as_it_comes(asked.sampling_params)
        with_plan(params, None)
        outputs: AsyncGenerator[Any, None] = self._generate(
            plain_prompt(asked.prompt), params, f"{OWN_REQUESTS}shadow-{uuid4().hex}", **beside
        )
        return outputs

    async def _load(self, digest: str, read_blob: ReadBlob) -> None:
        data = await read_blob(digest)
        ticket = uuid4().hex
        await self._ask(RPC_LOAD, ticket, data)
        pauses = load_pauses()
        while (loaded := note_loaded(self._intake, await self._ask(RPC_LOADED, ticket))) is None:
            await asyncio.sleep(next(pauses))
        if loaded != digest:
            raise OperatorError(
                f"the registry gave {loaded} for {digest}: its data are damaged. Import the vector "
                "again, or restore the registry from a backup",
                code="vector_corrupt",
            )

    async def _ask(self, method: str, *args: RpcArgument) -> list[dict[str, Any]]:
        """Returns the workers' answers; raises `OperatorError(engine_unavailable)`."""
        asked = ask_workers(self._client, method, args, RPC_TIMEOUT_S)
        try:
            answers: list[dict[str, Any]] = await asyncio.wait_for(asked, RPC_TIMEOUT_S + 5)
        except Exception as error:  # vLLM's client raises bare Exception for what failed elsewhere
            raise OperatorError(
                f"the engine did not answer {method}: {type(error).__name__}: {error}. Try again; "
                "the server's log tells more",
                code="engine_unavailable",
            ) from error
        return answers

    def _loaded(self, digest: str, _: asyncio.Task[None]) -> None:
        self._loading.pop(digest, None)

    def _generate_with_plan(
        self, prompt: Any, sampling_params: Any, request_id: str, **kwargs: Any
    ) -> Any:
        running = _running.get()
        with_plan(sampling_params, running.plan)
        if running.trace is not None:
            kwargs["trace_headers"] = running.trace.headers(request_id)
        if running.tap is None:
            return self._generate(prompt, sampling_params, request_id, **kwargs)

        def generate(ask: bool) -> tuple[Asked, AsyncGenerator[Any, None]]:
            params = asking_for_logprobs(sampling_params) if ask else sampling_params
            asked = Asked(prompt, copy(params), kwargs)
            return asked, self._generate(prompt, params, request_id, **kwargs)

        may_ask = knows_logprobs(self._client) and not asks_for_logprobs(sampling_params)
        return running.tap.through(generate, deltas=gives_deltas(sampling_params), may_ask=may_ask)


def with_plan(sampling_params: Any, plan: SteeringPlan | None) -> None:
    """Writes the plan into the request's own sampling params, or makes sure that there is none."""
    extra_args = getattr(sampling_params, "extra_args", None)
    if plan is not None:
        sampling_params.extra_args = {**(extra_args or {}), EXTRA_ARGS_KEY: plan.to_wire()}
    elif extra_args and EXTRA_ARGS_KEY in extra_args:
        sampling_params.extra_args = {k: v for k, v in extra_args.items() if k != EXTRA_ARGS_KEY}
