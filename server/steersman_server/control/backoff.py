"""Operations on back-offs: a server takes a step down; only an operator takes it back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from steersman_vectors.errors import CallerError
from steersman_vectors.registry.documents import DocumentWrite, delete_document
from steersman_vectors.registry.store import RegistryStore

from ..configuration import Configuration
from ..tenants.backoff import BackedOff
from ..tenants.tenant import LOCAL
from .documents import Done, document, write
from .tenants import find_tenant


async def back_off(
    store: RegistryStore, tenant: str, wanted: BackedOff, *, expected_scale: float, actor: str
) -> bool:
    """Scales a tenant down unless that is done already; returns whether this call did it.

    expected_scale: what was in force when it was decided. A registry that has more by now was
    restored by an operator since, and one that has as little was written by another process that
    came to the same conclusion: both are left alone. So is a tenant that is gone, or does not want
    back-offs any more.
    """
    ours = False

    def decide(now: Configuration) -> Iterator[DocumentWrite]:
        nonlocal ours
        there = now.backoffs.get(tenant)
        # An earlier attempt that the registry made and did not confirm is ours, too.
        ours = there == wanted
        limits = now.tenants.get(tenant)
        if limits is None or limits.backoff is None:
            return
        scale = 1.0 if there is None else there.scale
        if wanted.scale < scale <= expected_scale:
            ours = True
            yield document("backoff", tenant, wanted)

    await write(store, decide, actor=actor)
    return ours


async def clear_backoff(store: RegistryStore, tenant: str, *, actor: str) -> Done:
    """Restores a tenant's steering in one step; raises `MissingError(not_found)`."""

    def decide(now: Configuration) -> Iterator[DocumentWrite]:
        find(now, tenant)
        yield delete_document("backoff", tenant)

    return Done(await write(store, decide, actor=actor))


def find(configuration: Configuration, tenant: str) -> dict[str, Any]:
    """Returns where a tenant stands, as JSON; raises `MissingError(not_found)`."""
    if tenant == LOCAL:
        raise CallerError(
            f"{LOCAL!r} has no document that could ask for back-offs; make a tenant with "
            "`steersman tenants create NAME --backoff max_degenerate_rate=0.05`",
            code="not_found",
        )
    policy = find_tenant(configuration, tenant).backoff
    there = configuration.backoffs.get(tenant)
    return {
        "tenant": tenant,
        "scale": 1.0 if there is None else there.scale,
        "policy": None if policy is None else policy.model_dump(mode="json"),
        "evidence": None if there is None else there.model_dump(mode="json", exclude={"scale"}),
    }


def listed(configuration: Configuration) -> list[dict[str, Any]]:
    """Returns the tenants that want back-offs or are backed off, by name."""
    return [
        find(configuration, name)
        for name, tenant in sorted(configuration.tenants.items())
        if tenant.backoff is not None or name in configuration.backoffs
    ]
