"""Every metric that the server exposes at `/metrics`, beside vLLM's own.

`docs/metrics.md` is made of this list (`make metrics-page`), and a test compares both with what a
running server shows. Base units; counters end in `_total` on the wire. Tenants are labels of
counters only. With several API processes a gauge says how theirs are put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

from prometheus_client import Counter, Gauge, Histogram

from steersman_vectors.quality.judgement import Finding

from . import codes

Kind = Literal["counter", "gauge", "histogram"]
Together = Literal["livesum", "livemax", "livemin", "mostrecent"]


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric, as the page tells it."""

    group: str
    name: str
    """As Prometheus stores it: counters with `_total`."""
    kind: Kind
    help: str
    labels: tuple[str, ...]


CATALOGUE: list[Declared] = []


def _counter(
    group: str, name: str, help_: str, *labels: str, values: Sequence[Sequence[str]] = ()
) -> Counter:
    """values: all there are of each label, where they are a closed set: these begin at 0."""
    CATALOGUE.append(Declared(group, f"{name}_total", "counter", help_, labels))
    counter = Counter(name, help_, labels)
    for each in product(*values) if values else ():
        counter.labels(*each)
    return counter


def _gauge(group: str, name: str, help_: str, *labels: str, together: Together) -> Gauge:
    CATALOGUE.append(Declared(group, name, "gauge", help_, labels))
    return Gauge(name, help_, labels, multiprocess_mode=together)


def _histogram(
    group: str, name: str, help_: str, *labels: str, buckets: Sequence[float]
) -> Histogram:
    CATALOGUE.append(Declared(group, name, "histogram", help_, labels))
    return Histogram(name, help_, labels, buckets=tuple(buckets))


def _seconds(low: float, high: float) -> list[float]:
    """Returns bounds 1, 2.5, 5 of each decade from `low` to `high`."""
    bounds = [m * 10.0**e for e in range(-6, 3) for m in (1.0, 2.5, 5.0)]
    return [round(b, 9) for b in bounds if low <= b <= high]


DECISIONS = "Decisions"
REQUESTS = _counter(
    DECISIONS, "steering_requests",
    "Requests that admission decided about. outcome: steered, unsteered, refused; failed, where "
    "vLLM then answered with an error. What was applied is counted of the first two.",
    "tenant", "reason", "outcome",
)  # fmt: skip
REFUSALS = _counter(
    DECISIONS, "steering_refusals", "Requests refused by admission.", "code",
    values=[codes.ADMISSION],
)  # fmt: skip
TURNED_AWAY = _counter(
    DECISIONS, "steering_access_refusals",
    "Requests turned away before anything was decided: keys that are wrong, revoked or expired, "
    "routes that are closed, bodies that are too large.", "code", values=[codes.ACCESS],
)  # fmt: skip
FALLBACKS = _counter(
    DECISIONS, "steering_fallbacks",
    "Requests served unsteered because a tenant's own steering could not be had.", "code",
    values=[codes.ADMISSION],
)  # fmt: skip
APPLIED = _counter(
    DECISIONS, "steering_applied",
    "Vectors applied to requests. preset: `none` where a number was given.",
    "vector", "version", "preset",
)  # fmt: skip
ALPHA = _histogram(
    DECISIONS, "steering_alpha",
    "Alpha of vectors applied to requests. Without a sum: `steering_alpha_added_total` is it.",
    "vector",
    buckets=[-4, -2, -1, -0.5, -0.25, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 4, 8, 16],
)  # fmt: skip
ALPHA_ADDED = _counter(
    DECISIONS, "steering_alpha_added",
    "Alphas of vectors applied to requests, added up without their sign. sign: positive, "
    "negative. Mean alpha: positive less negative, over `steering_alpha_count`.",
    "vector", "sign",
)  # fmt: skip
INTENTS = _counter(
    DECISIONS, "steering_intents", "Classified user turns; `none` where it abstained.", "intent"
)
SAFETY = _counter(
    DECISIONS, "steering_safety_overrides", "Requests served unsteered for a safety intent.",
    "tenant",
)  # fmt: skip
VARIANTS = _counter(
    DECISIONS, "steering_flag_variants", "Requests in which a flag's variant had a say.",
    "flag", "variant",
)  # fmt: skip
ADMISSION = _histogram(
    DECISIONS, "steering_admission_seconds",
    "Time that a request waits for its decision: intent, rules, limits, residency.",
    buckets=_seconds(5e-5, 1.0),
)  # fmt: skip
INTAKE = _histogram(
    DECISIONS, "steering_plan_build_seconds",
    "Time to bind a plan to its prompt: turns found in the token ids, reach checked.",
    buckets=_seconds(1e-5, 0.1),
)  # fmt: skip
DECISIONS_LOST = _counter(
    DECISIONS, "steering_decisions_lost", "Lines of the decision log that were not written."
)

