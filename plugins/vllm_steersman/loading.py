"""Loading vectors beside the engine's steps: verified and unpacked in a thread of its own.

A worker answers one call at a time, between steps. Loading a vector of every layer of a large model
takes a millisecond (hash, parse, check), which no running request should wait for: a call hands the
bytes over, a later one collects what came of it.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from steersman_vectors.errors import SteersmanError

from .resident import ResidentVectors

KEPT_RESULTS = 4096
"""Results are kept, as a caller asks again while other ranks are not ready yet."""


class BackgroundLoader:
    """Loads into one worker's `ResidentVectors`, in the order of the calls."""

    def __init__(self, resident: ResidentVectors) -> None:
        self._resident = resident
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="steersman-load")
        self._results: dict[str, Future[dict[str, Any]]] = {}

    def start(self, ticket: str, data: bytes) -> None:
        """Starts to load `data` under a ticket that the caller has made up."""
        if len(self._results) >= KEPT_RESULTS:
            del self._results[next(iter(self._results))]
        self._results[ticket] = self._thread.submit(self._load, data)

    def collect(self, ticket: str) -> dict[str, Any]:
        """Returns {"pending": True}, then {"digest", "reach"} or {"error", "code"}."""
        result = self._results.get(ticket)
        if result is None:
            return {"error": f"nothing is being loaded as {ticket}", "code": "engine_unavailable"}
        if not result.done():
            return {"pending": True}
        answer = result.result()
        digest = answer.get("digest")
        if digest is not None and digest not in self._resident:
            return {
                "error": f"vector {digest} was unloaded while it was being loaded. Load it again",
                "code": "vector_not_resident",
            }
        return answer

    def _load(self, data: bytes) -> dict[str, Any]:
        try:
            digest, reach = self._resident.load(data)
        except SteersmanError as error:
            return {"error": error.message, "code": error.code}
        except Exception as error:  # a worker's thread has nobody to raise to
            return {"error": f"{type(error).__name__}: {error}", "code": "internal_error"}
        return {"digest": digest, "reach": list(reach)}
