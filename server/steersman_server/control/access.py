"""Who may use the admin API. Pure over the request's headers and the server's settings."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from steersman_vectors.errors import CallerError

ADMIN_KEY_ENV = "STEERSMAN_ADMIN_KEY"


class AdminAccess(BaseModel):
    """`key`: with the admin key; `loopback`: from this machine, without; `closed`: nobody."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["key", "loopback", "closed"] = "closed"
    key_sha256: str = ""


def admin_access(admin_key: str | None, *, has_api_key: bool, on_loopback: bool) -> AdminAccess:
    """Returns the access for a server with these settings.

    A server that asks callers for keys, or listens to other machines, asks operators for theirs.
    """
    if admin_key:
        return AdminAccess(mode="key", key_sha256=_sha256(admin_key))
    return AdminAccess(mode="loopback" if on_loopback and not has_api_key else "closed")


def check(access: AdminAccess, headers: Mapping[str, str]) -> None:
    """Raises `AccessError` unless a request with these headers may do anything."""
    if access.mode == "closed":
        raise AccessError(
            f"the admin API is closed: start the server with {ADMIN_KEY_ENV} set to a key of your "
            "own, and send it as 'Authorization: Bearer KEY'; or use `steersman` commands on its "
            "data directory",
            code="admin_closed",
        )
    if access.mode == "key":
        scheme, _, key = headers.get("authorization", "").partition(" ")
        known = hmac.compare_digest(_sha256(key.strip()), access.key_sha256)
        if scheme.lower() != "bearer" or not known:
            raise AccessError(
                "the admin API needs its key: send 'Authorization: Bearer KEY', with the key that "
                f"the server found in {ADMIN_KEY_ENV}",
                code="admin_key_wrong",
            )
        return
    # A web page that a browser on this machine shows must not reach in, under any name.
    for header in ("host", "origin"):
        name = _host_of(headers.get(header, "localhost"))
        if not is_loopback(name):
            raise AccessError(
                f"the admin API without a key is for this machine only: got {header} {name!r}. "
                f"Set {ADMIN_KEY_ENV} to serve others",
                code="admin_closed",
            )


class AccessError(CallerError):
    """The caller may not do this."""

    http_status = 403


def _host_of(text: str) -> str:
    try:
        return urlsplit(text if "://" in text else f"//{text}").hostname or text
    except ValueError:
        return text


def is_loopback(host: str) -> bool:
    """Returns whether `host` is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