REGISTRY = "Registry"
REVISION = _gauge(
    REGISTRY, "steering_registry_revision",
    "Revision that requests see; of several API processes the oldest.", together="livemin",
)  # fmt: skip
AGE = _gauge(
    REGISTRY, "steering_registry_age_seconds",
    "Since the registry last confirmed that revision; of several processes the longest.",
    together="livemax",
)  # fmt: skip
STALE = _gauge(
    REGISTRY, "steering_registry_stale",
    "1 while the registry is silent and requests are served from the last known state.",
    together="livemax",
)  # fmt: skip
REGISTRY_ERRORS = _counter(
    REGISTRY, "steering_registry_errors", "Failed attempts to follow the registry.", "code",
    values=[codes.REGISTRY],
)  # fmt: skip
KILLED = _gauge(
    REGISTRY, "steering_kill_switch", "1 while the kill switch is on.", together="livemax"
)
MISMATCHED = _gauge(
    REGISTRY, "steering_vectors_mismatched",
    "Vectors that have usable versions, none of them for the base model that is served.",
    together="livemax",
)  # fmt: skip

ENGINE = "Engine"
API_PROCESSES = _gauge(
    ENGINE, "steering_api_processes",
    "API processes of the server. Each follows the registry: divide its errors by them.",
    together="livemax",
)  # fmt: skip
INFO = _gauge(
    ENGINE, "steering_info", "1; what runs.", "version", "vllm", "model", "fingerprint",
    together="mostrecent",
)  # fmt: skip
SELF_TEST = _gauge(
    ENGINE, "steering_self_test_passed",
    "1 while every steered layer of every worker has its hook, as the boot self-test saw it; "
    "0 once one has lost it.", together="mostrecent",
)  # fmt: skip
SELF_TEST_SECONDS = _gauge(
    ENGINE, "steering_self_test_seconds", "What the boot self-test took.", together="livemax"
)
WORKERS = _gauge(
    ENGINE, "steering_workers", "Workers that answered the last question.", together="mostrecent"
)
RESIDENT = _gauge(
    ENGINE, "steering_resident_vectors", "Vectors held in a worker's host memory.", "worker",
    together="mostrecent",
)  # fmt: skip
RESIDENT_BYTES = _gauge(
    ENGINE, "steering_resident_bytes", "What they take.", "worker", together="mostrecent"
)
ROWS = _gauge(
    ENGINE, "steering_rows", "Rows for distinct plans in a worker's device memory.", "worker",
    together="mostrecent",
)  # fmt: skip
ROWS_IN_USE = _gauge(
    ENGINE, "steering_rows_in_use",
    "Rows that hold the delta of a request that the worker knows.", "worker",
    together="mostrecent",
)  # fmt: skip
ROWS_HIGH = _gauge(
    ENGINE, "steering_rows_high_water", "Most rows that were ever in use at once.", "worker",
    together="mostrecent",
)  # fmt: skip
TRACKED = _gauge(
    ENGINE, "steering_tracked_requests", "Requests with a plan that a worker knows.", "worker",
    together="mostrecent",
)  # fmt: skip
TOKENS = _counter(
    ENGINE, "steering_tokens", "Token positions computed with a gate that is not 0.", "worker"
)
STEPS = _counter(
    ENGINE, "steering_steps",
    "Engine steps. kind: unsteered; routed; settled, where nothing had to be written.",
    "worker", "kind",
)  # fmt: skip
STEP_SECONDS = _counter(
    ENGINE, "steering_step_host_seconds",
    "Host time that steering took of engine steps, requests that came and went included.",
    "worker",
)  # fmt: skip
LOADS = _counter(ENGINE, "steering_vector_loads", "Vectors made resident.", "worker")
LOAD_SECONDS = _counter(
    ENGINE, "steering_vector_load_seconds", "Time to make vectors resident, beside the steps.",
    "worker",
)  # fmt: skip
TONE_TOKENS = _counter(
    ENGINE, "steering_tone_tokens",
    "Answer tokens that the read-out has measured. steered: yes, by any vector; no.",
    "worker", "vector", "steered",
)  # fmt: skip
TONE_UNITS = _counter(
    ENGINE, "steering_tone_units",
    "Sum over these tokens of (1 + cos) / 2, cos between the residual stream and the vector: "
    "mean cos = 2 * rate(units) / rate(tokens) - 1.",
    "worker", "vector", "steered",
)  # fmt: skip
TONE_READS = _gauge(
    ENGINE, "steering_tone_reads",
    "1 while the read-out measures the vector that its name stands for; 0 while it measures "
    "nothing, for which the log tells the reason.", "vector",
    together="mostrecent",
)  # fmt: skip
ENGINE_ERRORS = _counter(
    ENGINE, "steering_engine_errors", "Questions that the workers did not answer.", "code",
    values=[codes.ENGINE],
)  # fmt: skip

