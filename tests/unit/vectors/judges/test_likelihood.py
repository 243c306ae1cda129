"""KL from below against the exact one, on any distributions and on a real model; likelihood."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.judges.contract import Judgeable
from steersman_vectors.judges.divergence import kl, kl_lower_bound
from steersman_vectors.judges.likelihood import DivergenceJudge, SurprisalJudge
from steersman_vectors.message import Message
from steersman_vectors.sweep.contract import Answer, Dose
from tests.tiny_model import HIDDEN, build_tiny_llama

from .answers import judged
from .tiny_engine import TinyEngine

LOGITS = st.integers(2, 12).flatmap(
    lambda n: st.tuples(*[st.lists(st.floats(-12, 12), min_size=n, max_size=n)] * 2)
)
ROUNDING = 1e-5
"""Of log-probabilities in fp32 and of mass that is taken for none."""


def logprobs_of(logits: list[float]) -> dict[int, float]:
    values = np.asarray(logits)
    values = values - values.max()
    return dict(enumerate((values - math.log(np.exp(values).sum())).tolist()))


def top(logprobs: dict[int, float], k: int) -> dict[int, float]:
    return dict(sorted(logprobs.items(), key=lambda each: -each[1])[:k])


@given(LOGITS, st.integers(0, 12))
def test_the_bound_is_never_above_the_divergence_and_is_it_for_the_whole_vocabulary(
    logits: tuple[list[float], list[float]], k: int
) -> None:
    p, q = map(logprobs_of, logits)
    exact = kl(p, q)
    bound = kl_lower_bound(top(p, k), top(q, k))
    assert 0 <= bound <= exact + ROUNDING
    assert kl_lower_bound(p, q) == pytest.approx(exact, abs=ROUNDING * 12)


def test_tops_that_share_nothing_are_seen_to_be_far_apart() -> None:
    """Without the bound on what q leaves to p's tokens this would be 0."""
    p = logprobs_of([10.0] * 5 + [0.0] * 95)
    q = logprobs_of([0.0] * 95 + [10.0] * 5)
    bound = kl_lower_bound(top(p, 5), top(q, 5))
    assert kl(p, q) == pytest.approx(9.96, abs=0.1)
    assert bound > 1.0


def test_rounding_is_no_divergence() -> None:
    p = logprobs_of([1.0, 2.0, 3.0])
    rounded = {token: float(np.float32(value)) for token, value in p.items()}
    assert kl_lower_bound(p, rounded) < ROUNDING
    assert kl_lower_bound({0: 0.0}, {0: 1e-7}) == 0.0


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> TinyEngine:
    engine = TinyEngine(build_tiny_llama(tmp_path_factory.mktemp("tiny")))
    direction = torch.randn(HIDDEN, generator=torch.Generator().manual_seed(1))
    engine.vectors["sha256:v"] = {1: direction / direction.norm(), 2: direction / direction.norm()}
    return engine


def an_item(engine: TinyEngine, prompt: str, answer: str, alpha: float = 0.0) -> Judgeable:
    ids = tuple(engine.tokenizer(answer)["input_ids"])
    given = Answer(answer, "stop", ids, (-1.0,) * len(ids))
    dose = Dose((("sha256:v", alpha),)) if alpha else Dose()
    return Judgeable((Message("user", prompt),), given, dose, baseline=given)


PROMPTS = ["Where is my order?", "Please help me today."]
ANSWERS = ["Delivery takes three working days.", "Sorry"]


def items_at(engine: TinyEngine, alpha: float) -> list[Judgeable]:
    return [an_item(engine, prompt, answer, alpha) for prompt in PROMPTS for answer in ANSWERS]


def test_nll_is_the_models_own_loss(engine: TinyEngine) -> None:
    items = items_at(engine, 5.0)
    nothing = replace(items[0], answer=Answer("", "stop", (), ()))
    before = engine.weighed
    *verdicts, none = judged(SurprisalJudge(engine), *items, *items, nothing)
    assert engine.weighed - before == 4, "the same answer is weighed once"
    assert none.value is None
    for item, verdict in zip(items * 2, verdicts, strict=True):
        prompt = engine.prompt_ids(item.messages)
        ids = torch.tensor([[*prompt, *item.answer.token_ids]])
        labels = ids.clone()
        labels[:, : len(prompt)] = -100
        with torch.no_grad():
            loss = float(engine.model(ids, labels=labels).loss)
        assert verdict.value == pytest.approx(loss, rel=1e-4), "under the unsteered model"


def exact_kl(engine: TinyEngine, item: Judgeable) -> float:
    assert item.baseline is not None
    prompt = engine.prompt_ids(item.messages)
    ids = [*prompt, *item.baseline.token_ids]
    plain = engine.logprobs(ids, Dose(), len(prompt))[len(prompt) - 1 : -1]
    steered = engine.logprobs(ids, item.dose, len(prompt))[len(prompt) - 1 : -1]
    return float((plain.exp() * (plain - steered)).sum(-1).mean())


