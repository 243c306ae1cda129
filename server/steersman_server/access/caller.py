"""Who is calling: from a request's headers to a tenant or an operator. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from ..admission.inbound import LOCAL_CALLER, Caller
from ..admission.refusals import NotAllowedError, UnauthenticatedError
from ..configuration import Configuration
from ..tenants.keys import ApiKey, Role, hash_key, includes, is_ours
from .settings import ADMIN_KEY_ENV, AccessSettings, is_loopback


@dataclass(frozen=True, slots=True)
class Operator:
    """Who uses the admin API."""

    name: str
    """As the audit shows it; never the key."""
    role: Role
    has_key: bool = True
    """False on a server that asks nobody for keys."""


def find_caller(
    settings: AccessSettings, configuration: Configuration, headers: Mapping[str, str],
    now: datetime,
) -> Caller:  # fmt: skip
    """Returns whose request it is.

    Raises `UnauthenticatedError`: invalid_api_key, api_key_expired, api_key_revoked.
    """
    secret = presented_key(headers)
    digest = None if secret is None else hash_key(secret)
    if digest in settings.api_keys:
        return LOCAL_CALLER
    found = None if digest is None else configuration.keys.get(digest)
    if found is None:
        # A key that was deleted with its tenant, the last one, must not open more than it did.
        made_here = secret is not None and is_ours(secret)
        if settings.callers_without_key and not configuration.has_keys and not made_here:
            _check_local(headers)
            return LOCAL_CALLER
        got = "none" if secret is None else "one that this server does not know"
        raise UnauthenticatedError(
            f"an API key is needed, got {got}: send 'Authorization: Bearer KEY'. An operator makes "
            "one with `steersman keys create --tenant NAME`",
            code="invalid_api_key",
        )
    key_id, key = found
    _check_active(key_id, key, now)
    tenant = None if key.tenant is None else configuration.tenants.get(key.tenant)
    if key.tenant is None or tenant is None:
        raise UnauthenticatedError(
            f"the key {key_id} is an operator's, and this route is for tenants: make a key with "
            "`steersman keys create --tenant NAME`",
            code="invalid_api_key",
        )
    return Caller(key.tenant, tenant, key_id)


def find_operator(
    settings: AccessSettings, configuration: Configuration, headers: Mapping[str, str],
    now: datetime,
) -> Operator:  # fmt: skip
    """Returns which operator it is.

    Raises `UnauthenticatedError`: admin_key_wrong, api_key_expired, api_key_revoked; or
    `NotAllowedError`: admin_closed, keys_required.
    """
    secret = presented_key(headers)
    digest = None if secret is None else hash_key(secret)
    if digest is not None and digest == settings.admin_key:
        return Operator(f"key from {ADMIN_KEY_ENV}", "admin")
    found = None if digest is None else configuration.keys.get(digest)
    if found is not None and found[1].role is not None:
        key_id, key = found
        _check_active(key_id, key, now)
        return Operator(f"{key.label or 'operator'} (key {key_id})", found[1].role)
    made_here = secret is not None and is_ours(secret)
    if settings.admin_key is not None or configuration.has_admin_keys or made_here:
        raise UnauthenticatedError(
            "this needs an operator's key: send 'Authorization: Bearer KEY' with one made by "
            f"`steersman keys create --role ROLE`, or the one in {ADMIN_KEY_ENV}",
            code="admin_key_wrong",
        )
    if not settings.operators_without_key or configuration.has_keys:
        raise NotAllowedError(
            "this is for operators, and there is no operator's key: make one with `steersman keys "
            f"create --role admin`, or start the server with {ADMIN_KEY_ENV} set; the `steersman` "
            "command works on the registry without any",
            code="admin_closed",
        )
    _check_local(headers)
    return Operator("this machine, without a key", "admin", has_key=False)


def check_role(operator: Operator, needed: Role) -> None:
    """Raises `NotAllowedError(role_too_low)` unless the operator may do what `needed` may."""
    if not includes(operator.role, needed):
        raise NotAllowedError(
            f"this needs the role {needed!r}; your key has {operator.role!r}", code="role_too_low"
        )


def presented_key(headers: Mapping[str, str]) -> str | None:
    """Returns the key that a request brings, as OpenAI's or Anthropic's clients do."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key") or None


def _check_active(key_id: str, key: ApiKey, now: datetime) -> None:
    state = key.state(now)
    if state != "active":
        what = "was revoked" if state == "revoked" else "has expired"
        raise UnauthenticatedError(
            f"the key {key_id} {what}; ask an operator for a new one", code=f"api_key_{state}"
        )


PASSED_ON = ("forwarded", "x-forwarded-for", "x-real-ip")
"""What proxies say about whom they speak for."""


def _check_local(headers: Mapping[str, str]) -> None:
    for header in PASSED_ON:
        if header in headers:
            raise NotAllowedError(
                f"a server without keys is for this machine only, and a proxy passed this on (it "
                f"says {header}). Make keys with `steersman keys create`, or set {ADMIN_KEY_ENV}",
                code="keys_required",
            )
    # A web page that a browser on this machine shows must not reach in, under any name.
    for header in ("host", "origin"):
        name = _host_of(headers.get(header, "localhost"))
        if not is_loopback(name):
            raise NotAllowedError(
                f"a server without keys is for this machine only: got {header} {name[:80]!r}. "
                f"Make keys with `steersman keys create`, or set {ADMIN_KEY_ENV}",
                code="keys_required",
            )


def _host_of(text: str) -> str:
    try:
        return urlsplit(text if "://" in text else f"//{text}").hostname or text
    except ValueError:
        return text
