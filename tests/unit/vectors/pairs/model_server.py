"""A real HTTP server that answers chat completions as a test scripts them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "scripted"
Answer = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""


def says(text: str | None, finish_reason: str = "stop") -> Answer:
    """Returns what an OpenAI server answers when its model wrote the text."""
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    return 200, {}, json.dumps({"choices": [choice], "usage": {"total_tokens": 100}}).encode()


def fails(status: int, message: str = "no", **headers: str) -> Answer:
    return status, headers, json.dumps({"error": {"message": message, "code": "x"}}).encode()


@dataclass
class Scripted:
    """What is answered; tests change it while the server runs."""

    url: str = ""
    answer: Callable[[str, dict[str, Any]], Answer] = lambda text, body: fails(500)
    """From the question, and the whole request."""
    models: tuple[dict[str, Any], ...] = ({"id": MODEL, "parent": None},)
    key: str | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    now: int = 0
    most: int = 0
    """Requests at once."""

    def respond(self, path: str, key: str | None, body: dict[str, Any] | None) -> Answer:
        if self.key is not None and key != f"Bearer {self.key}":
            return fails(401, "wrong key")
        if path == "/v1/models" and body is None:
            return 200, {}, json.dumps({"data": self.models}).encode()
        if path != "/v1/chat/completions" or body is None:
            return fails(404, f"no {path}")
        with self.lock:
            self.asked.append(body)
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            return self.answer(body["messages"][-1]["content"], body)
        finally:
            with self.lock:
                self.now -= 1


@contextmanager
def serving() -> Iterator[Scripted]:
    """Gives the server while it runs."""
    scripted = Scripted()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            self._answer(json.loads(self.rfile.read(length)))

        def _answer(self, body: dict[str, Any] | None) -> None:
            status, headers, data = scripted.respond(
                self.path, self.headers.get("authorization"), body
            )
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                pass  # the client was interrupted

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    scripted.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield scripted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def good(text: str, body: dict[str, Any], *, dress: Callable[[str], str] = str) -> Answer:
    """Answers as a model does that follows the shipped templates; no two lines are alike."""
    if '"topics"' in text:
        topics = [f"situation {chr(97 + i)} {i * i * 7919}" for i in range(12)]
        return says(dress(json.dumps({"topics": topics}, indent=1)))
    from hashlib import sha256

    found = []
    for index in range(5):
        words = sha256(f"{text}{index}{body.get('seed')}".encode()).hexdigest()
        said = " ".join(words[i : i + 4] for i in range(0, 48, 4))
        found.append({"prompt": f"Why {said}?", "positive": f"Gladly: {said[::-1]}",
                      "negative": f"{said[:20]}, as told."})  # fmt: skip
    return says(dress("\n".join(map(json.dumps, found))))
