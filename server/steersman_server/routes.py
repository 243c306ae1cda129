"""`/v1/steering`: what requests may name, and how the steering path is doing."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from steersman_vectors.errors import OperatorError
from steersman_vectors.registry.entry import VectorEntry

from .access.middleware import CALLER
from .admission.inbound import LOCAL_CALLER, Caller
from .openai.errors import error_body, not_enabled
from .service import SteeringService
from .tenants.tenant import Tenant

router = APIRouter(prefix="/v1/steering", tags=["steering"])


@router.get("/vectors", response_model=None)
async def vectors(request: Request) -> dict[str, Any] | Response:
    """Lists the vectors that requests to this server may name, newest version of each."""
    service = _service(request)
    if service is None:
        return _not_enabled()
    caller: Caller = request.scope.get(CALLER, LOCAL_CALLER)
    snapshot = service.view.snapshot
    entries = snapshot.available(service.engine.fingerprint)
    return {
        "object": "list",
        "data": [
            _public(entry, service, caller.tenant)
            for entry in entries
            if caller.tenant.allows(entry.name)
        ],
        "revision": snapshot.revision,
    }


@router.get("/health")
async def health(request: Request) -> Response:
    """Tells the registry revision this process serves, and what every worker holds."""
    service = _service(request)
    if service is None:
        return _not_enabled()
    try:
        workers = await service.link.status()
    except OperatorError as error:
        return JSONResponse({"status": "failed", "message": error.message}, status_code=503)
    tested, age_s = set(service.self_test.layers), service.registry.age_s
    return JSONResponse(
        {
            "status": "degraded" if service.registry.stale else "ok",
            "fingerprint": service.engine.fingerprint,
            "assistant_scope": service.engine.assistant_scope is None,
            "registry": {
                "revision": service.view.snapshot.revision,
                "age_s": None if age_s is None else round(age_s, 3),
                "error": service.registry.error,
            },
            "processes": [report.as_json() for report in service.processes.read()],
            "self_test": {"status": "passed", "seconds": service.self_test.seconds},
            "workers": [
                {**worker, "self_test": sorted(set(worker["hooked"]) & tested)}
                for worker in workers
            ],
        }
    )


def _service(request: Request) -> SteeringService | None:
    """Returns the service, or None under plain vLLM."""
    return getattr(request.app.state, "steering", None)


def _not_enabled() -> Response:
    error = not_enabled()
    return Response(error_body(error), error.http_status, media_type="application/json")


def _public(entry: VectorEntry, service: SteeringService, tenant: Tenant) -> dict[str, Any]:
    card = entry.card
    return {
        "id": entry.name,
        "object": "steering.vector",
        "version": entry.version,
        "digest": entry.digest,
        "description": card.description,
        "layers": sorted(card.layers),
        "scale": card.scale,
        "scope": card.scope,
        "schedule": None if card.schedule is None else card.schedule.model_dump(mode="json"),
        "alpha_max": _lower(card.alpha_max, tenant.alpha_caps.get(entry.name)),
        "presets": {
            name: preset.model_dump(mode="json", exclude={"evidence"}, exclude_none=True)
            for name, preset in card.presets.items()
        },
        "servable": service.engine.why_not(card) is None,
    }


def _lower(limit: float | None, cap: float | None) -> float | None:
    """Returns the lower of the vector's own limit and the tenant's cap; None without any."""
    return min((x for x in (limit, cap) if x is not None), default=None)
