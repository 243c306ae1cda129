"""`/admin/v1`: the operations of `steersman vectors`, with the same words, over HTTP."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Request
from fastapi.responses import Response
from pydantic import Field

from steersman_vectors.formats.writer import EXPORT_FORMATS, export
from steersman_vectors.names import VectorRef, parse_ref
from steersman_vectors.registry.entry import VectorEntry
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.stale import stale_vectors
from steersman_vectors.registry.upkeep import verify
from steersman_vectors.scale import Scale

from ..service import SteeringService
from . import json_views, operations
from .admin_edge import Admin, AdminBody, Service, admin_router
from .admin_errors import documented
from .vector_bodies import check_size, read_file


class Promote(AdminBody):
    """`vector` is name@version or name@alias; `expect` what the alias must name now (0: none)."""

    vector: str
    alias: str
    expect: int | None = Field(default=None, ge=0, strict=True)


class Rollback(AdminBody):
    """`vector` is a name."""

    vector: str
    alias: str
    expect: int | None = Field(default=None, ge=0, strict=True)


class Retire(AdminBody):
    """`vector` is name@version; `reason` is told to whoever names it."""

    vector: str
    reason: str = Field(default="", max_length=1000)


class Collect(AdminBody):
    """Removes the bytes of what was retired longer than `retired_for_days` ago."""

    dry_run: bool = True
    retired_for_days: float = Field(default=30.0, ge=0, le=36500)


Model = Annotated[
    str | None,
    Query(
        description="Fingerprint of a base model. Default: the one that is served.",
        pattern="^sha256:[0-9a-f]{64}$",
    ),
]
FileName = Annotated[
    str,
    Query(
        description="Name of the file in the body: of a tensor [hidden], layer_<l>.pt tells l.",
        max_length=1024,
        pattern=r"^[^\x00-\x1f\x7f]*$",
    ),
]
Format = Literal["native", "gguf", "svec"]
Ref = Annotated[
    str,
    Path(description="name, name@version or name@alias", max_length=160, examples=["empathy@prod"]),
]
BINARY = {"type": "string", "format": "binary"}
BYTES: dict[str, Any] = {"content": {"application/octet-stream": {"schema": BINARY}}}
FILE: dict[str, Any] = {"requestBody": {"required": True, **BYTES}}
router = admin_router("vectors")


@router.get("/vectors")
async def list_vectors(
    service: Service, model: Model = None, all_versions: bool = False
) -> dict[str, Any]:
    """Lists the vectors of a base model, the newest version of each that is not retired."""
    snapshot = await service.store.current()
    fingerprint = model or service.engine.fingerprint
    every = (entry for entry in snapshot.entries() if entry.fingerprint == fingerprint)
    return json_views.list_json(
        snapshot, every if all_versions else snapshot.available(fingerprint)
    )


@router.get("/vectors/{vector}", responses=documented(404))
async def show(service: Service, vector: Ref, model: Model = None) -> dict[str, Any]:
    """Shows one version: its card with the recipe, and which of its data are kept beside it."""
    return json_views.show_json(
        await operations.show(service.store, parse_ref(vector), _choose(service, model))
    )


@router.get(
    "/vectors/{vector}/export",
    response_class=Response,
    responses={**documented(404, 409), 200: BYTES},
)
async def export_vector(
    service: Service, vector: Ref, file_format: Format = "native", model: Model = None
) -> Response:
    """Gives the vector as a file of another format."""
    snapshot = await service.store.current()
    entry = _choose(service, model)(snapshot, parse_ref(vector))
    check_size(entry, "export")
    registered = await operations.read_vector(service.store, entry)
    exported = await asyncio.to_thread(export, registered, file_format)
    name = f"{entry.name}-{entry.version}{EXPORT_FORMATS[file_format]}"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    if exported.notes:
        headers["x-steering-notes"] = json.dumps(exported.notes)
    return Response(exported.data, media_type="application/octet-stream", headers=headers)


@router.post("/push", openapi_extra=FILE, responses=documented(404, 409))
async def push(
    request: Request,
    operator: Admin,
    service: Service,
    name: str | None = None,
    model: Model = None,
) -> dict[str, Any]:
    """Registers the native vector file in the body for the base model on its card.

    What needs the version that was newest is a warning.
    """
    registered = await operations.push(
        service.store,
        await read_file(request, "push"),
        name=name,
        fingerprint=model,
        actor=operator.name,
        shapes={service.engine.fingerprint: service.shape},
    )
    return json_views.registered_json(registered)


@router.post("/import", openapi_extra=FILE)
async def import_vector(
    request: Request, operator: Admin, service: Service, name: str, scale: Scale | None = None,
    filename: FileName = "",
) -> dict[str, Any]:  # fmt: skip
    """Registers the vector file in the body, of any format, for the model that is served.

    What needs the version that was newest is a warning.
    """
    file_name = re.split(r"[/\\]", filename)[-1]
    read = await asyncio.to_thread(
        operations.read_bytes_for_model, await read_file(request, "import"), file_name, name,
        scale, service.shape,
    )  # fmt: skip
    registered = await operations.publish(
        service.store, read.vector, name=name, fingerprint=service.engine.fingerprint,
        actor=operator.name,
    )  # fmt: skip
    return json_views.imported_json(registered, read)


@router.get("/diff", responses=documented(404, 409))
async def diff(service: Service, a: str, b: str, model: Model = None) -> dict[str, Any]:
    """Compares two versions: cosines per layer."""
    choose_any = _choose(service, model)

    def choose(snapshot: RegistrySnapshot, ref: VectorRef) -> VectorEntry:
        entry = choose_any(snapshot, ref)
        check_size(entry, "diff")
        return entry

    return json_views.diff_json(
        await operations.diff(service.store, parse_ref(a), parse_ref(b), choose)
    )


@router.post("/promote", responses=documented(404, 409))
async def promote(
    operator: Admin, service: Service, body: Promote, model: Model = None
) -> dict[str, Any]:
    """Points an alias at a version; what cannot be applied any more is a warning."""
    moved = await operations.promote(
        service.store, parse_ref(body.vector), body.alias, _choose(service, model),
        actor=operator.name, expect=body.expect,
    )  # fmt: skip
    return json_views.move_json(moved)


@router.post("/rollback", responses=documented(404, 409))
async def rollback(
    operator: Admin, service: Service, body: Rollback, model: Model = None
) -> dict[str, Any]:
    """Points an alias back at the version that it named before; warns as `promote`."""
    moved = await operations.roll_back(
        service.store, body.vector, body.alias, _choose(service, model),
        actor=operator.name, expect=body.expect,
    )  # fmt: skip
    return json_views.move_json(moved)


@router.post("/retire", responses=documented(404, 409))
async def retire(
    operator: Admin, service: Service, body: Retire, model: Model = None
) -> dict[str, Any]:
    """Refuses a version for new requests; what needs it is a warning."""
    retired = await operations.retire(
        service.store, parse_ref(body.vector), _choose(service, model), actor=operator.name,
        reason=body.reason,
    )  # fmt: skip
    return json_views.retired_json(retired)


@router.post("/gc", responses=documented(409))
async def gc(operator: Admin, service: Service, body: Collect) -> dict[str, Any]:
    """Removes the bytes that no usable version needs, or tells which."""
    collected = await operations.collect(
        service.store, keep_for=timedelta(days=body.retired_for_days), dry_run=body.dry_run,
        actor=operator.name,
    )  # fmt: skip
    return json_views.collected_json(collected)


@router.get("/verify")
async def verify_registry(service: Service) -> dict[str, Any]:
    """Reads every vector and tells which are not what their digests say."""
    snapshot = await service.store.current()
    return json_views.verify_json(snapshot, await verify(service.store, snapshot))


@router.get("/stale")
async def stale(service: Service, model: Model = None) -> dict[str, Any]:
    """Lists the versions and aliases that are usable for other base models only."""
    fingerprint = model or service.engine.fingerprint
    return json_views.stale_json(
        fingerprint, "MODEL", stale_vectors(await service.store.current(), fingerprint)
    )


@router.get("/log")
async def log(
    service: Service, limit: Annotated[int, Query(ge=1, le=10_000)] = 100
) -> dict[str, Any]:
    """Lists changes, newest first."""
    await service.store.current()
    return json_views.log_json(await service.store.log(limit=limit))


def _choose(service: SteeringService, model: str | None) -> operations.Choose:
    fingerprint = model or service.engine.fingerprint

    def choose(snapshot: RegistrySnapshot, ref: VectorRef) -> VectorEntry:
        return snapshot.find_any(ref, fingerprint)

    return choose
