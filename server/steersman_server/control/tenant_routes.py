"""`/admin/v1/tenants` and `/admin/v1/keys`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Body, Path, Query
from pydantic import AwareDatetime, ConfigDict, Field

from steersman_vectors.card import Name
from steersman_vectors.errors import CallerError

from ..tenants.keys import ID_CHARACTERS, MAX_LABEL, Role
from ..tenants.tenant import Tenant
from . import admin_schemas as schemas
from . import tenants
from .admin_edge import Admin, AdminBody, Service, admin_router, look
from .admin_errors import documented
from .policy_views import done_json, key_json, new_key_json, tenant_json

TenantName = Annotated[Name, Path(description="A tenant's name.", examples=["acme"])]
KeyId = Annotated[
    str,
    Path(
        pattern=f"^[0-9a-f]{{{ID_CHARACTERS}}}$",
        description="The eight characters after the key's prefix; never the key.",
        examples=["3f9ac210"],
    ),
]

Changes = Annotated[
    Tenant,
    Body(examples=[{"default": {"vectors": {"empathy": "low"}}, "dose_cap": 1.0}]),
]


class NewTenant(Tenant):
    """A tenant to create; without `vectors` it may use none, `["*"]` allows all."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "acme", "vectors": ["empathy"], "alpha_caps": {"empathy": 0.5}}]
        }
    )
    name: Name


class NewKey(AdminBody):
    """A key to make: a tenant's, or an operator's with a role; one of both."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"tenant": "acme", "label": "production"},
                {"role": "operator", "expires_at": "2030-01-01T00:00:00Z"},
            ]
        }
    )
    tenant: Name | None = None
    role: Role | None = None
    label: str = Field(default="", max_length=MAX_LABEL)
    expires_at: AwareDatetime | None = None


router = admin_router("tenants and keys")
CLOSES = (
    "now that there is a tenant, requests need its key, and these routes an operator's: make one "
    "with `steersman keys create --role admin`"
)


@router.get("/tenants", response_model=schemas.TenantList)
async def list_tenants(service: Service) -> dict[str, Any]:
    """Lists the tenants."""
    seen = await look(service)
    found = seen.configuration
    return {
        "revision": seen.snapshot.revision,
        "tenants": [tenant_json(n, t, found) for n, t in sorted(found.tenants.items())],
    }


@router.post(
    "/tenants", status_code=201, response_model=schemas.Done, responses=documented(404, 409)
)
async def create_tenant(service: Service, operator: Admin, body: NewTenant) -> dict[str, Any]:
    """Creates a tenant; from the first one on, every request to this server needs a key."""
    done = await tenants.create_tenant(
        service.store, body.name, body.model_dump(mode="json", exclude={"name"}),
        actor=operator.name, fingerprints=(service.engine.fingerprint,),
    )  # fmt: skip
    if not operator.has_key:
        done = replace(done, warnings=(*done.warnings, CLOSES))
    return done_json(done)


@router.get("/tenants/{tenant}", response_model=schemas.TenantView, responses=documented(404))
async def show_tenant(service: Service, tenant: TenantName) -> dict[str, Any]:
    """Shows a tenant with its keys, rules and own variants of flags."""
    found = (await look(service)).configuration
    return tenant_json(tenant, tenants.find_tenant(found, tenant), found)


@router.patch("/tenants/{tenant}", response_model=schemas.Done, responses=documented(404))
async def update_tenant(
    service: Service, operator: Admin, tenant: TenantName, body: Changes
) -> dict[str, Any]:
    """Changes the fields in the body, as wholes; the others stay."""
    done = await tenants.update_tenant(
        service.store, tenant, body.model_dump(mode="json", exclude_unset=True),
        actor=operator.name, fingerprints=(service.engine.fingerprint,),
    )  # fmt: skip
    return done_json(done)


@router.delete("/tenants/{tenant}", response_model=schemas.Done, responses=documented(404))
async def delete_tenant(service: Service, operator: Admin, tenant: TenantName) -> dict[str, Any]:
    """Removes a tenant with its keys, its policy and its own variants of flags."""
    return done_json(await tenants.delete_tenant(service.store, tenant, actor=operator.name))


@router.get("/keys", response_model=schemas.KeyList, responses=documented(404))
async def list_keys(
    service: Service, tenant: Annotated[Name | None, Query(description="Only its keys.")] = None
) -> dict[str, Any]:
    """Lists keys with prefix and state, the oldest first; never a key or its hash."""
    seen, now = await look(service), datetime.now(UTC)
    if tenant is not None:
        tenants.find_tenant(seen.configuration, tenant)
    keys = sorted(seen.configuration.keys.values(), key=lambda found: found[1].created_at)
    return {
        "revision": seen.snapshot.revision,
        "keys": [key_json(i, key, now) for i, key in keys if tenant in (None, key.tenant)],
    }


@router.post("/keys", status_code=201, response_model=schemas.NewKeyView, responses=documented(404))
async def create_key(service: Service, operator: Admin, body: NewKey) -> dict[str, Any]:
    """Makes a key and shows it, this once."""
    if (body.tenant is None) == (body.role is None):
        raise CallerError(
            "a key is a tenant's or an operator's: give 'tenant' or 'role', one of both",
            code="invalid_key",
        )
    made = await tenants.create_key(
        service.store, tenant=body.tenant, role=body.role, label=body.label,
        expires_at=body.expires_at, actor=operator.name,
    )  # fmt: skip
    return new_key_json(made, datetime.now(UTC))


@router.delete("/keys/{key_id}", response_model=schemas.Done, responses=documented(404))
async def revoke_key(service: Service, operator: Admin, key_id: KeyId) -> dict[str, Any]:
    """Revokes a key, from now on and on every server; it stays in the list."""
    return done_json(await tenants.revoke_key(service.store, key_id, actor=operator.name))
