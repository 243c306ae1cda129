"""What runs beside the requests of an API process so that its metrics are true when scraped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from .catalogue import API_PROCESSES, INFO, SELF_TEST, SELF_TEST_SECONDS

log = structlog.get_logger("steersman.monitor")

FINGERPRINT_CHARS = 19
"""`sha256:` and twelve digits, as commands show it."""


def announce(
    *,
    version: str,
    vllm: str,
    model: str,
    fingerprint: str,
    self_test_seconds: float,
    api_processes: int,
) -> None:
    """Tells what runs, once its boot self-test has passed."""
    INFO.labels(version, vllm, model, fingerprint[:FINGERPRINT_CHARS]).set(1)
    API_PROCESSES.set(api_processes)
    SELF_TEST.set(1)
    SELF_TEST_SECONDS.set(self_test_seconds)


async def every(seconds: float, look: Callable[[], Awaitable[None]]) -> None:
    """Looks again and again until cancelled, whatever goes wrong."""
    while True:
        try:
            await look()
        except Exception:  # a fault of ours must not end the looking
            log.exception("watch_failed")
        await asyncio.sleep(seconds)
