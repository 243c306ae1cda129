"""From samples to a frame. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import names
from .frame import Frame, Load, Server, Share, Tenant, Variant, Vector
from .growth import Growth, mean, quantile
from .sample import Sample

DEGENERATE = "degenerate"


def compare(before: Sample, now: Sample, oldest: Sample | None = None) -> Frame:
    """Returns what happened from `before` to `now`.

    oldest: where the window begins that shares, quantiles and the order of rows are of, so that
    they mean something when the interval is short; `before` where it is not given.
    """
    live, window = Growth(before, now), Growth(oldest or before, now)
    return Frame(
        unix=now.unix,
        seconds=live.seconds,
        window_s=window.seconds,
        server=_server(now),
        load=_load(live, window),
        tenants=_tenants(live, window),
        vectors=_vectors(live, window),
        intents=_shares(names.INTENTS, "intent", live, window),
        safety=window.total(names.SAFETY),
        variants=_variants(live, window),
        refusals=_shares(names.REFUSALS, "code", live, window),
    )


def _server(now: Sample) -> Server:
    info = _info(now)
    health, registry = now.health, now.health.get("registry")
    registry = registry if isinstance(registry, Mapping) else {}
    processes = health.get("processes")
    failed = health.get("status") == "failed"
    started = _least(now, names.STARTED)
    revision = _least(now, names.REVISION)
    age = _most(now, names.AGE)
    backed_off = _most(now, names.BACKED_OFF)
    if backed_off is None and now.scales is not None:
        backed_off = float(len(now.scales))
    return Server(
        model=info.get("model") or _label(now, names.RUNNING, "model_name"),
        fingerprint=_text(health.get("fingerprint")) or info.get("fingerprint"),
        version=info.get("version"),
        vllm=info.get("vllm"),
        uptime_s=None if started is None else max(now.unix - started, 0.0),
        processes=len(processes) if isinstance(processes, list) and processes else None,
        workers=_whole(_most(now, names.WORKERS), _length(health.get("workers"))),
        workers_error=(_text(health.get("message")) or "unknown") if failed else None,
        revision=_whole(revision, registry.get("revision")),
        registry_age_s=age if age is not None else _number(registry.get("age_s")),
        stale=_flag(_most(now, names.STALE), None if failed else health.get("status"), "degraded"),
        registry_error=_text(registry.get("error")),
        killed=_flag(_most(now, names.KILLED)),
        self_test=_flag(_least(now, names.SELF_TEST), _status(health.get("self_test")), "passed"),
        backed_off=None if backed_off is None else int(backed_off),
    )


def _load(live: Growth, window: Growth) -> Load:
    now = live.now
    decided = window.by(names.REQUESTS, "outcome")
    verdicts = window.by(names.ANSWERS, "verdict")
    host = window.by(names.STEP_SECONDS, "worker")
    steps = window.by(names.STEPS, "worker")
    per_step = [host[w] / steps[w] for w in host if steps.get(w, 0.0) > 0]
    in_use, rows = _by_worker(now, names.ROWS_IN_USE), _by_worker(now, names.ROWS)
    return Load(
        requests_per_s=live.rate(names.REQUESTS),
        refused_per_s=live.rate(names.REQUESTS, outcome="refused"),
        generated_per_s=live.rate(names.GENERATED),
        prompted_per_s=live.rate(names.PROMPTED),
        running=_sum(now, names.RUNNING),
        waiting=_sum(now, names.WAITING),
        kv_cache=_most(now, names.KV_CACHE),
        steered=_share(decided.get(("steered",), 0.0), sum(decided.values())),
        degenerate=_share(verdicts.get((DEGENERATE,), 0.0), sum(verdicts.values())),
        admission_p50_s=window.quantile(0.5, names.ADMISSION),
        admission_p99_s=window.quantile(0.99, names.ADMISSION),
        token_p50_s=window.quantile(0.5, names.TOKEN_SECONDS),
        token_p99_s=window.quantile(0.99, names.TOKEN_SECONDS),
        host=max((s / window.seconds for s in host.values()), default=None),
        host_per_step_s=max(per_step, default=None),
        rows=max((in_use[w] / rows[w] for w in in_use if rows.get(w, 0.0) > 0), default=None),
    )


def _tenants(live: Growth, window: Growth) -> tuple[Tenant, ...]:
    counted = _grouped(window.by(names.REQUESTS, "tenant", "reason", "outcome"))
    rates = _grouped(live.by(names.REQUESTS, "tenant", "outcome"))
    verdicts = _grouped(window.by(names.ANSWERS, "tenant", "verdict"))
    scales = window.now.scales
    found = []
    for tenant in sorted({*counted, *verdicts, *(scales or ())}):
        mine = counted.get(tenant, {})
        total = sum(mine.values())
        outcomes = {
            outcome: sum(n for (_, o), n in mine.items() if o == outcome)
            for outcome in ("steered", "unsteered", "refused")
        }
        why = {reason: n for (reason, o), n in mine.items() if o == "unsteered" and n > 0}
        judged, mine_live = verdicts.get(tenant, {}), rates.get(tenant, {})
        sampled = sum(judged.values())
        found.append(
            Tenant(
                name=tenant,
                requests_per_s=sum(mine_live.values()) / live.seconds,
                refused_per_s=mine_live.get(("refused",), 0.0) / live.seconds,
                requests=total,
                steered=_share(outcomes["steered"], total),
                refused=_share(outcomes["refused"], total),
                unsteered=tuple(
                    Share(reason, n, n / outcomes["unsteered"], n / window.seconds)
                    for reason, n in sorted(why.items(), key=lambda item: (-item[1], item[0]))
                ),
                sampled=sampled,
                degenerate=_share(judged.get((DEGENERATE,), 0.0), sampled),
                scale=None if scales is None else scales.get(tenant, 1.0),
            )
        )
    return tuple(sorted(found, key=lambda each: (-each.requests, each.name)))


def _vectors(live: Growth, window: Growth) -> tuple[Vector, ...]:
    counted = _grouped(window.by(names.APPLIED, "vector", "version"))
    rates = live.by(names.APPLIED, "vector")
    verdicts = _grouped(window.by(names.VECTOR_ANSWERS, "vector", "verdict"))
    doses = window.buckets(names.ALPHA, "vector")
    found = []
    for name in sorted({*counted, *verdicts, *(vector for (vector,) in doses)}):
        versions = {v: n for (v,), n in counted.get(name, {}).items()}
        judged, alphas = verdicts.get(name, {}), doses.get((name,), [])
        sampled = sum(judged.values())
        found.append(
            Vector(
                name=name,
                versions=tuple(
                    sorted((v for v, n in versions.items() if n > 0), key=_version)
                    or sorted(versions, key=_version)
                ),
                applied_per_s=rates.get((name,), 0.0) / live.seconds,
                applied=sum(versions.values()),
                alpha_mean=mean(alphas),
                alpha_p90=quantile(0.9, alphas),
                sampled=sampled,
                degenerate=_share(judged.get((DEGENERATE,), 0.0), sampled),
            )
        )
    return tuple(sorted(found, key=lambda each: (-each.applied, each.name)))


def _variants(live: Growth, window: Growth) -> tuple[Variant, ...]:
    counted = window.by(names.VARIANTS, "flag", "variant")
    rates = live.by(names.VARIANTS, "flag", "variant")
    verdicts = window.by(names.VARIANT_ANSWERS, "flag", "variant", "verdict")
    sampled_of: dict[tuple[str, ...], float] = {}
    for key, count in verdicts.items():
        sampled_of[key[:2]] = sampled_of.get(key[:2], 0.0) + count
    of_flag: dict[str, float] = {}
    for (flag, _), count in counted.items():
        of_flag[flag] = of_flag.get(flag, 0.0) + count
    found = []
    for (flag, variant), count in counted.items():
        sampled = sampled_of.get((flag, variant), 0.0)
        found.append(
            Variant(
                flag=flag,
                variant=variant,
                count=count,
                share=_share(count, of_flag[flag]) or 0.0,
                per_s=rates.get((flag, variant), 0.0) / live.seconds,
                sampled=sampled,
                degenerate=_share(verdicts.get((flag, variant, DEGENERATE), 0.0), sampled),
            )
        )
    return tuple(sorted(found, key=lambda v: (-of_flag[v.flag], v.flag, -v.count, v.variant)))


def _shares(name: str, label: str, live: Growth, window: Growth) -> tuple[Share, ...]:
    """Returns what of a counter was seen in the window, the most frequent first."""
    counted, rates = window.by(name, label), live.by(name, label)
    total = sum(counted.values())
    found = [
        Share(key[0], count, count / total, rates.get(key, 0.0) / live.seconds)
        for key, count in counted.items()
        if count > 0
    ]
    return tuple(sorted(found, key=lambda each: (-each.count, each.name)))


def _grouped(
    counted: Mapping[tuple[str, ...], float],
) -> dict[str, dict[tuple[str, ...], float]]:
    """Returns counts by their first label, then the rest: one pass, however many there are."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for (first, *rest), count in counted.items():
        found.setdefault(first, {})[tuple(rest)] = count
    return found


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _info(now: Sample) -> dict[str, str]:
    """Returns the labels of `steering_info`; of several the one that a process told last."""
    told = [dict(labels) for labels, value in now.series.get(names.INFO, {}).items() if value == 1]
    return told[-1] if told else {}


