"""Texts as they are compared: differences that no reader would see are folded away."""

from __future__ import annotations

import unicodedata


def fold(text: str) -> str:
    """Returns the text in Unicode NFKC, with every run of white space as one blank."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def fold_case(text: str) -> str:
    """Returns the same without regard to capitals."""
    return fold(fold(text).casefold())