QUALITY = "Quality of sampled answers"
SIGNS = ("positive", "negative")
STEERED = ("yes", "no")
VERDICTS = ("fine", "degenerate")
_NATS = [0.05, 0.1, 0.25, 0.35, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 4, 6, 8]
_RISES = [-1, -0.5, -0.25, -0.1, 0, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5]
_LENGTHS = [1, 4, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192]
ANSWERS = _counter(
    QUALITY, "steering_quality_answers",
    "Sampled answers. steered: yes, no. verdict: fine, degenerate.",
    "tenant", "steered", "verdict",
)  # fmt: skip
FINDINGS = _counter(
    QUALITY, "steering_quality_findings",
    "What was found in sampled answers: repetition, script_switch, language_switch, empty, "
    "truncated, gibberish, refusal. One answer may have several.",
    "steered", "finding", values=[STEERED, get_args(Finding)],
)  # fmt: skip
VECTOR_ANSWERS = _counter(
    QUALITY, "steering_quality_vector_answers", "Sampled steered answers, by applied vector.",
    "vector", "version", "verdict",
)  # fmt: skip
VARIANT_ANSWERS = _counter(
    QUALITY, "steering_quality_variant_answers",
    "Sampled answers, by the variant of a flag that had a say.", "flag", "variant", "verdict",
)  # fmt: skip
NLL = _histogram(
    QUALITY, "steering_quality_nll",
    "Mean negative log-likelihood (nats per token) of an answer under the model that gave it.",
    "steered", buckets=_NATS,
)  # fmt: skip
NLL_RISE = _histogram(
    QUALITY, "steering_quality_nll_rise",
    "By how much (nats per token) a steered answer's mean negative log-likelihood is above the "
    "mean of the same tenant's unsteered answers; below 0 where it is under it. Without a sum: "
    "`steering_quality_nll_moved_total` is it.",
    buckets=_RISES,
)  # fmt: skip
NLL_MOVED = _counter(
    QUALITY, "steering_quality_nll_moved",
    "What the rises of steered answers add up to, in nats per token and without their sign. "
    "sign: positive, negative. Mean rise: positive less negative, over "
    "`steering_quality_nll_rise_count`.",
    "sign", values=[SIGNS],
)  # fmt: skip
ANSWER_TOKENS = _histogram(
    QUALITY, "steering_quality_answer_tokens", "Length of an answer in tokens.", "steered",
    buckets=_LENGTHS,
)  # fmt: skip
VARIANT_TOKENS = _histogram(
    QUALITY, "steering_quality_variant_tokens", "Length of an answer in tokens, by flag variant.",
    "flag", "variant", buckets=_LENGTHS,
)  # fmt: skip
VARIANT_NLL = _histogram(
    QUALITY, "steering_quality_variant_nll",
    "Mean negative log-likelihood (nats per token) of an answer, by flag variant.",
    "flag", "variant", buckets=_NATS,
)  # fmt: skip
PAIRS = _counter(
    QUALITY, "steering_quality_pairs",
    "Sampled steered answers whose request was run a second time, unsteered. Verdicts: fine, "
    "degenerate.", "steered_verdict", "unsteered_verdict", values=[VERDICTS, VERDICTS],
)  # fmt: skip
PAIR_LENGTH_RATIO = _histogram(
    QUALITY, "steering_quality_pair_length_ratio",
    "Tokens of the steered answer of a pair by those of the unsteered one.",
    buckets=[0.1, 0.25, 0.5, 0.67, 0.8, 0.95, 1, 1.05, 1.25, 1.5, 2, 4, 10],
)  # fmt: skip
PAIR_NLL_RISE = _histogram(
    QUALITY, "steering_quality_pair_nll_rise",
    "By how much (nats per token) the mean negative log-likelihood of the steered answer of a pair "
    "is above that of the unsteered one. Without a sum: `steering_quality_pair_nll_moved_total` is "
    "it.",
    buckets=_RISES,
)  # fmt: skip
PAIR_NLL_MOVED = _counter(
    QUALITY, "steering_quality_pair_nll_moved",
    "What these rises add up to, in nats per token and without their sign. sign: positive, "
    "negative.",
    "sign", values=[SIGNS],
)  # fmt: skip
SKIPPED = _counter(
    QUALITY, "steering_quality_skipped",
    "Answers that were sampled and not looked at, and with `shadow_` requests that were not run a "
    "second time. why: busy, error, shadow_busy, shadow_unsuitable, shadow_error.", "why",
    values=[("busy", "error", "shadow_busy", "shadow_unsuitable", "shadow_error")],
)  # fmt: skip
BACKOFFS = _counter(
    QUALITY, "steering_backoffs",
    "Times that a tenant's steering was scaled down or switched off by itself, as the registry "
    "recorded it. action: scaled, off.",
    "tenant", "action",
)  # fmt: skip
BACKED_OFF = _gauge(
    QUALITY, "steering_backed_off_tenants",
    "Tenants whose steering is backed off now, those that the registry does not know of included.",
    together="livemax",
)  # fmt: skip
