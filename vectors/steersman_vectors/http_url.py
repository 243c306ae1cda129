"""The address of a server, as an option of the command line gives it."""

from __future__ import annotations

import httpx

from .errors import CallerError


def server_url(text: str, option: str, expected: str) -> httpx.URL:
    """Returns the address: http or https, with a host, without query and fragment.

    option: of the command line, without dashes; expected: what to say that it should be. Raises
    `CallerError(invalid_option)`.
    """
    try:
        url = httpx.URL(text.strip())
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise CallerError(
            f"--{option}: got {text[:80]!r}, expected {expected}",
            code="invalid_option",
            param=option,
        )
    return url
