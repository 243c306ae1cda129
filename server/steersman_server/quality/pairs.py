"""A steered answer beside an unsteered one to the same request, and how they differ. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.asked import EngineLoad
from .observed import Observed


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one prompt, under the same sampling parameters."""

    steered: Observed
    unsteered: Observed

    @property
    def length_ratio(self) -> float | None:
        """Returns the tokens of the steered answer by those of the other; None without any."""
        return self.steered.tokens / self.unsteered.tokens if self.unsteered.tokens else None

    @property
    def nll_rise(self) -> float | None:
        """Returns `mean ln p(unsteered) - mean ln p(steered)` in nats; None where not known.

        Each under the model that gave it.
        """
        one, other = self.unsteered.mean_logprob, self.steered.mean_logprob
        return None if one is None or other is None else one - other


def has_room(load: EngineLoad, processes: int, own: int = 0) -> bool:
    """Returns whether one more request, which nobody waits for, is in nobody's way.

    Half of the engine's places must be free, if all API processes are as busy as this one, which is
    all that it can tell. Where requests give way by priority one place is enough.

    own: sequences of this process that are not a client's.

    NOTE: by priority vLLM takes cache blocks from the lowest, and puts it behind the others while
    it waits; one that runs keeps its place.
    """
    clients = (load.unfinished - own) * processes
    return clients < load.places if load.by_priority else 2 * clients < load.places
