"""Replies of judging models on disk, so that none is paid for twice.

One file per reply, named by a hash of all that was asked, which appears whole or not at all: a
crash leaves no half of one, and processes share a folder without a lock. A file that is not what it
should be is no reply, and is written again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ..errors import OperatorError
from ..whole_file import write_whole

VERSION = 1


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model replied, and what that took."""

    text: str
    finish_reason: str | None
    prompt_tokens: int
    reply_tokens: int


@dataclass(frozen=True, slots=True)
class _Kept:
    key: str
    reply: Reply


_KEPT = TypeAdapter(_Kept)


def key_of(**asked: Any) -> str:
    """Returns the name of a reply: sha256 of everything that it depends on, as canonical JSON."""
    text = json.dumps({"version": VERSION, **asked}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class ReplyCache:
    """Replies in a folder, which is made when the first one comes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> Reply | None:
        """Returns the reply, or None where there is none or it is damaged."""
        try:
            kept = _KEPT.validate_json(self._path(key).read_bytes())
        except (OSError, ValueError):
            return None
        return kept.reply if kept.key == key else None

    def put(self, key: str, reply: Reply) -> None:
        """Keeps a reply; raises `OperatorError(cache_unwritable)`."""
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, _KEPT.dump_json(_Kept(key, reply)), durable=True)
        except OSError as error:
            raise OperatorError(
                f"{self.folder}: a reply cannot be kept ({error.strerror or error}), and asking on "
                "would pay for what is lost; choose another --cache, or make room",
                code="cache_unwritable",
            ) from None

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"
