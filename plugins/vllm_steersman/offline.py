"""Offline use: the same engine and the same plan through `vllm.LLM`, no server."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from steersman_vectors.card import Scope
from steersman_vectors.engine_contract import (
    CONFIG_KEY,
    READOUT_EVERY,
    RPC_LOAD,
    RPC_LOADED,
    WORKER_EXTENSION,
    EngineSteering,
    intake_of,
    load_pauses,
    note_loaded,
)
from steersman_vectors.formats import native
from steersman_vectors.plan import EXTRA_ARGS_KEY, SteeringPlan
from steersman_vectors.schedule import CONSTANT, AnySchedule
from steersman_vectors.vector import SteeringVector

from . import compat


def engine_args(
    layers: str | tuple[int, ...] = "all",
    *,
    token_scale: bool = False,
    readout: tuple[int, ...] = (),
    readout_every: int = READOUT_EVERY,
    capture: bool = False,
) -> dict[str, Any]:
    """Returns keyword arguments for `vllm.LLM` that start its engine with steering.

    layers: decoder blocks that can be steered: `all`, `global` (those that attend to the whole
    context, in models that mix them with local ones) or indices. token_scale: whether vectors of
    scale `token` can be used, which costs a second set of rows and a norm per token and block.
    readout: the block that each slot of the tone read-out reads, one step of `readout_every`.
    capture: whether requests can have the residual stream read off their prompts (`capture.py`).

    >>> engine_args(layers=(23, 29))["additional_config"]["steering"]["layers"]
    [23, 29]
    """
    config = EngineSteering.model_validate(
        {"layers": layers, "token_scale": token_scale, "readout": readout,
         "readout_every": readout_every, "capture": capture}
    )  # fmt: skip
    return {
        "worker_extension_cls": WORKER_EXTENSION,
        "additional_config": {CONFIG_KEY: config.model_dump(mode="json")},
    }


def load_vector(llm: Any, source: str | Path | SteeringVector) -> str:
    """Makes a vector resident in every worker of a `vllm.LLM` and returns its digest.

    source: a file in the native format, or a vector. Raises `CallerError` when the file is not
    valid or the engine cannot steer its layers.
    """
    vector = source if isinstance(source, SteeringVector) else native.load(Path(source))
    data = native.dumps(vector)
    intake = intake_of(compat.input_processor_of(llm))
    ticket = uuid4().hex
    llm.collective_rpc(RPC_LOAD, args=(ticket, data))
    pauses = load_pauses()
    while True:
        digest = note_loaded(intake, llm.collective_rpc(RPC_LOADED, args=(ticket,)))
        if digest is not None:
            return digest
        time.sleep(next(pauses))


def plan_args(
    alphas: Mapping[str, float],
    *,
    scope: Scope = "assistant",
    schedule: AnySchedule = CONSTANT,
) -> dict[str, Any]:
    """Returns `SamplingParams(extra_args=...)` that adds each vector (by digest) at its alpha."""
    plan = SteeringPlan(terms=tuple(alphas.items()), scope=scope, schedule=schedule)
    return {EXTRA_ARGS_KEY: plan.to_wire()}
