"""What the running engine can do."""

from __future__ import annotations

import math
from dataclasses import dataclass

from steersman_vectors.card import Scope, VectorCard
from steersman_vectors.engine_contract import why_not_served
from steersman_vectors.errors import CallerError, OperatorError


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """Fixed at start."""

    fingerprint: str
    """Of the base model that is served."""
    layers: frozenset[int]
    """Decoder blocks with a hook."""
    assistant_scope: OperatorError | None
    """None when the chat template gave turn markers, else why not."""

    token_scale: bool = False
    """Whether vectors of scale `token` can be used."""
    largest_value: float = math.inf
    """The largest number that the engine's dtype can hold."""

    def why_not(self, card: VectorCard, param: str | None = None) -> CallerError | None:
        """Returns why requests cannot use a vector with this card, or None when they can."""
        return why_not_served(card, self.layers, token_scale=self.token_scale, param=param)

    @property
    def default_scope(self) -> Scope:
        """Returns the scope of requests and presets that name none."""
        return "assistant" if self.assistant_scope is None else "generation"
