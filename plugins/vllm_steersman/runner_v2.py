"""Model runner V2: its `ModelState` is told of every request and every step; so are we.

Preempted requests are removed and come back as new ones, dummy steps (graph capture, idle
data-parallel ranks) have request ids that nobody has added.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from . import compat
from .boot import attach_engine
from .engine_state import EngineState
from .reading import Drafts, Step

NO_DRAFTS: Drafts = {}
"""Speculative decoding under this runner is refused."""


def after_load_model(runner: Any, *_: Any, **__: Any) -> None:
    """Weights are loaded and the model state exists: attach, and listen to the model state."""
    state = attach_engine(runner)
    if state is not None:
        listen(compat.model_state_of(runner), state)


def listen(model_state: Any, state: EngineState) -> None:
    """Has `state` follow what the runner tells its model state."""
    there: set[str] = set()
    """Ids of the runner's requests; kept only where something is read."""

    def add_request(_req_index: int, new_request: Any) -> None:
        request_id, params = compat.identity_of(new_request)
        if state.reading is not None:
            there.add(request_id)
        state.meet(request_id, params)

    def remove_request(request_id: str) -> None:
        there.discard(request_id)
        state.remove([request_id])

    def prepare_inputs(input_batch: Any, request_states: Any) -> None:
        order, computed, scheduled = compat.step_of(input_batch)
        state.step(order, computed, scheduled)
        if state.reading is not None and order[0] in there:
            answering = partial(compat.answering_in, input_batch, request_states)
            state.will_run(Step(order, computed, scheduled, answering, NO_DRAFTS))

    def prepare_dummy_inputs(_num_requests: int, _num_tokens: int) -> None:
        state.dummy_step()

    for first in (add_request, remove_request, prepare_inputs, prepare_dummy_inputs):
        compat.before_method(model_state, first.__name__, first)
