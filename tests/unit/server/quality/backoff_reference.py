"""Back-off, slowly: every event is kept, and everything is counted anew for each answer."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from steersman_server.quality.backoff import Z
from steersman_server.tenants.backoff import BackoffPolicy

SIXTIETHS = 60


@dataclass(frozen=True)
class Answered:
    """A judged steered answer, and what its request was decided under."""

    at: float
    scale: float
    revision: int
    degenerate: bool


@dataclass(frozen=True)
class Cleared:
    """An operator restored the tenant; requests see it at this revision."""

    at: float
    revision: int


def scales_after(policy: BackoffPolicy, events: list[Answered | Cleared]) -> list[float]:
    """Returns what is in force after each event, from the whole list of them."""
    found: list[float] = []
    for length in range(1, len(events) + 1):
        past = events[:length]
        scales = [1.0, *found]
        changes = [k for k in range(len(found)) if scales[k + 1] != scales[k]]
        before = scales[-1]
        last = past[-1]
        if isinstance(last, Cleared):
            found.append(1.0)
            continue
        since = changes[-1] if changes else None
        since_revision = _revision(past[: (since or 0) + 1]) if since is not None else 0
        counted = [
            event
            for k, event in enumerate(past)
            if isinstance(event, Answered)
            and (since is None or k > since)
            and event.scale == before
            and event.revision >= since_revision
            and _sixtieth(event.at, policy) > _sixtieth(last.at, policy) - SIXTIETHS
        ]
        answers = len(counted)
        degenerate = sum(event.degenerate for event in counted)
        if (
            last in counted
            and before > 0.0
            and answers >= policy.min_answers
            and (since is None or last.at - past[since].at >= policy.cooldown_s)
            and _too_many(degenerate, answers, policy.max_degenerate_rate)
        ):
            lower = before * policy.factor
            found.append(0.0 if lower < policy.floor else lower)
        else:
            found.append(before)
    return found


def _revision(past: list[Answered | Cleared]) -> int:
    return max((event.revision for event in past if isinstance(event, Cleared)), default=0)


def _sixtieth(at: float, policy: BackoffPolicy) -> int:
    return int(Fraction(at) * SIXTIETHS // Fraction(policy.window_s))


def _too_many(degenerate: int, answers: int, limit: float) -> bool:
    """The limit is below every rate that explains what was seen within Z deviations.

    Those are the solutions of (p̂ - p)² <= Z² p (1 - p) / n: the limit is below the lower one where
    it is below p̂ and no solution itself.
    """
    seen, rate = Fraction(degenerate, answers), Fraction(limit)
    far = (seen - rate) ** 2 > Fraction(Z) ** 2 * rate * (1 - rate) / answers
    return rate < seen and far
