"""A server with OpenAI's API on loopback that replies as it is told, as models do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]


@dataclass
class Status:
    """A reply that is no 200."""

    code: int
    message: str = "no"
    headers: dict[str, str] = field(default_factory=dict)


Script = Callable[[Body], "str | Status | Body"]
"""From a request's body to the reply's text, a whole body, or a refusal."""


@dataclass
class Served:
    """What a test sees of the server."""

    url: str
    asked: list[Body] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    most_at_once: int = 0


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # several judges connect at once


@contextmanager
def serving(script: Script, model: str = "judge-1") -> Iterator[Served]:
    lock = threading.Lock()
    running = [0]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(200, {"data": [{"id": model}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                served.asked.append(body)
                served.keys.append(self.headers.get("authorization"))
                running[0] += 1
                served.most_at_once = max(served.most_at_once, running[0])
            try:
                said = script(body)
            except ConnectionResetError:
                self.close_connection = True
                return
            with lock:
                running[0] -= 1
            if isinstance(said, Status):
                self._send(said.code, {"error": {"message": said.message}}, said.headers)
            elif isinstance(said, dict):
                self._send(200, said)
            else:
                self._send(200, completion(said))

        def _send(self, code: int, value: Any, headers: dict[str, str] | None = None) -> None:
            data = json.dumps(value).encode()
            self.send_response(code)
            for name, text in (headers or {}).items():
                self.send_header(name, text)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    served = Served(f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def completion(text: str, prompt: int = 100, reply: int = 20, finish: str = "stop") -> Body:
    return {
        "choices": [{"message": {"content": text}, "finish_reason": finish}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": reply},
    }
