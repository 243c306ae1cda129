"""The judging thread: everything taken is judged once, and what does not fit is counted."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from steersman_server.admission.decision import AppliedVector
from steersman_server.monitor.catalogue import (
    ANSWERS,
    FINDINGS,
    NLL,
    NLL_MOVED,
    NLL_RISE,
    SKIPPED,
    VARIANT_ANSWERS,
    VECTOR_ANSWERS,
)
from steersman_server.monitor.metrics import DecisionMetrics
from steersman_server.quality import judging as module
from steersman_server.quality.baseline import NEEDED
from steersman_server.quality.judging import Judging
from steersman_server.quality.quality_metrics import QualityMetrics
from steersman_vectors.plan import SteeringPlan
from tests.unit.server.quality.samples import STEERED, observed

LOOP = "I am so sorry. " + "very " * 30


def value(metric, *labels):
    return metric.labels(*labels)._value.get()


def test_all_that_is_taken_is_judged_in_order():
    told = []
    judging = Judging(lambda o, j: told.append((o.request_id, j.degenerate)))
    for number in range(50):
        judging.take(observed(request_id=str(number), text=LOOP if number % 2 else "Fine."))
    judging.close()
    assert told == [(str(number), number % 2 == 1) for number in range(50)]


def test_what_does_not_fit_is_counted(monkeypatch):
    going_on, judged = threading.Event(), []

    def slow(o, j):
        going_on.wait(30)
        judged.append(o)

    monkeypatch.setattr(module, "MAX_WAITING_CHARS", 1000)
    before = value(SKIPPED, "busy")
    judging = Judging(slow)
    for _ in range(30):
        judging.take(observed(text="x" * 100))
    assert value(SKIPPED, "busy") == before + 20
    going_on.set()
    judging.close()
    assert len(judged) == 10
    monkeypatch.setattr(module, "MAX_WAITING", 0)
    judging.take(observed())
    assert value(SKIPPED, "busy") == before + 21


def test_the_thread_outlives_a_hook_that_fails_and_tells_no_text():
    def fails(o, j):
        raise ValueError(o.text)

    told, before = [], value(SKIPPED, "error")
    with structlog.testing.capture_logs() as logs:
        judging = Judging(lambda o, j: told.append(o), fails)
        for _ in range(3):
            judging.take(observed(text="my secret"))
        judging.close()
    assert len(told) == 3
    assert value(SKIPPED, "error") == before + 3
    assert len(logs) == 1
    assert "my secret" not in str(logs)


@pytest.fixture
def metrics():
    return QualityMetrics(DecisionMetrics())


def judged(metrics, **changes):
    judging = Judging(metrics.judged)
    judging.take(observed(**changes))
    judging.close()


def test_what_is_counted(metrics):
    before = value(FINDINGS, "yes", "repetition")
    steered = value(ANSWERS, "acme", "yes", "degenerate")
    unsteered = value(ANSWERS, "acme", "no", "fine")
    by_vector = value(VECTOR_ANSWERS, "empathy", "3", "degenerate")
    judged(metrics, decision=STEERED, text=LOOP)
    judged(metrics)
    assert value(ANSWERS, "acme", "yes", "degenerate") == steered + 1
    assert value(ANSWERS, "acme", "no", "fine") == unsteered + 1
    assert value(FINDINGS, "yes", "repetition") == before + 1
    assert value(VECTOR_ANSWERS, "empathy", "3", "degenerate") == by_vector + 1
    assert value(VARIANT_ANSWERS, "tone", "warm", "degenerate") >= 1


@pytest.mark.parametrize("alphas", [(0.0,), (0.0, 1.0), (0.0, -1e-3), (1.0, 0.5)])
def test_a_vector_at_alpha_0_has_no_part_in_the_answer(metrics, alphas):
    applied = tuple(
        AppliedVector(f"part{i}", 1, alpha, "sha256:" + f"{i}" * 64)
        for i, alpha in enumerate(alphas)
    )
    plan = SteeringPlan(terms=tuple((v.digest, v.alpha) for v in applied), scope="all")
    steers = {digest for digest, _ in plan.terms}  # what the engine is told
    decision = replace(STEERED, plan=plan if plan.terms else None, applied=applied)

    def counts():
        return [value(VECTOR_ANSWERS, v.name, "1", "fine") for v in applied]

    before = counts()
    judged(metrics, decision=decision)
    more = [now - then for now, then in zip(counts(), before, strict=True)]
    assert more == [float(v.digest in steers) for v in applied]


def rises() -> tuple[float, float, float]:
    """Returns how many there were, and what those above and below 0 add up to."""
    (rise,) = NLL_RISE.collect()
    (seen,) = (s.value for s in rise.samples if s.name.endswith("_count"))
    return seen, value(NLL_MOVED, "positive"), value(NLL_MOVED, "negative")


def test_the_rise_is_over_the_tenants_own_unsteered_answers(metrics):
    seen, up, down = rises()
    for _ in range(NEEDED - 1):
        metrics.judged(observed(mean_logprob=-0.5), module.judge("", "a", "stop"))
    judged(metrics, decision=STEERED, mean_logprob=-2.0)
    assert rises() == (seen, up, down)  # no baseline yet
    judged(metrics, mean_logprob=-0.5)
    judged(metrics, decision=STEERED, mean_logprob=-2.0)
    judged(metrics, decision=STEERED, mean_logprob=-0.25)
    assert rises() == pytest.approx((seen + 2, up + 1.5, down + 0.25))


@given(st.lists(st.floats(-20, 0), min_size=1, max_size=30))
def test_means_come_of_sums_and_counts(logprobs):
    """The mean of what was judged, of both histograms, as PromQL works it out."""
    metrics = QualityMetrics(DecisionMetrics())
    fine = module.judge("", "a", "stop")
    baseline = 0.5
    for _ in range(NEEDED):
        metrics.judged(observed(mean_logprob=-baseline), fine)
    before, total = rises(), value_of_sum(NLL, "yes")
    for logprob in logprobs:
        metrics.judged(observed(decision=STEERED, mean_logprob=logprob), fine)
    seen, up, down = (now - then for now, then in zip(rises(), before, strict=True))
    mean = -sum(logprobs) / len(logprobs)
    assert seen == len(logprobs)
    assert (up - down) / seen == pytest.approx(mean - baseline, abs=1e-6)
    assert (value_of_sum(NLL, "yes") - total) / seen == pytest.approx(mean, abs=1e-6)


def value_of_sum(metric, *labels) -> float:
    return metric.labels(*labels)._sum.get()
