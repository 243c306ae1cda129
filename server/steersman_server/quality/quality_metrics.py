"""What was found in sampled answers, as counters and histograms at `/metrics`; never their text."""

from __future__ import annotations

from steersman_vectors.quality.judgement import Judgement

from ..monitor.bounded import Bounded
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
from ..monitor.metrics import DecisionMetrics
from .baseline import Baselines
from .observed import Observed


class QualityMetrics:
    """Counts judged answers, and knows what each tenant's unsteered ones are like."""

    def __init__(self, names: DecisionMetrics) -> None:
        """names: knows which tenants, vectors and flags have a label of their own."""
        flag, variant = names.flags, names.variants
        self._answers = Bounded(ANSWERS, names.tenants, None, None)
        self._by_vector = Bounded(VECTOR_ANSWERS, names.vectors, names.versions, None)
        self._by_variant = Bounded(VARIANT_ANSWERS, flag, variant, None)
        self._variant_tokens = Bounded(VARIANT_TOKENS, flag, variant)
        self._variant_logprob = Bounded(VARIANT_LOGPROB, flag, variant)
        self._baselines = Baselines()

    def judged(self, observed: Observed, judgement: Judgement) -> None:
        """Counts one answer."""
        decision = observed.decision
        steered = "no" if decision.plan is None else "yes"
        verdict = "degenerate" if judgement.degenerate else "fine"
        self._answers.of(decision.tenant, steered, verdict).inc()
        for finding in judgement.findings:
            FINDINGS.labels(steered, finding).inc()
        for vector in decision.applied:
            self._by_vector.of(vector.name, str(vector.version), verdict).inc()
        for flag in decision.flags:
            self._by_variant.of(flag.flag, flag.variant or "none", verdict).inc()
        self._measured(observed, steered)

    def _measured(self, observed: Observed, steered: str) -> None:
        decision, logprob = observed.decision, observed.mean_logprob
        variants = [(flag.flag, flag.variant or "none") for flag in decision.flags]
        if observed.finish_reason is not None:  # the length of what was cut short says nothing
            ANSWER_TOKENS.labels(steered).observe(observed.tokens)
            for labels in variants:
                self._variant_tokens.of(*labels).observe(observed.tokens)
        if logprob is None:
            return
        LOGPROB.labels(steered).observe(logprob)
        for labels in variants:
            self._variant_logprob.of(*labels).observe(logprob)
        if decision.plan is None:
            self._baselines.note(decision.tenant, logprob)
        elif (baseline := self._baselines.of(decision.tenant)) is not None:
            LOGPROB_FALL.observe(baseline - logprob)
