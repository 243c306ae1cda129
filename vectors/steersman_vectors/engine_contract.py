"""What server and plugin agree on about an engine, though neither imports the other.

Options travel in vLLM's `additional_config`; what an API process knows about its engine is kept on
vLLM's input processor, the one object that both sides hold.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .card import VectorCard
from .errors import CallerError, OperatorError
from .reach import Reach
from .spans import TurnMarkers

SERVER_ENV = "STEERSMAN_SERVER"
"""Set in every process of a Steersman server: its settings as JSON."""
CONFIG_KEY = "steering"
WORKER_EXTENSION = "vllm_steersman.worker.SteeringWorkerExtension"
RPC_LOAD = "steering_load"
"""(ticket, native bytes) -> {}: every worker starts to load, beside its steps."""
RPC_LOADED = "steering_loaded"
"""(ticket) -> {"pending"}, {"digest", "reach"} or {"error", "code"}, from every worker."""
LOAD_POLL_S = (0.001, 0.05)
"""First and longest pause between two questions after a load."""
RPC_UNLOAD = "steering_unload"
"""(digest) -> {"digest"}; only for a vector that no running or queued request uses."""
RPC_STATUS = "steering_status"
"""([anything for a brief answer]) -> what a worker holds and has counted, from every worker."""
RPC_READOUT = "steering_readout"
"""([digest or None of each slot]) -> {"readout": [what each slot now reads]}."""
RPC_CAPTURED = "steering_captured"
"""([key]) -> {"layers", "captured": {key: (mean, norm)}}: what `CAPTURE_KEY` asked for, once."""
OWN_REQUESTS = "steersman-"
"""How the engine's ids begin of requests that are no client's: self-test, shadow runs."""
CAPTURE_KEY = "steering_capture"
"""Of a request's `extra_args`: {"key", "spans"}, what to read off its prompt."""
MAX_READOUT_SLOTS = 8
READOUT_EVERY = 8
"""Of so many engine steps one is read."""
GLOBAL_ATTENTION = "full_attention"
"""Of Hugging Face's `layer_types`: the block attends to the whole context."""

_INTAKE = "_steersman_intake"


