"""Connections to Redis or Valkey, and the one place where their errors become ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, quote, urlsplit

import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ..errors import OperatorError

QUICK_TIMEOUT_S = 0.5
"""For what a waiting request may depend on."""
BULK_TIMEOUT_S = 10.0
"""For changes, blobs and whole snapshots, which no request waits for: a busy disk may take seconds
to acknowledge a change."""
FOREIGN_ERRORS = (redis.exceptions.RedisError, OSError, ValueError)
"""What the client library raises; ValueError for a URL or an argument it does not understand."""


def connect(
    url: str, *, reply_timeout_s: float, connect_timeout_s: float = QUICK_TIMEOUT_S,
    reconnects: int = 0,
) -> redis.asyncio.Redis:  # fmt: skip
    """Returns a client that fails when a reply takes longer.

    reconnects: how often a command is sent again over a new connection where the one at hand turns
    out to be closed, as all of them are after a restart of Redis; never within a transaction.
    Raises `OperatorError(redis_url_invalid)` for a URL of another form, without repeating it.
    """
    retry = Retry(NoBackoff(), reconnects, (redis.exceptions.ConnectionError,))
    try:
        _check_form(url)
        client = redis.asyncio.Redis.from_url(
            url,
            socket_connect_timeout=connect_timeout_s,
            socket_timeout=reply_timeout_s,
            retry=retry,
            health_check_interval=0,
        )
        # Opens none, but meets options that nobody knows.
        client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        return client
    except TypeError as error:
        option = str(error).rpartition("argument ")[2]
        raise OperatorError(
            f"the Redis URL has an option that is not known: {option[:80]}. For TLS: "
            "?ssl_ca_certs=FILE, ssl_certfile, ssl_keyfile, ssl_cert_reqs",
            code="redis_url_invalid",
        ) from None
    except ValueError:
        raise OperatorError(
            "the Redis URL cannot be read. Expected redis://[NAME:PASSWORD@]HOST[:PORT][/DB], the "
            "same with rediss:// for TLS, or unix://PATH. Write '/', '?', '#', '@' and '%' in a "
            "password as %2F, %3F, %23, %40 and %25, or give it in STEERSMAN_REDIS_PASSWORD",
            code="redis_url_invalid",
        ) from None


_REMOTE = "Check that Redis or Valkey runs there and is reachable"
_PRIVATE = "The valkey.log beside that socket tells why; a full disk ends it, for example"


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Turns every error of the client library and the socket into `registry_unavailable`."""
    try:
        yield
    except FOREIGN_ERRORS as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise OperatorError(
            f"the registry at {without_secrets(url)} does not answer as expected: {reason}. "
            + (_PRIVATE if url.startswith("unix:") else _REMOTE),
            code="registry_unavailable",
        ) from error


def with_credentials(url: str, username: str | None, password: str | None) -> str:
    """Returns the Redis URL with this name and password, unless it has some of its own."""
    scheme, separator, rest = url.partition("://")
    host = rest.partition("?")[0].partition("/")[0]
    if not (username or password) or "@" in host:
        return url
    name = quote(username or "", safe="")
    return f"{scheme}{separator}{name}:{quote(password or '', safe='')}@{rest}"


def without_secrets(url: str) -> str:
    """Returns a Redis URL for people and logs: without name, password and options."""
    try:
        _check_form(url)
    except ValueError:
        return "the given URL"
    scheme, separator, rest = url.partition("?")[0].partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def identity(url: str) -> str:
    """Returns which database a Redis URL means, whoever asks: no name, password or TLS options."""
    databases = [value for key, value in parse_qsl(urlsplit(url).query) if key == "db"]
    return "?db=".join([without_secrets(url), *databases])


def _check_form(url: str) -> None:
    """Raises `ValueError` unless it is clear which part of the URL is the password."""
    parts = urlsplit(url)
    named = bool(parts.path) if parts.scheme == "unix" else bool(parts.hostname)
    known = parts.scheme in ("redis", "rediss", "unix") and url.startswith(f"{parts.scheme}://")
    # A password with a '/', '?' or '#' in it ends the host early, and an '@' is left behind it.
    if not (known and named) or "@" in parts.path + parts.query + parts.fragment:
        raise ValueError("not a Redis URL")
    if parts.scheme != "unix":
        if parts.path.strip("/") and not parts.path.strip("/").isdigit():
            raise ValueError("the database is no number")
        _ = parts.port  # raises for what is no number
