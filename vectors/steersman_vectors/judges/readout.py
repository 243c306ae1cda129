"""How far along a direction an answer reads to the unsteered model: a judge that needs no words.

The answer is read, not written, by the model: the mean residual state over its tokens, at one
layer's output, projected on the direction, with 0 in the middle of the pairs' classes and 1 at the
mean of the positive one. It sees what the answer says, and not the vector that was added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from ..errors import CallerError
from ..extract.contract import ActivationSource, Read
from ..message import Message
from .contract import Judgeable, Measure, Verdict

PromptIds = Callable[[tuple[Message, ...]], tuple[int, ...]]
"""Token ids of a conversation with the generation header, as the model's chat template has them."""


@dataclass(frozen=True, slots=True)
class ReadOut:
    """A direction with its scale."""

    layer: int
    """layer_idx of the block whose output is read."""
    direction: NDArray[np.float32]
    """`[hidden]`, of any length but 0."""
    middle: float
    """Projection of the point midway between the two classes' means."""
    half: float
    """From there to the positive mean, > 0."""

    def value(self, state: NDArray[np.float32]) -> float:
        """Returns where a state `[hidden]` stands: 0 in the middle, 1 at the positive mean."""
        return (float(state.astype(np.float64) @ self.direction) - self.middle) / self.half


def fit_read_out(
    layer: int,
    direction: NDArray[np.float32],
    positive: NDArray[np.float32],
    negative: NDArray[np.float32],
) -> ReadOut:
    """Returns the read-out whose scale the pairs' states set.

    Args:
        layer: layer_idx of the block whose output the states are.
        direction: `[hidden]`.
        positive: `[n, hidden]`, mean states of answers that show the behaviour.
        negative: `[m, hidden]`, of answers that show its opposite.

    Raises:
        CallerError: `read_out_unusable` where the classes' means do not differ along it, or the
            positive one is behind.
    """
    along = direction.astype(np.float64)
    if not positive.size or not negative.size:
        raise _unusable(layer, f"{len(positive)} positive and {len(negative)} negative states")
    above = float(np.mean(positive.astype(np.float64) @ along))
    below = float(np.mean(negative.astype(np.float64) @ along))
    half = (above - below) / 2
    if not half > 1e-9 * max(abs(above), abs(below)) or not np.isfinite(half):
        raise _unusable(layer, f"the classes' means at {above:.4g} and {below:.4g} along it")
    return ReadOut(layer, direction, (above + below) / 2, half)


class ReadOutJudge:
    """`Judge` by a read-out of each answer."""

    def __init__(
        self,
        read_out: ReadOut,
        source: ActivationSource,
        prompt_ids: PromptIds,
        *,
        end_tokens: frozenset[int] = frozenset(),
        name: str = "readout",
        unit: str = "positive means",
    ) -> None:
        """Reads nothing yet.

        Args:
            read_out: Of a layer that the source reads.
            source: Of the model that the answers' tokens are from.
            prompt_ids: How the model is shown a conversation.
            end_tokens: Not of the answer where they end it, as pairs have none.
            name: The measure's.
            unit: What 1 is.

        Raises:
            CallerError: `read_out_unusable` for another layer or size than the source's.
        """
        if read_out.layer not in source.layers:
            raise _unusable(read_out.layer, f"a source of layers {list(source.layers)}")
        if read_out.direction.shape != (source.hidden_size,):
            shape = read_out.direction.shape
            raise _unusable(
                read_out.layer, f"a direction {shape} for states ({source.hidden_size},)"
            )
        self.measure = Measure(name, "higher", -inf, inf, unit)
        self._read_out, self._source = read_out, source
        self._prompt_ids, self._end_tokens = prompt_ids, end_tokens
        self._column = source.layers.index(read_out.layer)

    def judge(self, items: Sequence[Judgeable]) -> Iterator[tuple[int, Verdict]]:
        """Yields (index, verdict); raises `CallerError(too_long)` before anything is read."""
        reads: dict[Read, list[int]] = {}
        for index, item in enumerate(items):
            answer = self._content(item.answer.token_ids)
            if not answer:
                yield index, Verdict(None, "the answer has no tokens")
                continue
            prompt = self._prompt_ids(item.messages)
            span = (len(prompt), len(prompt) + len(answer))
            reads.setdefault(Read((*prompt, *answer), (span,)), []).append(index)
        wanted = list(reads)
        for at, states in self._source.read(wanted):
            value = self._read_out.value(states.mean[0, self._column])
            for index in reads[wanted[at]]:
                yield index, Verdict(value)

    def _content(self, tokens: tuple[int, ...]) -> tuple[int, ...]:
        end = len(tokens)
        while end and tokens[end - 1] in self._end_tokens:
            end -= 1
        return tokens[:end]


def _unusable(layer: int, got: str) -> CallerError:
    return CallerError(
        f"read-out at layer {layer}: got {got}; choose a layer at which pairs are told apart, of "
        "the model that the direction is from",
        code="read_out_unusable",
    )
