"""What the unsteered model thinks: how unlikely an answer is to it, how far a dose moves it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf, isfinite, isnan, nan
from statistics import fmean

from ..message import Message
from ..sweep.contract import UNSTEERED, Given, OfflineEngine, Weighed
from .contract import Judgeable, Measure, Verdict
from .divergence import TopLogprobs, kl_lower_bound

TOP = 20
"""Likeliest tokens of each distribution that KL is bounded from."""
Forced = tuple[tuple[Message, ...], tuple[int, ...]]
"""A prompt, and the answer's tokens that the model is shown after it."""


class SurprisalJudge:
    """`Judge` by the mean negative log-likelihood of an answer's tokens under the unsteered model.

    Its exponential is the perplexity. It rises with every departure from what the model would say,
    the wanted one too, so it is read beside the behaviour, and a fall means loops.
    """

    measure = Measure("nll", "neither", 0, inf, "nats/token")

    def __init__(self, engine: OfflineEngine) -> None:
        self._engine = engine

    def judge(self, items: Sequence[Judgeable]) -> Iterator[tuple[int, Verdict]]:
        """Yields (index, verdict); the same answer to the same prompt is weighed once."""
        asked: dict[Forced, list[int]] = {}
        for index, item in enumerate(items):
            if item.answer.token_ids:
                asked.setdefault((item.messages, item.answer.token_ids), []).append(index)
            else:
                yield index, Verdict(None, "the answer has no tokens")
        forced = list(asked)
        given = [Given(messages, tokens) for messages, tokens in forced]
        for at, weighed in self._engine.weigh(given):
            for index in asked[forced[at]]:
                yield index, _finite(-fmean(weighed.logprobs))


class DivergenceJudge:
    """`Judge` by how far a dose moves the model's next-token distributions.

    The model is shown the unsteered answer under the dose and without it, and the judge's value is
    the mean over its tokens of KL(unsteered || steered), from below (`divergence.py`). So it tells
    of the dose at that prompt, not of the steered answer, which soon goes its own way.
    """

    measure = Measure("kl", "lower", 0, inf, "nats/token")

    def __init__(self, engine: OfflineEngine, top: int = TOP) -> None:
        self._engine, self._top = engine, top

    def judge(self, items: Sequence[Judgeable]) -> Iterator[tuple[int, Verdict]]:
        """Yields (index, verdict); the same prompt under the same dose is weighed once."""
        under_dose: dict[Given, list[int]] = {}
        for index, item in enumerate(items):
            base = item.baseline
            if base is None:
                yield index, Verdict(None, "there is no unsteered answer to the same prompt")
            elif not base.token_ids:
                yield index, Verdict(None, "the unsteered answer has no tokens")
            elif not item.dose.terms:
                yield index, Verdict(0.0, "unsteered")
            else:
                given = Given(item.messages, base.token_ids, item.dose, self._top)
                under_dose.setdefault(given, []).append(index)
        steered = list(under_dose)
        plain = self._unsteered(steered)
        for at, weighed in self._engine.weigh(steered):
            unsteered = plain[steered[at].messages, steered[at].answer]
            verdict = _divergence(unsteered.top, weighed.top)
            for index in under_dose[steered[at]]:
                yield index, verdict

    def _unsteered(self, steered: Sequence[Given]) -> dict[Forced, Weighed]:
        forced = list(dict.fromkeys((given.messages, given.answer) for given in steered))
        asked = [Given(messages, answer, UNSTEERED, self._top) for messages, answer in forced]
        return {forced[at]: weighed for at, weighed in self._engine.weigh(asked)}


def _divergence(unsteered: Sequence[TopLogprobs], steered: Sequence[TopLogprobs]) -> Verdict:
    # NOTE: max() would make a bound of 0 of what is no number.
    if any(isnan(value) for at in (*unsteered, *steered) for value in at.values()):
        return _finite(nan)
    return _finite(fmean(map(kl_lower_bound, unsteered, steered)))


def _finite(value: float) -> Verdict:
    """Returns the verdict; a model that a dose has broken may give no numbers."""
    if isfinite(value):
        return Verdict(value)
    return Verdict(None, "the model's log-probabilities there are no numbers")
