"""Vector files as the bodies of requests and answers: the largest that a server takes and gives."""

from __future__ import annotations

from fastapi import Request

from steersman_vectors.errors import CallerError
from steersman_vectors.registry.entry import VectorEntry

from .admin_edge import read_bytes

MAX_BYTES = 32 * 1024 * 1024
"""A vector at all of 80 layers of width 8192 has 2.5 MiB. A server that answers requests beside it
has no time for files of a hundred times that; a command has."""


async def read_file(request: Request, command: str) -> bytes:
    """Returns the file in the body. command: what registers a larger one.

    Raises `CallerError(file_too_large)`.
    """
    remedy = f"; `steersman vectors {command}` takes larger files"
    return await read_bytes(request, MAX_BYTES, "file_too_large", remedy)


def check_size(entry: VectorEntry, command: str) -> None:
    """Returns when a server may read the vector. command: what reads a larger one.

    Raises `CallerError(vector_too_large)`.
    """
    size = len(entry.card.layers) * entry.card.hidden_size * 4
    if size > MAX_BYTES:
        raise CallerError(
            f"vector {entry} is too large for HTTP: its directions have {size} bytes, more than "
            f"{MAX_BYTES}; `steersman vectors {command}` reads it",
            code="vector_too_large",
        )
