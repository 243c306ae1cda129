"""Frames one after another, for programs, pipes and files."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from steersman_vectors.errors import SteersmanError

from .frame import Frame
from .history import History
from .source import Source


def frames(source: Source, interval_s: float) -> Iterator[Frame | SteersmanError]:
    """Yields a frame an interval, or why there is none.

    Raises what `Source.sample` raises where there has been no sample yet.
    """
    history, due = History(), time.monotonic()
    history.add(source.sample())
    while True:
        due = max(due + interval_s, time.monotonic())
        time.sleep(max(due - time.monotonic(), 0.0))
        try:
            frame = history.add(source.sample())
        except SteersmanError as error:
            yield error
            continue
        if frame is not None:
            yield frame


def line(outcome: Frame | SteersmanError, tenant: str | None = None) -> str:
    """Returns one line of JSON; tenant: the only one to be among the tenants."""
    if isinstance(outcome, SteersmanError):
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        error = {"message": outcome.message, "code": outcome.code, "param": outcome.param}
        return json.dumps({"at": at, "error": error})
    body: dict[str, Any] = outcome.as_json()
    if tenant is not None:
        body["tenants"] = [each for each in body["tenants"] if each["name"] == tenant]
    return json.dumps(body)