class EngineSteering(BaseModel):
    """Options fixed when the engine starts; part of vLLM's compile-cache key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layers: Literal["all", "global"] | tuple[int, ...] = "all"
    """Decoder blocks that can be steered; each costs one row per running request.

    global: those that attend to the whole context, in models that mix them with local ones.
    """
    token_scale: bool = False
    """Whether vectors of scale `token` can be used; costs a second set of rows and a norm."""
    readout: tuple[int, ...] = Field(default=(), max_length=MAX_READOUT_SLOTS)
    """The decoder block that each slot of the tone read-out reads; empty: no read-out."""
    readout_every: int = Field(default=READOUT_EVERY, ge=1)
    """Of so many engine steps one is read; 1: all of them."""
    capture: bool = False
    """Whether requests can have the residual stream read off their prompts; for extraction."""
    op_version: int = Field(default=2, frozen=True)
    """Raised when the injected operation changes, so that no old compiled graph is reused."""

    def layer_indices(
        self, num_layers: int, attention: Sequence[str] | None = None
    ) -> tuple[int, ...]:
        """Returns the steered blocks of a model with `num_layers` blocks, ascending.

        attention: the kind of each block as the model's config names it (`layer_types`), if it
        does. Raises `OperatorError(invalid_steering_layers)` for an index the model does not have,
        and for `global` where the config tells no block that is.
        """
        if self.layers == "all":
            return tuple(range(num_layers))
        if self.layers == "global":
            return _global_layers(num_layers, attention)
        wrong = [i for i in self.layers if not 0 <= i < num_layers]
        if wrong or not self.layers:
            raise OperatorError(
                f"--steering-layers: got {list(self.layers)}, expected 'all', 'global' or indices "
                f"from 0 to {num_layers - 1}: this model has {num_layers} decoder blocks",
                code="invalid_steering_layers",
            )
        return tuple(sorted(set(self.layers)))

    def check_readout(self, layers: Collection[int]) -> None:
        """Raises `OperatorError(invalid_readout)` for a slot at a block that is not steered.

        layers: the steered blocks.
        """
        wrong = [i for i in self.readout if i not in layers]
        if wrong:
            raise OperatorError(
                f"the read-out asks for decoder blocks {wrong}, but only {sorted(layers)} are "
                "steered. Add them with --steering-layers, or read another block",
                code="invalid_readout",
            )


def _global_layers(num_layers: int, attention: Sequence[str] | None) -> tuple[int, ...]:
    found = [i for i, kind in enumerate(attention or ()) if kind == GLOBAL_ATTENTION]
    if attention is None or len(attention) != num_layers or not found:
        kinds = ", ".join(sorted(set(attention or ()))) or "none"
        raise OperatorError(
            "--steering-layers global: this model's config does not tell which of its "
            f"{num_layers} decoder blocks attend globally (layer_types: {kinds}). Use 'all', or "
            "give indices such as 23,29,35",
            code="invalid_steering_layers",
        )
    return tuple(found)


def parse_layers(text: str) -> Literal["all", "global"] | tuple[int, ...]:
    """Returns what `--steering-layers` says: `all`, `global`, or comma-separated block indices."""
    if text.strip() == "all":
        return "all"
    if text.strip() == "global":
        return "global"
    try:
        return tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError as error:
        raise OperatorError(
            f"--steering-layers: got {text!r}, expected 'all', 'global' or indices such as "
            "23,29,35",
            code="invalid_steering_layers",
        ) from error


def why_not_served(
    card: VectorCard, layers: Collection[int], *, token_scale: bool, param: str | None = None
) -> CallerError | None:
    """Returns why an engine cannot use a vector with this card, or None when it can.

    layers: decoder blocks with a hook, on all ranks together. token_scale: whether the engine was
    started with it. param: the request's field that names the vector.
    """
    if card.scale == "token" and not token_scale:
        return CallerError(
            f"vector {card.name!r} has scale 'token', which this engine was started without. "
            "Restart it with --steering-token-scale",
            code="scale_not_served",
            param=param,
        )
    unserved = sorted(set(card.layers).difference(layers))
    if unserved:
        return CallerError(
            f"vector {card.name!r} steers layers {sorted(card.layers)}, but the engine was started "
            f"with steering layers {sorted(layers)}, which leave out {unserved}. Restart it with "
            "--steering-layers all",
            code="vector_layers_not_served",
            param=param,
        )
    return None


def read_engine_config(additional_config: Any) -> EngineSteering | None:
    """Returns the steering options of an engine, or None when it was started without them."""
    if not isinstance(additional_config, dict) or CONFIG_KEY not in additional_config:
        return None
    try:
        return EngineSteering.model_validate(additional_config[CONFIG_KEY])
    except ValidationError as error:
        raise OperatorError(
            f"additional_config[{CONFIG_KEY!r}] is not valid: {error}",
            code="invalid_steering_config",
        ) from error


@dataclass
class Intake:
    """What one API process knows about its engine."""

    resident: dict[str, Reach] = field(default_factory=dict)
    """Vectors that every worker has confirmed, by digest."""
    markers: TurnMarkers | OperatorError | None = None
    """Turn markers of the chat template, or why there are none; None until first needed."""
    observe_seconds: Callable[[float], None] | None = None
    """Told how long it took to bind a plan to its prompt; set by the server, for its metrics."""


def intake_of(input_processor: Any) -> Intake:
    """Returns the intake state of the engine client that owns `input_processor`."""
    state = getattr(input_processor, _INTAKE, None)
    if not isinstance(state, Intake):
        state = Intake()
        setattr(input_processor, _INTAKE, state)
    return state


def note_loaded(intake: Intake, answers: list[dict[str, Any]]) -> str | None:
    """Marks the vector that all workers confirmed as resident and returns its digest.

    Returns None while a worker is still loading. Raises the first refusal as `CallerError`.
    """
    for answer in answers:
        if "error" in answer:
            raise CallerError(answer["error"], code=answer["code"])
    if any("pending" in answer for answer in answers):
        return None
    digest = str(answers[0]["digest"])
    intake.resident[digest] = Reach(*answers[0]["reach"])
    return digest


def load_pauses() -> Iterator[float]:
    """Yields the seconds to wait before each question after a load, without end."""
    pause, longest = LOAD_POLL_S
    while True:
        yield pause
        pause = min(2 * pause, longest)
