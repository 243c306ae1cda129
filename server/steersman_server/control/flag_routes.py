"""`/admin/v1/flags` and `/admin/v1/flags.json`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, Path, Query, Request
from pydantic import ConfigDict, Field

from steersman_vectors.card import Name
from steersman_vectors.names import NAME_PATTERN

from ..flags.definition import FlagDefinition, Variant
from ..flags.flagd_file import MAX_FILE_CHARS, as_flagd, parse_flagd
from ..tenants.tenant import LOCAL
from . import admin_schemas as schemas
from . import flag_looks, flags
from .admin_edge import AdminBody, Flagger, Service, admin_router, look, read_bytes
from .admin_errors import documented
from .policy_views import done_json, flag_json

Flag = Annotated[
    str,
    Path(
        pattern=rf"^(?:vector\.)?(?:{NAME_PATTERN.pattern})$",
        description="A flag's key; that of a vector is `vector.NAME`.",
        examples=["steering"],
    ),
]
FLAGD_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["flags"],
                    "properties": {"flags": {"type": "object"}},
                    "externalDocs": {"url": "https://flagd.dev/schema/v0/flags.json"},
                }
            }
        },
    }
}

Definition = Annotated[
    FlagDefinition,
    Body(
        examples=[
            {
                "state": "ENABLED",
                "variants": {"soft": 0.2, "firm": 0.5},
                "defaultVariant": "soft",
                "metadata": {"description": "How firmly formality is applied"},
            }
        ]
    ),
]


class SetFlag(AdminBody):
    """Without `tenant`: for everybody; rollout and targeting end."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"variant": "off", "tenant": "acme"}]}
    )
    variant: Variant
    tenant: Name | None = None


class UnsetFlag(AdminBody):
    """The tenant whose own variant is taken away."""

    tenant: Name


class RollOut(AdminBody):
    """Shares per variant, for all or some tenants."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"weights": {"on": 10, "off": 90}}]})
    weights: dict[Variant, Annotated[int, Field(ge=0, le=2**31 - 1)]] = Field(min_length=1)
    tenants: list[Name] | None = Field(default=None, min_length=1, max_length=1000)


router = admin_router("flags")


@router.get("/flags", response_model=schemas.FlagList)
async def list_flags(service: Service) -> dict[str, Any]:
    """Lists the flags: the built-in ones, one per registered vector, and operators' own."""
    seen = await look(service)
    records = flag_looks.all_flags(seen.configuration, seen.snapshot)
    return {
        "revision": seen.snapshot.revision,
        "flags": [flag_json(key, record) for key, record in records.items()],
    }


@router.post("/flags", response_model=schemas.Done, openapi_extra=FLAGD_FILE)
async def import_flags(service: Service, operator: Flagger, request: Request) -> dict[str, Any]:
    """Defines all flags of the flagd file in the body, in one step."""
    data = await read_bytes(request, 4 * MAX_FILE_CHARS, "invalid_flag_file")
    definitions = parse_flagd(data.decode(errors="replace"))
    done = await flags.define_flags(
        service.store, definitions, actor=operator.name, fingerprints=(service.engine.fingerprint,)
    )
    return done_json(done)


@router.get("/flags.json", response_model=dict[str, Any])
async def export_flags(service: Service) -> dict[str, Any]:
    """Gives all flags as a flagd file, tenants' own variants composed into targeting."""
    return as_flagd((await look(service)).configuration.flags)


@router.get("/flags/{flag}", response_model=schemas.FlagView, responses=documented(404))
async def show_flag(service: Service, flag: Flag) -> dict[str, Any]:
    """Shows a flag."""
    return flag_json(flag, flags.find_flag((await look(service)).configuration, flag))


@router.put("/flags/{flag}", response_model=schemas.Done)
async def define_flag(
    service: Service, operator: Flagger, flag: Flag, body: Definition
) -> dict[str, Any]:
    """Defines a flag anew; tenants keep their own variants where those still exist.

    Rules, defaults and profiles that ask it and cannot be applied any more are warnings.
    """
    done = await flags.define_flags(
        service.store, {flag: body}, actor=operator.name,
        fingerprints=(service.engine.fingerprint,),
    )  # fmt: skip
    return done_json(done)


@router.delete("/flags/{flag}", response_model=schemas.Done, responses=documented(404, 409))
async def delete_flag(service: Service, operator: Flagger, flag: Flag) -> dict[str, Any]:
    """Removes a flag; a built-in one goes back to its default."""
    return done_json(await flags.delete_flag(service.store, flag, actor=operator.name))


@router.post("/flags/{flag}/set", response_model=schemas.Done, responses=documented(404))
async def set_flag(
    service: Service, operator: Flagger, flag: Flag, body: SetFlag
) -> dict[str, Any]:
    """Gives everybody, or one tenant, a variant; in force everywhere within a second."""
    done = await flags.set_flag(
        service.store, flag, body.variant, tenant=body.tenant, actor=operator.name
    )
    return done_json(done)


@router.post("/flags/{flag}/unset", response_model=schemas.Done, responses=documented(404))
async def unset_flag(
    service: Service, operator: Flagger, flag: Flag, body: UnsetFlag
) -> dict[str, Any]:
    """Takes a tenant's own variant away."""
    return done_json(
        await flags.unset_flag(service.store, flag, tenant=body.tenant, actor=operator.name)
    )


@router.post("/flags/{flag}/rollout", response_model=schemas.Done, responses=documented(404))
async def roll_out(
    service: Service, operator: Flagger, flag: Flag, body: RollOut
) -> dict[str, Any]:
    """Shares the flag's variants out among users."""
    done = await flags.roll_out(
        service.store, flag, body.weights, tenants=body.tenants, actor=operator.name
    )
    return done_json(done)


@router.get(
    "/flags/{flag}/explain", response_model=schemas.FlagExplanation, responses=documented(404)
)
async def explain_flag(
    service: Service, flag: Flag, tenant: Name = LOCAL,
    user: Annotated[str | None, Query(min_length=1, max_length=512)] = None,
) -> dict[str, Any]:  # fmt: skip
    """Tells which variant a tenant's requests get, and by which steps."""
    return flag_looks.explain_flag((await look(service)).configuration, flag, tenant, user)
