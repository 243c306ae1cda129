"""A chat endpoint with OpenAI's API, whoever serves it: asked with patience."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import httpx

from ..errors import CallerError, OperatorError, SteersmanError
from ..http_url import server_url

MAX_BYTES = 16 << 20
"""Of an answer."""
TIMEOUT_S = 300.0
CONNECT_S = 10.0
AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses that pass."""
NOT_THERE = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.InvalidURL,
    httpx.UnsupportedProtocol,
)
"""Nobody answers there, while a connection that breaks off was one."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often, and after which pause, a request is made again."""

    attempts: int = 6
    first_s: float = 1.0
    longest_s: float = 60.0

    def pause_s(self, failed: int, retry_after: str | None, chance: float) -> float:
        """Returns the pause after so many failures: what the server says, or twice the last.

        chance: 0 to 1; spreads the requests of several workers over half of the pause.
        """
        said = _seconds(retry_after)
        pause = self.first_s * 2 ** (failed - 1) if said is None else said
        return min(self.longest_s, pause) * (1 - chance / 2 if said is None else 1)


@dataclass(frozen=True, slots=True)
class Said:
    """What the model answered."""

    text: str
    finish_reason: str | None
    prompt_tokens: int
    answer_tokens: int
    """As the server counts them; else a quarter of the characters."""

    @property
    def tokens(self) -> int:
        """Returns those of prompt and answer together."""
        return self.prompt_tokens + self.answer_tokens


