"""Intake: the last stop of a request in the API process, where its plan meets its prompt.

Here the turns are found in the prompt's token ids, and a plan that the engine could not execute
exactly is refused, so that nothing invalid ever reaches the engine.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

from steersman_vectors.chat_template import markers_of_tokenizer
from steersman_vectors.engine_contract import (
    Intake,
    intake_of,
    read_engine_config,
)
from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.plan import EXTRA_ARGS_KEY, SteeringPlan, decode_plan
from steersman_vectors.reach import check_reach
from steersman_vectors.spans import TurnMarkers, steered_turns

from . import compat


def take_in(input_processor: Any, request: Any) -> Any:
    """Returns vLLM's engine request with its plan bound to its prompt; unsteered ones unchanged.

    Raises `CallerError` (invalid_plan, vector_not_resident, ...), which vLLM reports to the caller.
    """
    params = request.sampling_params
    if params is None or not params.extra_args:
        return request
    if not isinstance(params.extra_args, dict):  # vLLM passes on whatever an offline caller gave
        raise CallerError(
            f"extra_args must be an object, got {type(params.extra_args).__name__}",
            code="invalid_plan",
            param="extra_args",
        )
    if EXTRA_ARGS_KEY not in params.extra_args:
        return request
    started = perf_counter()
    plan = decode_plan(params.extra_args[EXTRA_ARGS_KEY])
    bound = _bind(input_processor, request, plan)
    extra_args = dict(params.extra_args)
    if bound.terms:
        extra_args[EXTRA_ARGS_KEY] = bound.to_wire()
    else:
        del extra_args[EXTRA_ARGS_KEY]
    params.extra_args = extra_args
    observe = intake_of(input_processor).observe_seconds
    if observe is not None:
        observe(perf_counter() - started)
    return request


def check_engine(vllm_config: Any) -> None:
    """Refuses an engine with steering whose options, model or layers cannot be steered exactly.

    Raises `OperatorError` while the engine is being configured, before any weight is loaded.
    """
    config = read_engine_config(vllm_config.additional_config)
    if config is None:
        return
    refused = compat.refused_features(vllm_config, token_scale=config.token_scale)
    if refused:
        raise OperatorError(
            "steering is not exact with: " + "; ".join(refused), code="engine_option_unsupported"
        )
    config.layer_indices(compat.num_hidden_layers(vllm_config), compat.attention_kinds(vllm_config))


def check_plan(input_processor: Any, plan: SteeringPlan) -> None:
    """Returns when every vector of the plan is resident and the sum is within the dtype's reach.

    Raises `CallerError`: `vector_not_resident`, and what `check_reach` raises.
    """
    state = intake_of(input_processor)
    for digest, _ in plan.terms:
        if digest not in state.resident:
            raise CallerError(
                f"vector {digest} is not loaded in the engine. Load it first with "
                "vllm_steersman.load_vector(llm, file)",
                code="vector_not_resident",
                param=EXTRA_ARGS_KEY,
            )
    doses = [(alpha, state.resident[digest]) for digest, alpha in plan.terms]
    check_reach(doses, compat.largest_value(input_processor.vllm_config), EXTRA_ARGS_KEY)


def _bind(input_processor: Any, request: Any, plan: SteeringPlan) -> SteeringPlan:
    if read_engine_config(input_processor.vllm_config.additional_config) is None:
        raise CallerError(
            "this request carries a steering plan, but the engine was started without steering. "
            "Start it with LLM(..., **vllm_steersman.engine_args()) or `steersman serve`",
            code="steering_not_enabled",
            param=EXTRA_ARGS_KEY,
        )
    check_plan(input_processor, plan)
    if request.resumable:
        raise CallerError(
            "steering does not support streaming-input sessions",
            code="steering_unsupported",
            param=EXTRA_ARGS_KEY,
        )
    prompt = compat.prompt_ids_of(request)
    if prompt is None:
        raise CallerError(
            "steering needs the prompt as text or token ids; this prompt is embeddings only",
            code="steering_unsupported",
            param=EXTRA_ARGS_KEY,
        )
    if plan.scope is None:
        return plan
    state = intake_of(input_processor)
    markers = markers_for(state, input_processor) if plan.scope == "assistant" else None
    return plan.with_turns(steered_turns(plan.scope, prompt, markers))


def markers_for(state: Intake, input_processor: Any) -> TurnMarkers:
    """Returns the markers of the engine's chat template, found once.

    Raises `CallerError(chat_template_unsupported)`.
    """
    if state.markers is None:
        try:
            state.markers = markers_of_tokenizer(input_processor.tokenizer)
        except OperatorError as error:
            state.markers = error
    if isinstance(state.markers, OperatorError):
        why = state.markers
        raise CallerError(why.message, code=why.code, param=why.param)
    return state.markers
