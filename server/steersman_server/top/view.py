"""What the person at the screen has chosen, and how the program itself is doing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from .frame import Tenant, Vector


class Sort(StrEnum):
    """What rows are ordered by, the highest first."""

    REQUESTS = "requests"
    STEERED = "steered"
    REFUSED = "refused"
    DEGENERATE = "degenerate"


@dataclass(frozen=True, slots=True)
class View:
    """How frames are shown."""

    url: str
    interval_s: float
    sort: Sort = Sort.REQUESTS
    tenant: str | None = None
    """Only this one among the tenants."""
    paused: bool = False
    outage: str | None = None
    """Why the last scrape failed; what is shown is of before."""
    keys: bool = False
    """Whether keys are listened to."""

    def next_sort(self) -> View:
        """Returns the view with the rows in the next order."""
        orders = list(Sort)
        return replace(self, sort=orders[(orders.index(self.sort) + 1) % len(orders)])


def sorted_tenants(tenants: tuple[Tenant, ...], sort: Sort) -> list[Tenant]:
    """Returns tenants in order; those alike stay as they are, by requests."""

    def weight(tenant: Tenant) -> float:
        match sort:
            case Sort.REQUESTS:
                return tenant.requests
            case Sort.STEERED:
                return tenant.requests * (tenant.steered or 0.0)
            case Sort.REFUSED:
                return tenant.requests * (tenant.refused or 0.0)
            case Sort.DEGENERATE:
                return -1.0 if tenant.degenerate is None else tenant.degenerate

    return sorted(tenants, key=weight, reverse=True)


def sorted_vectors(vectors: tuple[Vector, ...], sort: Sort) -> list[Vector]:
    """Returns vectors in order: by their share of degenerate answers, or by applications."""
    if sort is not Sort.DEGENERATE:
        return list(vectors)
    return sorted(
        vectors, key=lambda v: -1.0 if v.degenerate is None else v.degenerate, reverse=True
    )
