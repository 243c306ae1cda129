"""Model runner V1: where the engine's steps meet `EngineState`. Called by the seams in compat."""

from __future__ import annotations

from functools import partial
from typing import Any

from . import compat
from .boot import attach_engine, state_of
from .reading import Step


def after_load_model(runner: Any, *_: Any, **__: Any) -> None:
    """Weights are loaded: attach."""
    attach_engine(runner)


def after_update_states(runner: Any, scheduler_output: Any, *_: Any, **__: Any) -> None:
    """The batch changed: forget finished requests, remember new ones.

    NOTE: here and not in `_prepare_inputs`, which a step without scheduled tokens never reaches.
    """
    state = state_of(runner)
    if state is None:
        return
    state.remove(compat.finished_requests(scheduler_output))
    for request_id, params in compat.new_requests(scheduler_output):
        state.meet(request_id, params)


def after_prepare_inputs(
    runner: Any, scheduler_output: Any, num_scheduled_tokens: Any, *_: Any, **__: Any
) -> None:
    """Positions and order of the step are known: route its tokens."""
    state = state_of(runner)
    if state is None:
        return
    order = compat.batch_order(runner)
    computed = compat.num_computed_tokens(runner, len(order))
    state.step(order, computed, num_scheduled_tokens)
    if state.reading is not None:
        answering = partial(compat.answering_requests, runner, len(order))
        drafts = compat.draft_tokens(scheduler_output)
        state.will_run(Step(order, computed, num_scheduled_tokens, answering, drafts))


def before_dummy_run(runner: Any, *_: Any, **__: Any) -> None:
    """A dummy step (profiling, warm-up, idle data-parallel rank) is neither steered nor read."""
    state = state_of(runner)
    if state is not None:
        state.dummy_step()
