"""Attaching an engine: what both model runners do once the weights are loaded."""

from __future__ import annotations

import logging
from typing import Any

from steersman_vectors.engine_contract import EngineSteering, read_engine_config
from steersman_vectors.extract.blocks import find_blocks

from . import compat
from .attach import SteeringBuffers, attach
from .capture_sums import CaptureSums
from .engine_state import EngineState
from .readout import ToneReadout
from .resident import ResidentVectors

logger = logging.getLogger("vllm.steersman")

_STATE = "_steersman_state"


def state_of(runner: Any) -> EngineState | None:
    """Returns the runner's steering state, or None in an engine started without steering."""
    state: EngineState | None = getattr(runner, _STATE, None)
    return state


def attach_engine(runner: Any) -> EngineState | None:
    """Attaches to the decoder blocks; weights are loaded, nothing is compiled yet.

    Returns None in an engine without steering, and where it was done before. Raises `OperatorError`
    for a model whose blocks cannot be found, or a layer it does not have.
    """
    vllm_config = runner.vllm_config
    config = read_engine_config(vllm_config.additional_config)
    if config is None or state_of(runner) is not None:
        return None
    num_layers = compat.num_hidden_layers(vllm_config)
    layers = config.layer_indices(num_layers, compat.attention_kinds(vllm_config))
    max_requests = compat.max_running_requests(vllm_config)
    buffers = attach(
        find_blocks(compat.model_of(runner), num_layers),
        layers,
        num_rows=max_requests + 1,
        hidden_size=compat.hidden_size(vllm_config),
        max_tokens=compat.max_tokens_per_step(runner),
        token_scale=config.token_scale,
        kept_layers=layers if config.capture else config.readout,
        dtype=runner.dtype,
        device=runner.device,
    )
    compat.count_model_memory(runner, buffers.nbytes)
    compat.key_compiled_graphs(vllm_config, max_requests + 1)
    resident = ResidentVectors(
        compat.hidden_size(vllm_config),
        layers,
        local=buffers.layers,
        token_scale=config.token_scale,
    )
    state = EngineState(buffers, resident, max_requests, **_readers(buffers, config))
    setattr(runner, _STATE, state)
    logger.info(
        "Steering attached to %d of %d decoder blocks; %d rows, %.1f MiB on %s",
        len(buffers.layers), num_layers, max_requests, buffers.nbytes / 2**20, runner.device,
    )  # fmt: skip
    return state


def _readers(buffers: SteeringBuffers, config: EngineSteering) -> dict[str, Any]:
    """Returns the tone read-out and capture of this worker, None each where there is none.

    Of the ranks that share a block's residual stream the first reads, for all of them.
    """
    if buffers.kept is None or not compat.is_first_of_its_tensor_parallel_group():
        return {}
    tone = config.readout and ToneReadout(buffers, config.readout, config.readout_every)
    return {"tone": tone or None, "capture": CaptureSums(buffers) if config.capture else None}
