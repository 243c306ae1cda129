"""From samples to a frame. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from . import names
from .frame import Frame, Load, Share, Tenant, Variant, Vector
from .growth import Growth, mean, quantile
from .sample import Sample
from .standing import by_worker, most, server_of, together

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
        server=server_of(now),
        load=_load(live, window),
        tenants=_tenants(live, window),
        vectors=_vectors(live, window),
        intents=_shares(names.INTENTS, "intent", live, window),
        safety=window.total(names.SAFETY),
        variants=_variants(live, window),
        refusals=_shares(names.REFUSALS, "code", live, window),
    )


def _load(live: Growth, window: Growth) -> Load:
    now = live.now
    decided = window.by(names.REQUESTS, "outcome")
    verdicts = window.by(names.ANSWERS, "verdict")
    host = window.by(names.STEP_SECONDS, "worker")
    steps = window.by(names.STEPS, "worker")
    per_step = [host[w] / steps[w] for w in host if steps.get(w, 0.0) > 0]
    in_use, rows = by_worker(now, names.ROWS_IN_USE), by_worker(now, names.ROWS)
    return Load(
        requests_per_s=live.rate(names.REQUESTS),
        refused_per_s=live.rate(names.REQUESTS, outcome="refused"),
        generated_per_s=live.rate(names.GENERATED),
        prompted_per_s=live.rate(names.PROMPTED),
        running=together(now, names.RUNNING),
        waiting=together(now, names.WAITING),
        kv_cache=most(now, names.KV_CACHE),
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


def _version(text: str) -> tuple[int, str]:
    return (int(text) if text.isdecimal() else 0, text)
