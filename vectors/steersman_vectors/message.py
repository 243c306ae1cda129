"""One turn of a chat, as chat templates read it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """Who says what."""

    role: str
    content: str

    def as_json(self) -> dict[str, str]:
        """Returns it as chat templates and OpenAI's API want it."""
        return {"role": self.role, "content": self.content}
