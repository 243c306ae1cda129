"""What the operator who starts a server says about access; fixed for the server's life."""

from __future__ import annotations

import ipaddress

from pydantic import BaseModel, ConfigDict

from ..tenants.keys import hash_key

ADMIN_KEY_ENV = "STEERSMAN_ADMIN_KEY"


class AccessSettings(BaseModel):
    """Travels to the API processes; holds hashes of keys only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_keys: tuple[str, ...] = ()
    """sha256 of each --api-key: callers with one are the tenant `local`, without limits."""
    admin_key: str | None = None
    """sha256 of the key in STEERSMAN_ADMIN_KEY, which has the role `admin`."""
    on_loopback: bool = True
    """Whether only this machine can connect."""
    opened: tuple[str, ...] = ()
    """Paths given with --open-route."""
    public: tuple[str, ...] = ()
    """Paths given with --public-route."""

    @property
    def callers_without_key(self) -> bool:
        """Returns whether callers need no key as long as there is no tenant."""
        return self.on_loopback and not self.api_keys

    @property
    def operators_without_key(self) -> bool:
        """Returns whether operators need no key as long as there is no tenant."""
        return self.callers_without_key and self.admin_key is None


def access_settings(
    *, api_keys: tuple[str, ...], admin_key: str | None, on_loopback: bool,
    opened: tuple[str, ...] = (), public: tuple[str, ...] = (),
) -> AccessSettings:  # fmt: skip
    """Returns the settings; keys are forgotten but for their hashes."""
    return AccessSettings(
        api_keys=tuple(hash_key(key.strip()) for key in api_keys),
        admin_key=hash_key(admin_key.strip()) if admin_key and admin_key.strip() else None,
        on_loopback=on_loopback,
        opened=opened,
        public=public,
    )


def is_loopback(host: str) -> bool:
    """Returns whether `host` is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
