"""`/v1/models` with the profiles in it, listed beneath their base model as LoRA adapters are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.types import Message, Send

from ..policies.profile import Profile

MAX_BYTES = 4 * 1024 * 1024


class ModelList:
    """An ASGI `send` that adds the profiles to a successful answer of `/v1/models`."""

    def __init__(self, profiles: Iterable[str], models: Iterable[str], send: Send) -> None:
        self._profiles = tuple(profiles)
        self._models = frozenset(models)
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        """Passes one ASGI message on, held back until the whole list is there."""
        if message["type"] == "http.response.start" and message["status"] == 200:
            self._start = message
            return
        if self._start is None or message["type"] != "http.response.body":
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body", False) and len(self._body) < MAX_BYTES:
            return
        body = _with_profiles(self._body, self._profiles, self._models)
        start, self._start = self._start, None
        headers = [
            (k, str(len(body)).encode() if k.lower() == b"content-length" else v)
            for k, v in start["headers"]
        ]
        await self._send({**start, "headers": headers})
        await self._send({**message, "body": body})


def profiles_of(profiles: Mapping[str, Profile], tenant: str) -> list[str]:
    """Returns the profiles that a tenant may choose."""
    return [name for name, profile in profiles.items() if profile.is_for(tenant)]


def _with_profiles(body: bytes, profiles: Iterable[str], models: frozenset[str]) -> bytes:
    try:
        listed = json.loads(body)
        cards: list[dict[str, Any]] = listed["data"]
        bases = [card for card in cards if card["id"] in models]
    except (ValueError, KeyError, TypeError):
        return body
    for base in bases:
        for name in profiles:
            known: dict[str, Any] = {
                k: base[k] for k in ("object", "created", "owned_by") if k in base
            }
            cards.append({"id": f"{base['id']}:{name}", **known, "root": base["id"],
                          "parent": base["id"]})  # fmt: skip
    return json.dumps(listed).encode()
