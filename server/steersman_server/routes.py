"""`/v1/steering`: what requests may name, and how the steering path is doing."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from steersman_vectors.errors import OperatorError
from steersman_vectors.registry.entry import VectorEntry

from .service import SteeringService

router = APIRouter(prefix="/v1/steering", tags=["steering"])


@router.get("/vectors")
async def vectors(request: Request) -> dict[str, Any]:
    """Lists the vectors that requests to this server may name, newest version of each."""
    service = _service(request)
    snapshot = service.registry.snapshot
    entries = snapshot.available(service.engine.fingerprint)
    return {
        "object": "list",
        "data": [_public(entry, service) for entry in entries],
        "revision": snapshot.revision,
    }


@router.get("/health")
async def health(request: Request) -> JSONResponse:
    """Tells the registry revision this process serves, and what every worker holds."""
    service = _service(request)
    try:
        workers = await service.link.status()
    except OperatorError as error:
        return JSONResponse({"status": "failed", "message": error.message}, status_code=503)
    degraded = service.registry.error is not None
    return JSONResponse(
        {
            "status": "degraded" if degraded else "ok",
            "fingerprint": service.engine.fingerprint,
            "assistant_scope": service.engine.assistant_scope is None,
            "registry": {
                "revision": service.registry.snapshot.revision,
                "age_s": round(service.registry.age_s, 3),
                "error": service.registry.error,
            },
            "workers": workers,
        }
    )


def _service(request: Request) -> SteeringService:
    service: SteeringService = request.app.state.steering
    return service


def _public(entry: VectorEntry, service: SteeringService) -> dict[str, Any]:
    card = entry.card
    return {
        "id": entry.name,
        "object": "steering.vector",
        "version": entry.version,
        "digest": entry.digest,
        "description": card.description,
        "layers": sorted(card.layers),
        "scale": card.scale,
        "alpha_max": card.alpha_max,
        "presets": {
            name: preset.model_dump(mode="json", exclude={"evidence"}, exclude_none=True)
            for name, preset in card.presets.items()
        },
        "servable": set(card.layers) <= service.engine.layers,
    }