class ChatEndpoint:
    """Asks one model; keeps its connections open. An async context manager."""

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        key: str | None = None,
        options: Mapping[str, Any] | None = None,
        patience: Patience = Patience(),
        connections: int = 8,
    ) -> None:
        """Checks the URL; asks nothing yet.

        Args:
            url: The base URL, as OpenAI's clients take it.
            model: None: the only one that the server has.
            key: Sent as a bearer token.
            options: More fields of each request, such as `temperature`.
            patience: With a server that is busy.
            connections: At once.

        Raises:
            CallerError: `invalid_option`.
        """
        self.url = base_url(url)
        self.model = model
        self._options, self._patience = dict(options or {}), patience
        self._reached = False
        self._client = httpx.AsyncClient(
            headers={} if key is None else {"authorization": f"Bearer {_checked_key(key)}"},
            timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=connections),
            # A key is for the server that was named, and no proxy stands between this machine and
            # itself.
            follow_redirects=False,
            trust_env=not _is_loopback(httpx.URL(self.url).host),
        )

    async def __aenter__(self) -> ChatEndpoint:
        """Finds the model if none was named."""
        try:
            if self.model is None:
                self.model = only_model(await self._ask("GET", "/models"), self.url)
        except BaseException:
            await self._client.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def ask(self, text: str, **options: Any) -> Said:
        """Returns the answer to one user turn.

        Raises:
            CallerError: `endpoint_unauthorized`, `endpoint_not_found`, `endpoint_refused`.
            OperatorError: `endpoint_unreachable`, `endpoint_busy` after all attempts,
                `endpoint_answer` when it answers what no OpenAI server does.
        """
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": text}],
            **self._options,
            **options,
        }
        return self._read(await self._ask("POST", "/chat/completions", body), len(text))

    def _read(self, value: Any, asked_chars: int) -> Said:
        try:
            choice = value["choices"][0]
            text = choice["message"].get("content") or ""
            if not isinstance(text, str):
                raise TypeError
        except (KeyError, IndexError, TypeError, AttributeError):
            raise self._odd(f"{json.dumps(value)[:80]}") from None
        prompt, answer = _counted(value.get("usage"), asked_chars // 4, len(text) // 4)
        return Said(text, choice.get("finish_reason"), prompt, answer)

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        failure: SteersmanError | None = None
        for attempt in range(1, self._patience.attempts + 1):
            after: str | None = None
            try:
                status, data, after = await self._once(method, path, body)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                failure = OperatorError(
                    f"cannot reach {self.url} ({str(error) or type(error).__name__}, {attempt} "
                    "attempts); is the server running, and --endpoint its address?",
                    code="endpoint_unreachable",
                )
                if not self._reached and isinstance(error, NOT_THERE):
                    raise failure from None  # it has never been there: waiting is for the busy
            else:
                self._reached = True
                if status == httpx.codes.OK:
                    return self._json(data)
                if status not in AGAIN:
                    raise self._refusal(status, path, data)
                failure = OperatorError(
                    f"{self.url} answers with status {status} after {attempt} attempts: "
                    f"{_message(data)}; try again later, or with fewer at once (--concurrency)",
                    code="endpoint_busy",
                )
            if attempt < self._patience.attempts:
                await asyncio.sleep(self._patience.pause_s(attempt, after, random.random()))
        assert failure is not None, "at least one attempt was made"
        raise failure

    async def _once(self, method: str, path: str, body: Any) -> tuple[int, bytes, str | None]:
        async with self._client.stream(method, self.url + path, json=body) as response:
            data = bytearray()
            async for piece in response.aiter_bytes():
                data += piece
                if len(data) > MAX_BYTES:
                    raise self._odd(f"more than {MAX_BYTES:,} bytes")
            return response.status_code, bytes(data), response.headers.get("retry-after")

    def _json(self, data: bytes) -> Any:
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise self._odd(f"no JSON ({data[:60]!r})") from None

    def _odd(self, got: str) -> OperatorError:
        return OperatorError(
            f"{self.url} answered with {got}, expected a chat completion; is --endpoint the base "
            "URL of a server with OpenAI's API, such as http://127.0.0.1:8000/v1?",
            code="endpoint_answer",
        )

    def _refusal(self, status: int, path: str, data: bytes) -> SteersmanError:
        said = _message(data)
        if status in (401, 403):
            return CallerError(
                f"{self.url} refuses the key (status {status}: {said}); put a valid one into an "
                "environment variable and name it with --api-key-env",
                code="endpoint_unauthorized",
            )
        if status == httpx.codes.NOT_FOUND:
            return CallerError(
                f"{self.url}{path} is not found (status 404: {said}); check --endpoint, and "
                f"whether it serves the model {self.model!r} (--model)",
                code="endpoint_not_found",
            )
        return CallerError(
            f"{self.url} refuses the request (status {status}: {said}); change what it names",
            code="endpoint_refused",
        )


def base_url(text: str) -> str:
    """Returns what `/chat/completions` is added to; raises `CallerError(invalid_option)`."""
    expected = "the base URL of a server with OpenAI's API, such as http://127.0.0.1:8000/v1"
    url = server_url(text, "endpoint", expected)
    if url.userinfo:
        raise CallerError(
            "--endpoint has a name or password in it; put the key into an environment variable "
            "and name it with --api-key-env",
            code="invalid_option",
            param="endpoint",
        )
    base = str(url).rstrip("/").removesuffix("/chat/completions")
    return base if httpx.URL(base).path.strip("/") else f"{base}/v1"


def only_model(listed: Any, url: str) -> str:
    """Returns the one base model of a server's list; raises `CallerError(model_ambiguous)`."""
    data = listed.get("data") if isinstance(listed, dict) else None
    models = [each for each in data or () if isinstance(each, dict) and each.get("id")]
    base = [str(each["id"]) for each in models if not each.get("parent")]
    if len(base) != 1:
        some = ", ".join(base[:5]) or "none"
        raise CallerError(
            f"{url} lists {len(base)} models ({some}{', ...' if len(base) > 5 else ''}); choose "
            "one with --model",
            code="model_ambiguous",
            param="model",
        )
    return base[0]


def _counted(usage: Any, prompt_guess: int, answer_guess: int) -> tuple[int, int]:
    """Returns the tokens of prompt and answer, as far as the server counts them."""
    said = usage if isinstance(usage, dict) else {}
    prompt, answer = said.get("prompt_tokens"), said.get("completion_tokens")
    total = said.get("total_tokens")
    most = total if isinstance(total, int) else prompt_guess + answer_guess
    answer = answer if isinstance(answer, int) else min(answer_guess, most)
    prompt = prompt if isinstance(prompt, int) else max(0, most - answer)
    return prompt, answer


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _checked_key(key: str) -> str:
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable():
        raise CallerError(
            "--api-key-env: the variable holds something that is no key; set it to the key alone",
            code="invalid_option",
            param="api_key_env",
        )
    return key


def _seconds(retry_after: str | None) -> float | None:
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return None  # a date, or nothing: our own pause
    return seconds if 0 <= seconds < float("inf") else None


def _message(data: bytes) -> str:
    try:
        value = json.loads(data)
        error = value.get("error", value)
        said = error.get("message") if isinstance(error, dict) else error
    except (ValueError, RecursionError, AttributeError):
        said = data[:200].decode(errors="replace")
    return " ".join(str(said).split())[:200] or "no message"
