"""`/admin/v1/audit`: every change, and what was in force at any revision."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query
from fastapi.responses import Response
from pydantic import AwareDatetime

from . import admin_schemas as schemas
from . import audit
from .admin_edge import Service, admin_router
from .admin_errors import documented

JSON_LINES = "application/jsonl"
Text = Annotated[str | None, Query(max_length=200)]
router = admin_router("audit")


@router.get(
    "/audit",
    response_model=schemas.ChangeList,
    responses={200: {"content": {JSON_LINES: {"schema": {"type": "string"}}}}},
)
async def list_changes(
    service: Service, kind: Text = None, subject: Text = None, actor: Text = None,
    since: AwareDatetime | None = None, until: AwareDatetime | None = None,
    limit: Annotated[int, Query(ge=1, le=100_000)] = 100,
    format: Annotated[
        Literal["json", "jsonl"], Query(description="jsonl: one line of JSON per change.")
    ] = "json",
) -> Any:  # fmt: skip
    """Lists changes, newest first: who, when, what was there before and after. Never a key.

    `kind` is one such as `tenant.set`, or its part before the dot; `subject` and `actor` are parts
    of the text; `since` is included, `until` is not.
    """
    await service.store.current()  # refuses a registry that has another history than requests see
    wanted = audit.AuditFilter(kind, subject, actor, since, until)
    found = await audit.changes(service.store, wanted, limit=limit)
    if format == "jsonl":
        return Response(audit.as_json_lines(found), media_type=JSON_LINES)
    return {"changes": [audit.entry_json(entry) for entry in found]}


@router.get(
    "/audit/configuration", response_model=schemas.ConfigurationView, responses=documented(404)
)
async def configuration(
    service: Service, revision: Annotated[int, Query(ge=0, le=2**63 - 1)]
) -> dict[str, Any]:
    """Gives the steering configuration that was in force at a revision."""
    await service.store.current()
    return await audit.in_force_at(service.store, revision)