def _by_worker(now: Sample, name: str) -> dict[str, float]:
    return {dict(key).get("worker", ""): v for key, v in now.series.get(name, {}).items()}


def _sum(now: Sample, name: str) -> float | None:
    values = now.series.get(name)
    return sum(values.values()) if values else None


def _most(now: Sample, name: str) -> float | None:
    return max(now.series.get(name, {}).values(), default=None)


def _least(now: Sample, name: str) -> float | None:
    return min(now.series.get(name, {}).values(), default=None)


def _label(now: Sample, name: str, label: str) -> str | None:
    return next((dict(key).get(label) for key in now.series.get(name, {})), None)


def _version(text: str) -> tuple[int, str]:
    return (int(text) if text.isdecimal() else 0, text)


def _flag(value: float | None, told: object = None, meant: object = None) -> bool | None:
    """Returns a gauge of 0 or 1 as a truth; without it, whether health tells what is meant."""
    if value is not None:
        return value >= 1
    return None if told is None else told == meant


def _whole(value: float | None, told: object = None) -> int | None:
    number = value if value is not None else _number(told)
    return None if number is None else int(number)


def _number(value: object) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if good else None  # type: ignore[arg-type]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _status(value: object) -> object:
    return value.get("status") if isinstance(value, Mapping) else None


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, list) else None
