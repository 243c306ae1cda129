"""Keys out of the access log: somebody will put one into a URL.

Queries are left out as a whole: a key of another kind, or one that is percent-encoded, is not known
as a key.
"""

from __future__ import annotations

import logging
import re

from ..tenants.keys import TENANT_PREFIX

ACCESS_LOG = "uvicorn.access"
_KEY = re.compile(rf"({TENANT_PREFIX}[a-z-]*_[0-9a-f]{{8}}_)[A-Za-z0-9_%-]+")


def without_keys(text: str) -> str:
    """Returns the text with only the beginning of each key in it, by which people recognise it."""
    path, query, _ = text.partition("?")
    return _KEY.sub(r"\1...", path) + ("?..." if query else "")


class KeyFilter(logging.Filter):
    """Shortens keys in what a logger is given to fill in."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Takes every record."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                without_keys(arg) if isinstance(arg, str) else arg for arg in record.args
            )
        return True


def redact_access_log() -> None:
    """Keeps keys out of this process's access log."""
    logger = logging.getLogger(ACCESS_LOG)
    if not any(isinstance(known, KeyFilter) for known in logger.filters):
        logger.addFilter(KeyFilter())
