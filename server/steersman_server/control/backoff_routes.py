"""`/admin/v1/backoff`: which tenants are backed off, on what evidence; and back again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path

from steersman_vectors.card import Name

from . import admin_schemas as schemas
from . import backoff
from .admin_edge import Flagger, Service, admin_router, look
from .admin_errors import documented
from .policy_views import done_json

TenantName = Annotated[Name, Path(description="A tenant's name.", examples=["acme"])]

router = admin_router("back-off")


@router.get("/backoff", response_model=schemas.BackoffList)
async def list_backoffs(service: Service) -> dict[str, Any]:
    """Lists the tenants that want automatic back-offs, or are backed off."""
    seen = await look(service)
    return {
        "revision": seen.snapshot.revision,
        "backoffs": backoff.listed(seen.configuration),
    }


@router.get("/backoff/{tenant}", response_model=schemas.BackoffView, responses=documented(404))
async def show_backoff(service: Service, tenant: TenantName) -> dict[str, Any]:
    """Shows what a tenant is backed off to, since when and why."""
    return backoff.find((await look(service)).configuration, tenant)


@router.delete("/backoff/{tenant}", response_model=schemas.Done, responses=documented(404))
async def clear_backoff(service: Service, operator: Flagger, tenant: TenantName) -> dict[str, Any]:
    """Restores a tenant's steering, in one step to what it was."""
    return done_json(await backoff.clear_backoff(service.store, tenant, actor=operator.name))
