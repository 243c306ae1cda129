"""What was found in sampled answers, as counters and histograms at `/metrics`; never their text."""

from __future__ import annotations

from steersman_vectors.quality.judgement import Judgement

from ..monitor.bounded import Bounded
from ..monitor.catalogue import (
    ANSWER_TOKENS,
    ANSWERS,
    FINDINGS,
    NLL,
    NLL_MOVED,
    NLL_RISE,
    STEERED,
    VARIANT_ANSWERS,
    VARIANT_NLL,
    VARIANT_TOKENS,
    VECTOR_ANSWERS,
    VERDICTS,
)
from ..monitor.metrics import DecisionMetrics, sign_of
from .baseline import Baselines
from .observed import Observed


class QualityMetrics:
    """Counts judged answers, and knows what each tenant's unsteered ones are like."""

    def __init__(self, names: DecisionMetrics) -> None:
        """names: knows which tenants, vectors and flags have a label of their own."""
        flag, variant = names.flags, names.variants
        self._answers = Bounded(ANSWERS, names.tenants, STEERED, VERDICTS)
        self._by_vector = Bounded(VECTOR_ANSWERS, names.vectors, names.versions, VERDICTS)
        self._by_variant = Bounded(VARIANT_ANSWERS, flag, variant, VERDICTS)
        self._variant_tokens = Bounded(VARIANT_TOKENS, flag, variant)
        self._variant_nll = Bounded(VARIANT_NLL, flag, variant)
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
            if vector.alpha != 0.0:  # what adds nothing has no part in the answer, nor in the plan
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
        nll = max(0.0, -logprob)  # a log-probability may round to above 0
        NLL.labels(steered).observe(nll)
        for labels in variants:
            self._variant_nll.of(*labels).observe(nll)
        if decision.plan is None:
            self._baselines.note(decision.tenant, nll)
        elif (baseline := self._baselines.of(decision.tenant)) is not None:
            NLL_RISE.observe(nll - baseline)
            NLL_MOVED.labels(sign_of(nll - baseline)).inc(abs(nll - baseline))
