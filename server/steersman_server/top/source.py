"""Asks a server for its metrics and its health; whatever fails is one line with the remedy."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import httpx

from steersman_vectors.errors import CallerError, OperatorError, SteersmanError
from steersman_vectors.http_url import server_url

from ..access.settings import is_loopback
from .sample import Sample, Series, read_series

MAX_BYTES = 16 << 20
"""Of an answer, unpacked; 200 tenants take less than a hundredth."""
TIMEOUT_S = 10.0
SELDOM_S = 5.0
"""What is asked of the workers and the registry is asked this often at most."""
METRICS, HEALTH, BACKOFF = "/metrics", "/v1/steering/health", "/admin/v1/backoff"


class Source:
    """One server; keeps its connection open."""

    def __init__(self, url: str, key: str | None = None) -> None:
        """Checks the URL and the key; asks nothing yet. Raises `CallerError(invalid_option)`."""
        self.url = _checked_url(url)
        headers = {} if key is None else {"authorization": f"Bearer {_checked_key(key)}"}
        # Redirects are not followed: a key is for the server that was named. Nor does a proxy of
        # the environment stand between this machine and itself.
        environment = not is_loopback(httpx.URL(self.url).host)
        self._client = httpx.Client(headers=headers, timeout=TIMEOUT_S, trust_env=environment)
        self._with_key = key is not None
        self._seldom_at: float | None = None
        self._health: Mapping[str, Any] = {}
        self._scales: Mapping[str, float] | None = None

    def sample(self) -> Sample:
        """Returns what is so now.

        Raises:
            CallerError: the server wants a key, or another one.
            OperatorError: it does not answer (`server_unreachable`), not as it should
                (`server_answer`), or it has no Steersman (`steering_not_enabled`).
        """
        # Health first: it tells apart a server without Steersman, which has /metrics too.
        now = time.monotonic()
        if self._seldom_at is None or now - self._seldom_at >= SELDOM_S:
            self._health = self._read_health()
            self._scales = self._read_scales()
            self._seldom_at = now
        try:
            series = self._read_series()
        except SteersmanError:
            self._seldom_at = None  # whatever is there next may be another server
            raise
        return Sample(time.monotonic(), time.time(), series, self._health, self._scales)

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()

    def _read_series(self) -> Series:
        status, body = self._get(METRICS)
        if status != 200:
            raise self._odd(METRICS, f"HTTP {status}")
        try:
            return read_series(body.decode())
        except (ValueError, KeyError, IndexError) as error:  # what the parser makes of nonsense
            raise self._odd(METRICS, f"no metrics ({error})") from error

    def _read_health(self) -> Mapping[str, Any]:
        status, body = self._get(HEALTH)
        answer = _json(body)
        code = _error(answer).get("code")
        if status == 404 or code == "steering_not_enabled":
            raise OperatorError(
                f"{self.url} runs without Steersman, so there is nothing to show; start it with "
                "`steersman serve`, or name another with --url",
                code="steering_not_enabled",
            )
        if status not in (200, 503) or not isinstance(answer, dict) or "status" not in answer:
            raise self._odd(HEALTH, f"HTTP {status}")
        return answer

    def _read_scales(self) -> Mapping[str, float] | None:
        """Returns who is backed off; None where the server, or its registry, does not tell."""
        try:
            status, body = self._get(BACKOFF)
        except CallerError:  # health was for this key, and this is not: then it is left out
            return None
        answer = _json(body) if status == 200 else None
        listed = answer.get("backoffs") if isinstance(answer, dict) else None
        if not isinstance(listed, list):
            return None
        told = [each for each in listed if isinstance(each, dict)]
        return {
            str(each["tenant"]): float(scale)
            for each in told
            if isinstance(scale := each.get("scale"), int | float)
            and scale < 1
            and "tenant" in each
        }

    def _get(self, path: str) -> tuple[int, bytes]:
        """Returns status and body; raises for 401 and 403, and where there is no whole answer."""
        began, body = time.monotonic(), bytearray()
        try:
            with self._client.stream("GET", self.url + path) as answer:
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        raise self._odd(path, f"more than {MAX_BYTES >> 20} MiB")
                    if time.monotonic() - began > TIMEOUT_S:
                        raise httpx.ReadTimeout("too slow")
                status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise OperatorError(
                f"no answer from {self.url}: {_why(error)}. Is the server running? Start it with "
                "`steersman serve`, or name it with --url",
                code="server_unreachable",
            ) from error
        if status in (401, 403):
            raise self._no_entry(_error(_json(bytes(body))))
        return status, bytes(body)

    def _no_entry(self, error: Mapping[str, Any]) -> CallerError:
        said = str(error.get("message") or "it refuses")[:300].rstrip(".")
        remedy = (
            "Use a key with the role viewer, operator or admin"
            if self._with_key
            else "Set STEERSMAN_ADMIN_KEY, or give --key, with a key of the role viewer or more "
            "(`steersman keys create --role viewer`)"
        )
        code = error.get("code")
        return CallerError(
            f"{self.url} does not let this look: {said}. {remedy}",
            code=code if isinstance(code, str) else "key_refused",
        )

    def _odd(self, path: str, got: str) -> OperatorError:
        return OperatorError(
            f"{self.url}{path} answered with {got}, expected what `steersman serve` answers; is "
            "--url the address of a Steersman server?",
            code="server_answer",
        )


def _checked_url(text: str) -> str:
    url = server_url(text, "url", "the address of a server, such as http://127.0.0.1:8000")
    # What OpenAI clients call their base URL is understood, too.
    return str(url).rstrip("/").removesuffix("/v1")


def _checked_key(key: str) -> str:
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable():
        raise CallerError(
            "--key: got something that is no key, expected what `steersman keys create --role "
            "viewer` printed",
            code="invalid_option",
            param="key",
        )
    return key


def _why(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"not within {TIMEOUT_S:g} s"
    return str(error) or type(error).__name__


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _error(answer: Any) -> Mapping[str, Any]:
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, dict) else {}
