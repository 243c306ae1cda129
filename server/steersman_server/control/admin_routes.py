"""`/admin/v1`: the operations of `steersman vectors`, with the same words, over HTTP."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from steersman_vectors.errors import CallerError, SteersmanError
from steersman_vectors.formats import native
from steersman_vectors.formats.writer import EXPORT_FORMATS, export
from steersman_vectors.names import VectorRef, parse_ref
from steersman_vectors.registry.entry import VectorEntry
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.stale import stale_vectors
from steersman_vectors.registry.upkeep import verify
from steersman_vectors.scale import Scale

from ..openai.errors import error_body, not_enabled
from ..service import SteeringService
from . import access, json_views, operations

STATUS = {
    "registry_conflict": 409,
    "version_in_use": 409,
    "nothing_to_roll_back": 409,
    "vector_not_found": 404,
}
"""HTTP status of an error's code where the caller's next step is not to mend the request."""


class _Route(APIRoute):
    """Answers errors in OpenAI's shape, as every other route of the server does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except SteersmanError as error:
                status = STATUS.get(error.code, error.http_status)
                return Response(error_body(error), status, media_type="application/json")

        return answer


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Promote(_Body):
    """`vector` is name@version or name@alias; `expect` what the alias must name now (0: none)."""

    vector: str
    alias: str
    expect: int | None = Field(default=None, ge=0)


class Rollback(_Body):
    """`vector` is a name."""

    vector: str
    alias: str
    expect: int | None = Field(default=None, ge=0)


class Retire(_Body):
    """`vector` is name@version; `reason` is told to whoever names it."""

    vector: str
    reason: str = Field(default="", max_length=1000)


class Collect(_Body):
    """Removes the bytes of what was retired longer than `retired_for_days` ago."""

    dry_run: bool = True
    retired_for_days: float = Field(default=30.0, ge=0, le=36500)


def _service(request: Request) -> SteeringService:
    service: SteeringService | None = getattr(request.app.state, "steering", None)
    if service is None:
        raise not_enabled()
    access.check(service.admin, request.headers)
    return service


Service = Annotated[SteeringService, Depends(_service)]
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
router = APIRouter(prefix="/admin/v1", tags=["admin"], route_class=_Route)


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


@router.get("/vectors/{vector}")
async def show(service: Service, vector: str, model: Model = None) -> dict[str, Any]:
    """Shows one version: its card, norms per layer, presets with evidence."""
    snapshot = await service.store.current()
    return json_views.show_json(snapshot, _choose(service, model)(snapshot, parse_ref(vector)))


@router.get("/vectors/{vector}/export")
async def export_vector(
    service: Service, vector: str, file_format: str = "native", model: Model = None
) -> Response:
    """Gives the vector as a file of another format."""
    snapshot = await service.store.current()
    entry = _choose(service, model)(snapshot, parse_ref(vector))
    exported = export(await operations.read_vector(service.store, entry), file_format)
    name = f"{entry.name}-{entry.version}{EXPORT_FORMATS[file_format]}"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    if exported.notes:
        headers["x-steering-notes"] = json.dumps(exported.notes)
    return Response(exported.data, media_type="application/octet-stream", headers=headers)


@router.post("/push")
async def push(
    request: Request, service: Service, name: str | None = None, model: Model = None
) -> dict[str, Any]:
    """Registers the native vector file in the body for the base model on its card."""
    published = await operations.push(
        service.store, await _body(request), name=name, fingerprint=model, actor=_actor(request)
    )
    return {**json_views.entry_json(published), "created": published.created}


@router.post("/import")
async def import_vector(
    request: Request, service: Service, name: str, scale: Scale | None = None,
    filename: FileName = "",
) -> dict[str, Any]:  # fmt: skip
    """Registers the vector file in the body, of any format, for the model that is served."""
    file_name = re.split(r"[/\\]", filename)[-1]
    read = await asyncio.to_thread(
        operations.read_bytes_for_model, await _body(request), file_name, name, scale,
        service.shape,
    )  # fmt: skip
    published = await service.store.publish(
        read.vector, name=name, fingerprint=service.engine.fingerprint, actor=_actor(request)
    )
    return json_views.imported_json(published, read)


@router.get("/diff")
async def diff(service: Service, a: str, b: str, model: Model = None) -> dict[str, Any]:
    """Compares two versions: cosines per layer."""
    choose = _choose(service, model)
    return json_views.diff_json(
        await operations.diff(service.store, parse_ref(a), parse_ref(b), choose)
    )


@router.post("/promote")
async def promote(
    request: Request, service: Service, body: Promote, model: Model = None
) -> dict[str, Any]:
    """Points an alias at a version."""
    move = await operations.promote(
        service.store, parse_ref(body.vector), body.alias, _choose(service, model),
        actor=_actor(request), expect=body.expect,
    )  # fmt: skip
    return json_views.move_json(move)


@router.post("/rollback")
async def rollback(
    request: Request, service: Service, body: Rollback, model: Model = None
) -> dict[str, Any]:
    """Points an alias back at the version that it named before."""
    move = await operations.roll_back(
        service.store, body.vector, body.alias, _choose(service, model),
        actor=_actor(request), expect=body.expect,
    )  # fmt: skip
    return json_views.move_json(move)


@router.post("/retire")
async def retire(
    request: Request, service: Service, body: Retire, model: Model = None
) -> dict[str, Any]:
    """Refuses a version for new requests."""
    entry = await operations.retire(
        service.store, parse_ref(body.vector), _choose(service, model), actor=_actor(request),
        reason=body.reason,
    )  # fmt: skip
    return json_views.entry_json(entry)


@router.post("/gc")
async def gc(request: Request, service: Service, body: Collect) -> dict[str, Any]:
    """Removes the bytes that no usable version needs, or tells which."""
    collected = await operations.collect(
        service.store, keep_for=timedelta(days=body.retired_for_days), dry_run=body.dry_run,
        actor=_actor(request),
    )  # fmt: skip
    return json_views.collected_json(collected)


@router.get("/verify")
async def verify_registry(service: Service) -> dict[str, Any]:
    """Reads every vector and tells which are not what their digests say."""
    snapshot = await service.store.current()
    return json_views.verify_json(snapshot, await verify(service.store, snapshot))


@router.get("/stale")
async def stale(service: Service, model: Model = None) -> dict[str, Any]:
    """Lists the vectors that exist for other base models only."""
    fingerprint = model or service.engine.fingerprint
    return json_views.stale_json(
        fingerprint, stale_vectors(await service.store.current(), fingerprint)
    )


@router.get("/log")
async def log(
    service: Service, limit: Annotated[int, Query(ge=1, le=10_000)] = 100
) -> dict[str, Any]:
    """Lists changes, newest first."""
    return json_views.log_json(await service.store.log(limit=limit))


def _choose(service: SteeringService, model: str | None) -> operations.Choose:
    fingerprint = model or service.engine.fingerprint

    def choose(snapshot: RegistrySnapshot, ref: VectorRef) -> VectorEntry:
        return snapshot.find_any(ref, fingerprint)

    return choose


def _actor(request: Request) -> str:
    """Returns who is recorded: there is one admin key yet, so it is the address."""
    return f"admin API, {request.client.host if request.client else 'unix socket'}"


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > native.MAX_FILE_BYTES:
            raise CallerError(
                f"the body has more than {native.MAX_FILE_BYTES} bytes: not a vector",
                code="invalid_vector_file",
            )
        parts.append(part)
    return b"".join(parts)
