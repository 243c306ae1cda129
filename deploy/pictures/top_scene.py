"""A busy minute as a server would tell it: prints what its routes answer at three moments, as JSON.

Run in a process of its own, as the catalogue's metrics are the process's. Their values are made
up; names, labels and buckets are the real ones. The page of `steersman top` shows this scene.
"""

from __future__ import annotations

import json
import random
import time
from typing import Any

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest

from steersman_server.monitor import catalogue as c

MOMENTS_S = (0, 59, 60)
FINGERPRINT = "sha256:9f1c27d48ab05e6613d0c2b7f45a8e9b7711d5e2c0f4a6b83e2d1907c5f6a4b8"
VLLM = ["engine", "model_name"]
RUNNING = Gauge("vllm:num_requests_running", "Running.", VLLM)
WAITING = Gauge("vllm:num_requests_waiting", "Waiting.", VLLM)
KV_CACHE = Gauge("vllm:kv_cache_usage_perc", "1 is all.", VLLM)
GENERATED = Counter("vllm:generation_tokens", "Tokens.", VLLM)
PROMPTED = Counter("vllm:prompt_tokens", "Tokens.", VLLM)
BETWEEN_TOKENS = Histogram(
    "vllm:inter_token_latency_seconds", "Seconds.", VLLM,
    buckets=[0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0],
)  # fmt: skip
VARIANTS = {"empathy-dose": ("low", "strong"), "steering": ("on",)}
TENANTS = {
    # requests a second, share steered, why not, vectors by usual alpha, degenerate share
    "acme-support": (9.0, 0.86, "default", {"empathy": 0.5, "concise": 0.3}, 0.004),
    "northwind": (5.5, 0.71, "policy:off-hours", {"empathy": 0.4}, 0.01),
    "contoso-bank": (3.2, 0.35, "flag_off", {"formal": 0.6}, 0.0),
    "globex": (1.6, 0.97, "default", {"playful": 1.5}, 0.13),
    "initech": (0.7, 0.5, "safety_override", {"concise": 0.6}, 0.0),
    "local": (0.3, 0.0, "default", {}, 0.0),
}
INTENTS = {"billing": 0.31, "shipping": 0.22, "complaint": 0.18, "smalltalk": 0.09, "none": 0.2}


def advance(seconds: int, dice: random.Random) -> None:
    """Lets so many seconds of traffic pass."""
    for _ in range(seconds):
        for tenant in TENANTS:
            _second(tenant, dice)
        c.STEPS.labels("0", "settled").inc(41)
        c.STEPS.labels("0", "routed").inc(13)
        c.STEP_SECONDS.labels("0").inc(0.0021 + 0.0004 * dice.random())
        labels = ("0", "demo")
        GENERATED.labels(*labels).inc(dice.randint(1050, 1290))
        PROMPTED.labels(*labels).inc(dice.randint(4100, 5300))
        for _ in range(20):
            BETWEEN_TOKENS.labels(*labels).observe(dice.lognormvariate(-4.2, 0.35))


def _second(tenant: str, dice: random.Random) -> None:
    rate, steered_share, why, vectors, degenerate = TENANTS[tenant]
    for _ in range(int(rate + dice.random())):
        c.ADMISSION.observe(dice.lognormvariate(-8.1, 0.6))
        if tenant == "globex" and dice.random() < 0.08:
            c.REQUESTS.labels(tenant, "none", "refused").inc()
            code = dice.choice(["alpha_out_of_range", "alpha_out_of_range", "steering_not_allowed"])
            c.REFUSALS.labels(code).inc()
            continue
        steered = dice.random() < steered_share
        _count(tenant, steered, why, vectors, dice)
        if dice.random() < 0.3:
            bad = dice.random() < (degenerate if steered else 0.002)
            verdict = "degenerate" if bad else "fine"
            c.ANSWERS.labels(tenant, "yes" if steered else "no", verdict).inc()
            if steered:
                for vector in vectors:
                    c.VECTOR_ANSWERS.labels(vector, "2", verdict).inc()


def _count(
    tenant: str, steered: bool, why: str, vectors: dict[str, float], dice: random.Random
) -> None:
    reason = f"policy:{tenant}" if steered else why
    c.REQUESTS.labels(tenant, reason, "steered" if steered else "unsteered").inc()
    c.INTENTS.labels(dice.choices(list(INTENTS), list(INTENTS.values()))[0]).inc()
    if not steered and why == "safety_override":
        c.SAFETY.labels(tenant).inc()
    for vector, usual in vectors.items() if steered else ():
        c.APPLIED.labels(vector, "3" if vector == "empathy" else "2", "none").inc()
        c.ALPHA.labels(vector).observe(max(usual * dice.choice([0.5, 1, 1, 1, 1.6]), 0.05))
    if tenant == "northwind":
        variant = dice.choice(VARIANTS["empathy-dose"])
        c.VARIANTS.labels("empathy-dose", variant).inc()
        verdict = "degenerate" if variant == "strong" and dice.random() < 0.03 else "fine"
        c.VARIANT_ANSWERS.labels("empathy-dose", variant, verdict).inc()
    if tenant == "contoso-bank":
        c.VARIANTS.labels("steering", "off" if dice.random() < 0.6 else "on").inc()


def stand() -> None:
    """Sets what is so all the time."""
    c.INFO.labels("1.0.0", "0.32.0", "demo", FINGERPRINT[:19]).set(1)
    c.REVISION.set(418)
    c.AGE.set(0.42)
    c.STALE.set(0)
    c.KILLED.set(0)
    c.SELF_TEST.set(1)
    c.WORKERS.set(1)
    c.ROWS.labels("0").set(64)
    c.ROWS_IN_USE.labels("0").set(11)
    c.BACKED_OFF.set(1)
    RUNNING.labels("0", "demo").set(23)
    WAITING.labels("0", "demo").set(2)
    KV_CACHE.labels("0", "demo").set(0.37)


def answers() -> dict[str, Any]:
    """Returns what the three routes answer now."""
    processes = [{"pid": pid, "revision": 418, "age_s": 0.4, "error": None} for pid in (71, 72)]
    return {
        "metrics": generate_latest(REGISTRY).decode(),
        "health": {
            "status": "ok", "fingerprint": FINGERPRINT, "assistant_scope": True,
            "registry": {"revision": 418, "age_s": 0.42, "error": None},
            "processes": processes, "self_test": {"status": "passed", "seconds": 2.1},
            "workers": [{"enabled": True}],
        },
        "backoff": {
            "revision": 418,
            "backoffs": [
                {"tenant": "globex", "scale": 0.5, "policy": None, "evidence": None},
                {"tenant": "acme-support", "scale": 1.0, "policy": None, "evidence": None},
            ],
        },
    }  # fmt: skip


def main() -> None:
    """Prints the moments."""
    dice, told, at = random.Random(6), [], 0
    stand()
    advance(300, dice)  # of before
    for moment in MOMENTS_S:
        advance(moment - at, dice)
        told.append({"at": moment, "unix": time.time(), **answers()})
        at = moment
    print(json.dumps(told))


if __name__ == "__main__":
    main()
