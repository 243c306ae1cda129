"""What a judge is: it scores answers, each on a scale of its own, and may say that it cannot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from ..message import Message
from ..sweep.contract import UNSTEERED, Answer, Dose

Better = Literal["higher", "lower", "neither"]
"""Which way is good; `neither`: a quantity that is watched, such as length."""


@dataclass(frozen=True, slots=True)
class Judgeable:
    """One answer with all that a judge may need to know about it."""

    messages: tuple[Message, ...]
    answer: Answer
    dose: Dose = UNSTEERED
    baseline: Answer | None = None
    """The unsteered answer to the same prompt, for judges that compare."""
    expected: tuple[tuple[str, ...], ...] = ()
    """What a right answer holds, for judges of facts: of each group, one of its alternatives."""

    @property
    def prompt(self) -> str:
        """Returns the latest user turn."""
        turns = (turn.content for turn in reversed(self.messages) if turn.role == "user")
        return next(turns, "")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one judge says of one answer."""

    value: float | None
    """On the judge's scale; None: it cannot say, and `why` tells."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Measure:
    """What a judge's numbers mean."""

    name: str
    """Unique among the judges of a run, such as `degenerate` or `llm:behaviour`."""
    better: Better
    low: float
    high: float
    """The scale's ends; infinite where it has none."""
    unit: str
    """As an axis is labelled: `share`, `words`, `nats/token`, `points of 5`."""


class Judge(Protocol):
    """Scores answers."""

    measure: Measure

    def judge(self, items: Sequence[Judgeable]) -> Iterator[tuple[int, Verdict]]:
        """Yields (index in `items`, verdict), each once, in any order, as it comes.

        Raises `OperatorError` when it cannot go on: its endpoint, its budget.
        """
        ...
