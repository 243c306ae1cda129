"""Model runner V2: its `ModelState` is told of every request and every step; so are we.

Preempted requests are removed and come back as new ones, dummy steps (graph capture, idle
data-parallel ranks) have request ids that nobody has added.
"""

from __future__ import annotations

from typing import Any

from . import compat
from .boot import attach_engine
from .engine_state import EngineState


def after_load_model(runner: Any, *_: Any, **__: Any) -> None:
    """Weights are loaded and the model state exists: attach, and listen to the model state."""
    state = attach_engine(runner)
    if state is not None:
        listen(compat.model_state_of(runner), state)


def listen(model_state: Any, state: EngineState) -> None:
    """Has `state` follow what the runner tells its model state."""

    def add_request(_req_index: int, new_request: Any) -> None:
        state.meet(*compat.identity_of(new_request))

    def remove_request(request_id: str) -> None:
        state.remove([request_id])

    def prepare_inputs(input_batch: Any, _request_states: Any) -> None:
        state.step(*compat.step_of(input_batch))

    def prepare_dummy_inputs(_num_requests: int, _num_tokens: int) -> None:
        state.clear()

    for first in (add_request, remove_request, prepare_inputs, prepare_dummy_inputs):
        compat.before_method(model_state, first.__name__, first)
