"""Two tenants and more on a server with two API processes, set up over its admin API."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import openai

if TYPE_CHECKING:
    from tests.e2e.conftest import Server

ROOT = "root-key-that-nobody-may-read-anywhere"
API = "/admin/v1"
MESSAGES = [
    {"role": "user", "content": "Where is my order?"},
    {"role": "assistant", "content": "Please tell me the number."},
    {"role": "user", "content": "It is 4812, thanks"},
]
WAIT_S = 20.0
CAP = 1.4
"""Of `empathy`, for the tenants that have one."""
DEFAULT = 1.2
TENANTS: dict[str, dict[str, Any]] = {
    "acme": {
        "vectors": ["empathy"],
        "alpha_caps": {"empathy": CAP},
        "default": {"vectors": {"empathy@2": DEFAULT}},
    },
    "free": {"vectors": ["empathy", "concise"], "alpha_caps": {"empathy": CAP}, "dose_cap": 1.6},
    "rival": {"vectors": ["concise", "secret"], "alpha_caps": {"concise": 20}},
    "strict": {"vectors": ["*"], "default": {"vectors": {"fading": 0.5}}},
    "lenient": {
        "vectors": ["*"], "default": {"vectors": {"fading": 0.5}}, "on_unavailable": "base",
    },
    "slow": {"vectors": ["empathy"], "requests_per_minute": 4},
    "narrow": {"vectors": ["empathy"], "max_concurrent": 2},
}  # fmt: skip
PROFILES = {
    "formal": {"steer": {"vectors": {"empathy@2": 0.4}}, "tenants": ["acme"]},
    "rivals-own": {"steer": {"vectors": {"secret": 0.9}}, "tenants": ["rival"]},
}


@dataclass
class TenantServer:
    """The running server, and who may do what on it."""

    server: Server
    keys: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    """Every key that was ever made: none may be seen anywhere."""
    clients: list[openai.OpenAI] = field(default_factory=list)

    @property
    def model(self) -> str:
        return str(self.server.model)

    def headers(self, who: str) -> dict[str, str]:
        return {} if who == "nobody" else {"authorization": f"Bearer {self.keys[who]}"}

    def client(self, who: str) -> openai.OpenAI:
        """Returns a client with a connection of its own; streams need it to stay open."""
        made = openai.OpenAI(
            base_url=f"{self.server.url}/v1", api_key=self.keys[who], max_retries=0, timeout=60
        )
        self.clients.append(made)
        return made

    def request(self, who: str, method: str, path: str, **options) -> httpx.Response:
        """Sends one request on a connection of its own: any of the processes may get it."""
        headers = self.headers(who) | options.pop("headers", {})
        url = self.server.url + path
        return httpx.request(method, url, headers=headers, timeout=60, **options)

    def admin(self, method: str, path: str, **options) -> dict[str, Any]:
        """Does what an operator does, and returns when every process has heard of it."""
        reply = self.request("root", method, API + path, **options)
        assert reply.is_success, reply.text
        answer = reply.json()
        if answer.get("revision") and method != "GET":
            self.wait_for(answer["revision"])
        return answer

    def make_key(self, **body) -> dict[str, Any]:
        made = self.admin("POST", "/keys", json=body)
        self.secrets.append(made["key"])
        self.wait_for(self.admin("GET", "/keys")["revision"])
        return made

    def wait_for(self, revision: int) -> None:
        def heard() -> bool:
            health = self.request("root", "GET", "/v1/steering/health").json()
            return all(p["revision"] >= revision for p in health["processes"])

        wait_until(heard)

    def chat(self, who: str, content: bytes | None = None, headers=None, **body) -> httpx.Response:
        """Asks for twelve greedy tokens, with whatever else is in the body."""
        asked = {"model": self.model, "messages": MESSAGES, "max_tokens": 12, "temperature": 0,
                 "ignore_eos": True, **body}  # fmt: skip
        return self.request(
            who, "POST", "/v1/chat/completions", headers={
                "content-type": "application/json", **(headers or {}),
            }, content=json.dumps(asked) if content is None else content,
        )  # fmt: skip


def furnish(running: TenantServer) -> None:
    """Creates the tenants, their keys and profiles, and operators, over the admin API."""
    running.keys["root"] = ROOT
    running.secrets.append(ROOT)
    for name, fields in TENANTS.items():
        running.admin("POST", "/tenants", json={"name": name, **fields})
        running.keys[name] = running.make_key(tenant=name, label="e2e")["key"]
    for role in ("viewer", "operator", "admin"):
        running.keys[role] = running.make_key(role=role)["key"]
    for tenant in ("free", "rival", "slow", "narrow"):
        running.admin("POST", "/flags/steering-override/set",
                      json={"variant": "on", "tenant": tenant})  # fmt: skip
    for name, profile in PROFILES.items():
        running.admin("PUT", f"/profiles/{name}", json=profile)
    running.admin("POST", "/promote", json={"vector": "empathy@1", "alias": "prod"})


def raw(server: TenantServer, fields: str) -> bytes:
    """Returns a body with these fields, written as they are, before and after the others."""
    asked = {"model": server.model, "messages": MESSAGES, "max_tokens": 12, "temperature": 0,
             "ignore_eos": True}  # fmt: skip
    return f"{{{fields}, {json.dumps(asked)[1:]}".encode()


def applied(reply: httpx.Response) -> dict[str, float]:
    """Returns vector@version -> alpha, as the body says."""
    assert reply.status_code == 200, reply.text
    steering = reply.json()["steering"]
    return {f"{v['vector']}@{v['version']}": v["alpha"] for v in steering["applied"]}


def text(reply: httpx.Response) -> str:
    return reply.json()["choices"][0]["message"]["content"]


def code(reply: httpx.Response) -> tuple[int, Any]:
    return reply.status_code, reply.json()["error"]["code"]


def wait_until(holds: Callable[[], bool], seconds: float = WAIT_S) -> float:
    """Returns after how many seconds it held."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < seconds, "did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - started


def leaked(text: str, keys: list[str]) -> list[str]:
    """Returns the keys whose secret part is in a text."""
    return [key for key in keys if secret_of(key) in text]


def secret_of(key: str) -> str:
    """Returns what of `<prefix>_<id>_<secret>` opens something."""
    return key.split("_", 2)[-1]
