"""Names of files that come from a card or a registry."""

from __future__ import annotations

MAX_CHARS = 100


def safe_name(name: str) -> str:
    """Returns the name as one that names a file in its folder and nothing else.

    What is no letter, digit or usual sign is left out; the end is kept, where the suffix is.
    """
    kept = "".join(c for c in name if c.isprintable() and c not in "/\\:")[-MAX_CHARS:]
    while len(kept.encode()) > MAX_CHARS:
        kept = kept[1:]
    return kept if kept.strip(". ") else "data"
