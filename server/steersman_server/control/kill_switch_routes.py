"""`/admin/v1/kill-switch`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from . import admin_schemas as schemas
from .admin_edge import AdminBody, Flagger, Service, admin_router
from .kill_switch import look_at, switch_off, switch_on


class KillSwitch(AdminBody):
    """On: everybody is served unsteered."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"on": True, "reason": "incident 4711"}]}
    )
    on: Annotated[bool, Field(strict=True)]
    reason: str = Field(default="", max_length=500)


router = admin_router("kill switch")


@router.get("/kill-switch", response_model=schemas.KillSwitchView)
async def show_kill_switch(service: Service) -> dict[str, Any]:
    """Tells whether steering is switched off, and where."""
    shown = await look_at(service.store, service.kill_file, service.configuration)
    return {
        "on": (shown.registry or shown.file) is not None,
        "registry": shown.registry, "file": shown.file, "warnings": list(shown.warnings),
    }  # fmt: skip


@router.post("/kill-switch", response_model=schemas.KillSwitchSet)
async def set_kill_switch(service: Service, operator: Flagger, body: KillSwitch) -> dict[str, Any]:
    """Serves everybody unsteered, or ends that; without the registry by a file on this machine."""
    if body.on:
        pulled = await switch_off(
            service.store, service.kill_file, actor=operator.name, reason=body.reason
        )
    else:
        pulled = await switch_on(
            service.store, service.kill_file, service.configuration, actor=operator.name
        )
    return {
        "on": body.on, "revision": pulled.revision, "file": pulled.by_file,
        "changed": pulled.by_file or pulled.revision is not None,
        "warnings": list(pulled.warnings),
    }  # fmt: skip