@pytest.mark.parametrize("alpha", [0.5, 4.0, 40.0])
def test_kl_on_a_model_is_exact_with_the_whole_vocabulary_and_below_it_else(
    engine: TinyEngine, alpha: float
) -> None:
    items = items_at(engine, alpha)
    exact = [exact_kl(engine, item) for item in items]
    whole = [each.value for each in judged(DivergenceJudge(engine, top=320), *items)]
    assert whole == pytest.approx(exact, rel=1e-4, abs=1e-4)
    before = 0.0
    for k in (1, 20, 100):
        bounds = [each.value or 0.0 for each in judged(DivergenceJudge(engine, top=k), *items)]
        assert all(b <= e + ROUNDING for b, e in zip(bounds, exact, strict=True))
        assert sum(bounds) > before, "more of the top says more here"
        before = sum(bounds)
    assert before > 0.5 * sum(exact)


def test_kl_of_what_cannot_differ_or_be_compared(engine: TinyEngine) -> None:
    plain = an_item(engine, PROMPTS[0], ANSWERS[0])
    alone = replace(an_item(engine, PROMPTS[0], ANSWERS[0], 2.0), baseline=None)
    empty = replace(alone, baseline=Answer("", "stop", (), ()))
    before = engine.weighed
    verdicts = judged(DivergenceJudge(engine), plain, alone, empty)
    assert [each.value for each in verdicts] == [0.0, None, None]
    assert engine.weighed == before
    twice = an_item(engine, PROMPTS[0], ANSWERS[0], 2.0)
    other = replace(twice, answer=Answer("x", "stop", (5,), (-1.0,)))
    judged(DivergenceJudge(engine), twice, other)
    assert engine.weighed == before + 2, "one unsteered and one steered pass for both"


def test_a_model_that_a_dose_has_broken_has_no_divergence_rather_than_none(
    engine: TinyEngine,
) -> None:
    broken = an_item(engine, PROMPTS[0], ANSWERS[0], math.nan)
    (kl_verdict,) = judged(DivergenceJudge(engine), broken)
    assert kl_verdict.value is None
    assert "no numbers" in kl_verdict.why


def test_read_outs_are_projections_between_the_classes(engine: TinyEngine, tmp_path: Path) -> None:
    from steersman_vectors.errors import CallerError
    from steersman_vectors.extract.contract import Read
    from steersman_vectors.judges.readout import ReadOutJudge, fit_read_out

    warm = ["Sorry, please thank you", "hello thanks yes please", "Please help, sorry"]
    cold = ["invoice of 12 May", "password 49 euros", "nobody answers the phone"]
    items = {text: an_item(engine, PROMPTS[0], text) for text in warm + cold}

    def state(text: str) -> np.ndarray:
        prompt = engine.prompt_ids(items[text].messages)
        ids = (*prompt, *items[text].answer.token_ids)
        ((_, states),) = engine.read([Read(ids, ((len(prompt), len(ids)),))])
        return states.mean[0, 2]

    positive, negative = (np.stack([state(text) for text in texts]) for texts in (warm, cold))
    direction = positive.mean(0) - negative.mean(0)
    read_out = fit_read_out(2, direction, positive, negative)
    assert read_out.value(positive.mean(0)) == pytest.approx(1, abs=1e-5)
    assert read_out.value(negative.mean(0)) == pytest.approx(-1, abs=1e-5)
    longer = fit_read_out(2, 7 * direction, positive, negative)
    judge = ReadOutJudge(read_out, engine, engine.prompt_ids, end_tokens=frozenset({1}))
    ended = replace(items[warm[0]], answer=replace(
        items[warm[0]].answer, token_ids=(*items[warm[0]].answer.token_ids, 1)
    ))  # fmt: skip
    empty = replace(ended, answer=Answer("", "stop", (1,), (-1.0,)))
    *verdicts, with_end, none = judged(judge, *items.values(), ended, empty)
    for text, verdict in zip(items, verdicts, strict=True):
        assert verdict.value == pytest.approx(read_out.value(state(text)), abs=1e-5)
        assert longer.value(state(text)) == pytest.approx(verdict.value, abs=1e-4)
    assert np.mean([each.value for each in verdicts[:3]]) == pytest.approx(1, abs=1e-4)
    assert with_end.value == verdicts[0].value
    assert none.value is None
    for layer, along, left, right in [
        (2, -direction, positive, negative), (2, direction, positive, positive),
        (2, direction, positive[:0], negative),
    ]:  # fmt: skip
        with pytest.raises(CallerError) as refused:
            fit_read_out(layer, along, left, right)
        assert refused.value.code == "read_out_unusable"
    for bad in (replace(read_out, layer=9), replace(read_out, direction=direction[:5])):
        with pytest.raises(CallerError, match="layer"):
            ReadOutJudge(bad, engine, engine.prompt_ids)
