"""What runs and where it stands: gauges, and health where those are missing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import names
from .frame import Server
from .sample import Sample


def server_of(now: Sample) -> Server:
    """Returns what runs and where it stands."""
    info = _info(now)
    health, registry = now.health, now.health.get("registry")
    registry = registry if isinstance(registry, Mapping) else {}
    processes = health.get("processes")
    failed = health.get("status") == "failed"
    started = _least(now, names.STARTED)
    revision = _least(now, names.REVISION)
    age = most(now, names.AGE)
    backed_off = most(now, names.BACKED_OFF)
    if backed_off is None and now.scales is not None:
        backed_off = float(len(now.scales))
    return Server(
        model=info.get("model") or _label(now, names.RUNNING, "model_name"),
        fingerprint=_text(health.get("fingerprint")) or info.get("fingerprint"),
        version=info.get("version"),
        vllm=info.get("vllm"),
        uptime_s=None if started is None else max(now.unix - started, 0.0),
        processes=len(processes) if isinstance(processes, list) and processes else None,
        workers=_whole(most(now, names.WORKERS), _length(health.get("workers"))),
        workers_error=(_text(health.get("message")) or "unknown") if failed else None,
        revision=_whole(revision, registry.get("revision")),
        registry_age_s=age if age is not None else _number(registry.get("age_s")),
        stale=_flag(most(now, names.STALE), None if failed else health.get("status"), "degraded"),
        registry_error=_text(registry.get("error")),
        killed=_flag(most(now, names.KILLED)),
        self_test=_flag(_least(now, names.SELF_TEST), _status(health.get("self_test")), "passed"),
        backed_off=None if backed_off is None else int(backed_off),
    )


def _info(now: Sample) -> dict[str, str]:
    """Returns the labels of `steering_info`; of several the one that a process told last."""
    told = [dict(labels) for labels, value in now.series.get(names.INFO, {}).items() if value == 1]
    return told[-1] if told else {}


def by_worker(now: Sample, name: str) -> dict[str, float]:
    """Returns a gauge of each worker."""
    return {dict(key).get("worker", ""): v for key, v in now.series.get(name, {}).items()}


def together(now: Sample, name: str) -> float | None:
    """Returns a gauge summed over its labels; None where the server does not tell."""
    values = now.series.get(name)
    return sum(values.values()) if values else None


def most(now: Sample, name: str) -> float | None:
    """Returns the highest value of a gauge; None where the server does not tell."""
    return max(now.series.get(name, {}).values(), default=None)


def _least(now: Sample, name: str) -> float | None:
    return min(now.series.get(name, {}).values(), default=None)


def _label(now: Sample, name: str, label: str) -> str | None:
    return next((dict(key).get(label) for key in now.series.get(name, {})), None)


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
