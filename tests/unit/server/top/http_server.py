"""A real HTTP server with a Steersman server's answers, or whatever a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .scenes import moments

Answer = tuple[int, bytes]


@dataclass
class Recorded:
    """What is answered; tests change it while the server runs."""

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    """By path, instead of the recorded ones."""
    key: str | None = None
    """Without it everything is 401."""
    seen: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and authorization of each request."""
    scrapes: int = 0

    def answer(self, path: str, authorization: str | None) -> Answer:
        self.seen.append((path, authorization))
        if self.key is not None and authorization != f"Bearer {self.key}":
            return error(401, "admin_key_wrong", "this needs an operator's key")
        if path in self.answers:
            return self.answers[path]
        told = moments()
        if path == "/metrics":
            # The first two a minute apart, then the last again and again.
            moment = told[min(self.scrapes + 1, len(told) - 1)]
            self.scrapes += 1
            return 200, moment["metrics"].encode()
        if path == "/v1/steering/health":
            return 200, json.dumps(told[0]["health"]).encode()
        if path == "/admin/v1/backoff":
            return 200, json.dumps(told[0]["backoff"]).encode()
        return error(404, "not_found", "no such path")


def error(status: int, code: str, message: str) -> Answer:
    body = {"error": {"message": message, "type": "x", "param": None, "code": code}}
    return status, json.dumps(body).encode()


@contextmanager
def serving(port: int = 0) -> Iterator[Recorded]:
    """Gives the server while it runs."""
    recorded = Recorded()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = recorded.answer(self.path, self.headers.get("authorization"))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            if status in (301, 302, 307):
                self.send_header("location", body.decode())
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    recorded.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield recorded
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
