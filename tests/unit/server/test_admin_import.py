"""`POST /admin/v1/import` as curl would send it: a body, and what the query says of it."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import torch
from fastapi import FastAPI

from steersman_server.access.caller import Operator
from steersman_server.access.middleware import OPERATOR
from steersman_server.control.vector_routes import router
from steersman_vectors.model_dir import ModelShape
from steersman_vectors.registry.embedded import open_registry
from steersman_vectors.registry.store import RegistryStore
from tests.unit.vectors.samples import FP_A, HIDDEN, LAYERS


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    with open_registry(tmp_path) as registry:
        async with RegistryStore(registry.url) as store:
            app = FastAPI()
            app.include_router(router)
            app.state.steering = SimpleNamespace(
                store=store,
                shape=ModelShape(num_layers=LAYERS, hidden_size=HIDDEN),
                engine=SimpleNamespace(fingerprint=FP_A),
            )  # fmt: skip

            async def let_in(scope: Any, receive: Any, send: Any) -> None:
                await app({**scope, OPERATOR: Operator("ann", "admin")}, receive, send)

            url, transport = "http://localhost/admin/v1", httpx.ASGITransport(let_in)
            async with httpx.AsyncClient(base_url=url, transport=transport) as client:
                yield client


def saved(tensor: torch.Tensor) -> bytes:
    file = io.BytesIO()
    torch.save(tensor, file)
    return file.getvalue()


async def post(admin: httpx.AsyncClient, data: bytes, **query: str) -> tuple[int, Any]:
    answer = await admin.post("/import", params={"name": "calm", **query}, content=data)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    "filename", ["layer_2.pt", "caa/layer_2.pt", "../../layer_2.pt", "C:\\caa\\layer_2.pt"]
)
async def test_the_base_name_of_the_file_tells_the_layer(
    admin: httpx.AsyncClient, filename: str
) -> None:
    status, told = await post(admin, saved(torch.ones(HIDDEN)), filename=filename)
    assert (status, told["layers"], told["format"]) == (200, [2], "torch")


async def test_without_a_name_that_tells_it_the_layer_is_not_guessed(
    admin: httpx.AsyncClient,
) -> None:
    data = saved(torch.ones(HIDDEN))
    for query in ({}, {"filename": "v.pt"}, {"filename": "layer_2.pt/"}, {"filename": ".."}):
        status, told = await post(admin, data, **query)
        assert (status, told["error"]["code"]) == (400, "invalid_vector_file")
        assert "layer_<l>.pt" in told["error"]["message"]
    status, told = await post(admin, data, filename=f"layer_{LAYERS}.pt")
    assert (status, told["error"]["code"]) == (400, "layer_out_of_range")


async def test_a_matrix_needs_no_name(admin: httpx.AsyncClient) -> None:
    rows = torch.ones(LAYERS + 1, HIDDEN)
    status, told = await post(admin, saved(rows))
    assert (status, told["layers"]) == (200, list(range(LAYERS)))


@pytest.mark.parametrize("filename", ["layer_2.pt\n", "a\x00b", "x" * 2000])
async def test_a_name_that_no_file_has_is_refused(admin: httpx.AsyncClient, filename: str) -> None:
    status, _ = await post(admin, saved(torch.ones(HIDDEN)), filename=filename)
    assert status == 400
