"""A classifier behind HTTP, with a timeout and a stated fallback.

    POST url  {"text": "...", "context": ["earlier", ...]}
    200       {"label": "billing" | null, "score": 0.93}

Whatever else comes, or comes late, is a failure: the fallback answers, with the source `fallback`.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .breaker import Breaker
from .config import HttpConfig, Score, safety_of
from .contract import Intent, IntentClassifier
from .user_turn import UserTurn

SOURCE, FALLBACK = "http", "fallback"
MAX_ANSWER_BYTES = 64 * 1024

log = structlog.get_logger(__name__)


class Answer(BaseModel):
    """What the service says; it may say more."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    label: str | None
    score: Score = Field(strict=True)


class Abstain:
    """The fallback that never knows."""

    labels: tuple[str, ...] = ()
    safety_labels: frozenset[str] = frozenset()

    async def classify(self, turn: UserTurn) -> Intent:  # noqa: ARG002
        """Returns no label."""
        return Intent(None, 0.0, None, FALLBACK)

    async def aclose(self) -> None:
        """Does nothing: there is nothing to close."""


class HttpClassifier:
    """Asks the service over connections that are kept open."""

    def __init__(self, config: HttpConfig, fallback: IntentClassifier) -> None:
        self.labels = tuple(dict.fromkeys([*config.labels, *fallback.labels]))
        own_safety = safety_of(config.labels, config.safety_labels)
        self.safety_labels = own_safety | fallback.safety_labels
        self.config, self.fallback = config, fallback
        self.breaker = Breaker(config.failures_to_open, config.open_s)
        limits = httpx.Limits(
            max_connections=config.max_connections,
            max_keepalive_connections=config.max_connections,
        )
        self._client = httpx.AsyncClient(
            timeout=config.timeout_s,
            limits=limits,
            headers=config.headers,
            follow_redirects=False,
            trust_env=False,
        )

    async def classify(self, turn: UserTurn) -> Intent:
        """Returns the service's intent, or the fallback's within `timeout_s`."""
        if not self.breaker.may_ask():
            return await self._fall_back(turn)
        try:
            async with asyncio.timeout(self.config.timeout_s):
                answer = await self._ask(turn)
        except (httpx.HTTPError, TimeoutError, ValueError, RecursionError) as error:
            self.breaker.failed()
            if self.breaker.failures == self.breaker.failures_to_open:
                log.warning("intent service fails; its fallback answers", error=_said(error))
            return await self._fall_back(turn)
        self.breaker.succeeded()
        label = answer.label if answer.score >= self.config.threshold else None
        return Intent(label, answer.score, answer.label, SOURCE)

    async def aclose(self) -> None:
        """Closes the connections and the fallback's."""
        await self._client.aclose()
        await self.fallback.aclose()

    async def _ask(self, turn: UserTurn) -> Answer:
        body = {"text": turn.text, "context": list(turn.context)}
        url = str(self.config.url)
        async with self._client.stream("POST", url, json=body) as response:
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"status {response.status_code}, expected 200")
            data = b""
            async for piece in response.aiter_bytes():
                data += piece
                if len(data) > MAX_ANSWER_BYTES:
                    raise ValueError(f"more than {MAX_ANSWER_BYTES} bytes")
        return self._checked(json.loads(data))

    def _checked(self, value: Any) -> Answer:
        answer = Answer.model_validate(value)
        if answer.label is not None and answer.label not in self.config.labels:
            raise ValueError(f"label {answer.label!r:.80} is none of the configured ones")
        return answer

    async def _fall_back(self, turn: UserTurn) -> Intent:
        found = await self.fallback.classify(turn)
        return Intent(found.label, found.score, found.best, FALLBACK)


def _said(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return f"answer not understood: {error.errors(include_url=False)[0]['msg']}"
    return f"{type(error).__name__}: {str(error)[:200]}"
