"""What one frame of the screen says, as plain values. None: the server does not tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Server:
    """What runs, and where it stands."""

    model: str | None
    fingerprint: str | None
    """Whole, or where only the metrics tell it its beginning."""
    version: str | None
    vllm: str | None
    uptime_s: float | None
    processes: int | None
    workers: int | None
    workers_error: str | None
    """Why the workers did not answer."""
    revision: int | None
    registry_age_s: float | None
    stale: bool | None
    registry_error: str | None
    killed: bool | None
    self_test: bool | None
    backed_off: int | None
    """Tenants."""


@dataclass(frozen=True, slots=True)
class Load:
    """What it does; rates are of the last interval, shares and quantiles of the window."""

    requests_per_s: float | None
    refused_per_s: float | None
    generated_per_s: float | None
    """Tokens."""
    prompted_per_s: float | None
    """Tokens."""
    running: float | None
    waiting: float | None
    kv_cache: float | None
    """Share in use, 0 to 1."""
    steered: float | None
    """Share of decided requests, 0 to 1."""
    degenerate: float | None
    """Share of sampled answers, steered and not."""
    admission_p50_s: float | None
    admission_p99_s: float | None
    token_p50_s: float | None
    """Between two tokens of an answer."""
    token_p99_s: float | None
    host: float | None
    """Share of the time that steering takes on the host of the busiest worker, 0 to 1."""
    host_per_step_s: float | None
    rows: float | None
    """Of the worker with the most in use: share of rows in use, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Share:
    """One of several: its count in the window and what part of all that is."""

    name: str
    count: float
    share: float
    per_s: float


@dataclass(frozen=True, slots=True)
class Tenant:
    """What a tenant's requests met."""

    name: str
    requests_per_s: float
    refused_per_s: float
    requests: float
    """In the window; refused ones included, as in all counts of requests."""
    steered: float | None
    """Share of its requests; None of none."""
    refused: float | None
    unsteered: tuple[Share, ...]
    """Why requests that were let in were not steered, the most frequent first."""
    sampled: float
    degenerate: float | None
    """Share of sampled answers."""
    scale: float | None
    """1: not backed off; 0: off."""


@dataclass(frozen=True, slots=True)
class Vector:
    """How a vector is used, all versions together."""

    name: str
    versions: tuple[str, ...]
    """Those that were applied in the window; all known where none was."""
    applied_per_s: float
    applied: float
    """In the window."""
    alpha_mean: float | None
    alpha_p90: float | None
    sampled: float
    degenerate: float | None


@dataclass(frozen=True, slots=True)
class Variant:
    """How often a flag's variant had a say."""

    flag: str
    variant: str
    count: float
    share: float
    """Of the flag's."""
    per_s: float
    sampled: float
    degenerate: float | None


@dataclass(frozen=True, slots=True)
class Frame:
    """All of it."""

    unix: float
    seconds: float
    """The last interval."""
    window_s: float
    server: Server
    load: Load
    tenants: tuple[Tenant, ...]
    """By requests in the window."""
    vectors: tuple[Vector, ...]
    """By applications in the window."""
    intents: tuple[Share, ...]
    safety: float | None
    """Requests served unsteered for a safety intent, in the window."""
    variants: tuple[Variant, ...]
    refusals: tuple[Share, ...]
    """By code."""

    def as_json(self) -> dict[str, Any]:
        """Returns it for programs; a number that is not finite is null."""
        at = datetime.fromtimestamp(self.unix, UTC).isoformat(timespec="milliseconds")
        body = asdict(self)
        del body["unix"]
        found = _finite({"at": at, **body})
        assert isinstance(found, dict)
        return found


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value
