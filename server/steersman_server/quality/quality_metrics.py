"""What was found in sampled answers, as counters and histograms at `/metrics`; never their text."""

from __future__ import annotations

from collections.abc import Callable

from steersman_vectors.quality.judgement import Judgement

from ..monitor.catalogue import (
    ANSWER_TOKENS,
    ANSWERS,
    FINDINGS,
    LOGPROB,
    LOGPROB_FALL,
    VARIANT_ANSWERS,
    VARIANT_LOGPROB,
    VARIANT_TOKENS,
    VECTOR_ANSWERS,
)
from .baseline import Baselines
from .observed import Observed


class QualityMetrics:
    """Counts judged answers, and knows what each tenant's unsteered ones are like."""

    def __init__(self, tenant_label: Callable[[str], str]) -> None:
        self._tenant_label = tenant_label
        self._baselines = Baselines()

    def judged(self, observed: Observed, judgement: Judgement) -> None:
        """Counts one answer."""
        decision = observed.decision
        steered = "no" if decision.plan is None else "yes"
        verdict = "degenerate" if judgement.degenerate else "fine"
        ANSWERS.labels(self._tenant_label(decision.tenant), steered, verdict).inc()
        for finding in judgement.findings:
            FINDINGS.labels(steered, finding).inc()
        for vector in decision.applied:
            VECTOR_ANSWERS.labels(vector.name, str(vector.version), verdict).inc()
        for flag in decision.flags:
            VARIANT_ANSWERS.labels(flag.flag, flag.variant or "none", verdict).inc()
        self._measured(observed, steered)

    def _measured(self, observed: Observed, steered: str) -> None:
        decision, logprob = observed.decision, observed.mean_logprob
        variants = [(flag.flag, flag.variant or "none") for flag in decision.flags]
        if observed.finish_reason is not None:  # the length of what was cut short says nothing
            ANSWER_TOKENS.labels(steered).observe(observed.tokens)
            for labels in variants:
                VARIANT_TOKENS.labels(*labels).observe(observed.tokens)
        if logprob is None:
            return
        LOGPROB.labels(steered).observe(logprob)
        for labels in variants:
            VARIANT_LOGPROB.labels(*labels).observe(logprob)
        if decision.plan is None:
            self._baselines.note(decision.tenant, logprob)
        elif (baseline := self._baselines.of(decision.tenant)) is not None:
            LOGPROB_FALL.observe(baseline - logprob)
