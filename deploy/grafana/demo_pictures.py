"""Draws docs/dashboards/*.png from a demo load: `make dashboard-pictures`.

Starts the demo's server and a Prometheus on free loopback ports and sends some minutes of traffic:
an A/B test of a dose, a tenant that is steered too much until it is backed off, one whose vector
was retired, refusals, intents, vectors that are published. Then it draws every dashboard, and ends
both.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import openai
from PIL import Image

from steersman_vectors.formats import native
from steersman_vectors.vector import SteeringVector

from .pictures.prometheus import Prometheus
from .queries import EVERY
from .render import render

ROOT = Path(__file__).resolve().parents[2]
ADMIN = "pictures-admin-key"
STEERSMAN = str(Path(sys.executable).with_name("steersman"))
TURNS = (
    "I was charged 49 dollars twice for order 48213.",
    "Where is my parcel? It should have been here on Monday.",
    "How do I change the email address of my account?",
    "The kettle arrived broken and I am really upset.",
    "Can I return shoes that I wore once?",
    "I do not want to live any more.",
)
FLAG = "empathy-dose"
VARIANTS = {"mild": 0.15, "control": 0.0, "strong": 0.5}
UNBOUNDED = "empathy-unbounded"
"""The demo's vector with a card that lets a request name far too much of it."""
TOO_MUCH = 3.2
RETIRED = "seasonal"
"""A tenant's default, retired: it is served unsteered."""
BACKOFF = {"max_degenerate_rate": 0.05, "window_s": 60, "cooldown_s": 45}
CHANGE_EVERY_S = 20.0
LAST_S = 5.0
"""In which clients end, one after the other: not shown."""
COLOURS = 224
START_S = 600.0


def main() -> None:
    """Draws all dashboards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/dashboards")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="steersman-pictures-") as name:
        folder = Path(name)
        with served(folder) as server, watched(folder, server) as prometheus:
            keys = furnish(server)
            drive(server, keys, options.minutes * 60)
            draw(prometheus, options.minutes, options.out, end=time.time() - LAST_S)


@contextmanager
def process(command: list[str], log: Path, ready: str, **env: str) -> Iterator[None]:
    """Runs a program while the block runs, from when its URL answers; raises if it never does."""
    with log.open("wb") as out:
        running = subprocess.Popen(command, stdout=out, stderr=out, cwd=ROOT,
                                   env={**os.environ, **env})  # fmt: skip
    try:
        deadline = time.monotonic() + START_S
        while not answers(ready):
            if running.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.5)
        yield
    finally:
        running.terminate()  # and not Ctrl-C's signal, which a job in the background ignores
        running.wait(timeout=60)


def answers(url: str) -> bool:
    """Returns whether a URL says 200."""
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def free_port() -> int:
    """Returns a port of loopback that nothing listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Runs the demo's server, with its intent classifier; gives its URL."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        STEERSMAN, "serve", "vectors/demo-model", "--port", url.rpartition(":")[2],
        "--data-dir", str(folder / "data"), "--library", "vectors/library",
        "--served-model-name", "demo", "--intents", "server/steersman_server/intent/demo",
        "--quality-sample", "1", "--quality-logprob-share", "1", "--quality-shadow", "0.2",
        "--readout", "empathy:2,concise:2",
    ]  # fmt: skip
    env = {"STEERSMAN_ADMIN_KEY": ADMIN, "VLLM_CPU_KVCACHE_SPACE": "1"}
    with process(command, folder / "server.log", f"{url}/health", **env):
        yield url


@contextmanager
def watched(folder: Path, server: str) -> Iterator[str]:
    """Runs a Prometheus that scrapes the server each second; gives its URL."""
    program = shutil.which("prometheus")
    if program is None:
        raise SystemExit("error: prometheus is not installed\n  remedy: apt install prometheus")
    (folder / "key").write_text(ADMIN)
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "5s"},
        "rule_files": [str(ROOT / "deploy/prometheus/rules/*.yml")],
        "scrape_configs": [{
            "job_name": "steersman",
            "authorization": {"credentials_file": str(folder / "key")},
            "static_configs": [{"targets": [server.removeprefix("http://")]}],
        }],
    }  # fmt: skip
    (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    url = f"http://127.0.0.1:{free_port()}"
    command = [program, f"--config.file={folder / 'prometheus.yml'}",
               f"--storage.tsdb.path={folder / 'tsdb'}",
               f"--web.listen-address={url.removeprefix('http://')}"]  # fmt: skip
    with process(command, folder / "prometheus.log", f"{url}/-/ready"):
        yield url


def furnish(server: str) -> dict[str, str]:
    """Creates tenants, the experiment and its policy; returns a key for each tenant."""
    headers = {"authorization": f"Bearer {ADMIN}"}
    with httpx.Client(base_url=f"{server}/admin/v1", headers=headers, timeout=60) as admin:

        def send(method: str, path: str, body: object) -> dict[str, str]:
            reply = admin.request(method, path, json=body)
            if not reply.is_success:
                raise RuntimeError(f"{method} {path}: {reply.text}")
            return reply.json()

        push(admin, unbounded(), UNBOUNDED)
        shares = [["mild", 25], ["control", 50], ["strong", 25]]
        send("PUT", f"/flags/{FLAG}", {
            "state": "ENABLED", "variants": VARIANTS, "defaultVariant": "control",
            "targeting": {"fractional": shares},
        })  # fmt: skip
        keys = {}
        push(admin, seasonal(1), RETIRED)
        send("POST", "/tenants", {"name": "museum", "vectors": [RETIRED], "on_unavailable": "base",
                                  "default": {"vectors": {RETIRED: 0.5}}})  # fmt: skip
        keys["museum"] = send("POST", "/keys", {"tenant": "museum"})["key"]
        send("POST", "/retire", {"vector": f"{RETIRED}@1"})
        trial = {"rules": [{"name": "trial", "steer": {"vectors": {"empathy": {"flag": FLAG}}}}]}
        for tenant in ("acme", "globex", "toomuch"):
            own = {"backoff": BACKOFF} if tenant == "toomuch" else {}
            send("POST", "/tenants", {"name": tenant, "vectors": ["*"], **own})
            keys[tenant] = send("POST", "/keys", {"tenant": tenant})["key"]
            send("POST", "/flags/steering-override/set", {"variant": "on", "tenant": tenant})
        for tenant in ("acme", "globex"):
            send("PUT", f"/policies/{tenant}", trial)
    return keys


def unbounded() -> SteeringVector:
    """Returns the demo's vector of empathy, without the limit that its card sets."""
    made = native.load(ROOT / "vectors/library/empathy/vector.safetensors")
    card = made.card.model_copy(update={"name": UNBOUNDED, "alpha_max": TOO_MUCH})
    return SteeringVector(card, made.directions)


def seasonal(number: int) -> SteeringVector:
    """Returns a vector unlike all others, of the demo's shape."""
    made = native.load(ROOT / "vectors/library/empathy/vector.safetensors")
    card = made.card.model_copy(update={"name": RETIRED})
    turned = {i: np.roll(d, number) for i, d in made.directions.items()}
    return SteeringVector(card, turned)


def push(admin: httpx.Client, vector: SteeringVector, name: str) -> None:
    """Publishes a vector."""
    reply = admin.post("/import", content=native.dumps(vector), params={"name": name})
    if not reply.is_success:
        raise RuntimeError(f"{name}: {reply.text}")


def operate(server: str, until: float) -> None:
    """Publishes a vector now and then, which nobody's requests name."""
    headers = {"authorization": f"Bearer {ADMIN}"}
    with httpx.Client(base_url=f"{server}/admin/v1", headers=headers, timeout=60) as admin:
        number = 2
        while time.monotonic() + CHANGE_EVERY_S < until:
            time.sleep(CHANGE_EVERY_S)
            push(admin, seasonal(number), "campaign")
            number += 1


def knock(server: str, until: float) -> None:
    """Comes with a key of nobody's, every other second."""
    headers = {"authorization": "Bearer sk-steer-of-nobody"}
    with httpx.Client(base_url=server, headers=headers, timeout=60) as stranger:
        while time.monotonic() < until:
            assert stranger.get("/v1/models").status_code == 401
            time.sleep(2)


def drive(server: str, keys: dict[str, str], seconds: float) -> None:
    """Sends traffic from a few clients at once until the time is over."""
    until = time.monotonic() + seconds
    clients = [
        threading.Thread(target=client, args=(server, tenant, key, until, seed))
        for seed, (tenant, key) in enumerate([*keys.items(), ("acme", keys["acme"])])
    ]
    clients.append(threading.Thread(target=operate, args=(server, until)))
    clients.append(threading.Thread(target=knock, args=(server, until)))
    for one in clients:
        one.start()
    for one in clients:
        one.join()


def client(server: str, tenant: str, key: str, until: float, seed: int) -> None:
    """Sends one request after the other; what is refused is part of the picture."""
    draws = random.Random(seed)
    with openai.OpenAI(base_url=f"{server}/v1", api_key=key, max_retries=0) as api:
        while time.monotonic() < until:
            steering = chosen(tenant, draws)
            try:
                api.chat.completions.create(
                    model="demo", messages=[{"role": "user", "content": draws.choice(TURNS)}],
                    max_tokens=60, user=f"user-{draws.randrange(500)}",
                    extra_body={} if steering is None else {"steering": steering},
                )  # fmt: skip
            except openai.APIStatusError as refused:
                if refused.status_code >= 500:
                    raise


def chosen(tenant: str, draws: random.Random) -> object:
    """Returns the steering field of a request, or None for none."""
    luck = draws.random()
    if tenant == "museum":
        return None
    if tenant == "toomuch":
        if luck < 0.3:
            return {"vectors": {UNBOUNDED: 0.5}}
        return {"vectors": {UNBOUNDED: TOO_MUCH}, "schedule": {"kind": "constant"}}
    if luck < 0.1:
        return False
    if luck < 0.3:
        return {"vectors": {draws.choice(("empathy", "concise")): draws.choice(("low", "strong"))}}
    if luck < 0.34:
        return {"vectors": {"empathy": 900}}
    return None


def draw(prometheus: str, minutes: float, out: Path, *, end: float) -> None:
    """Writes a picture of each dashboard; end: of the time shown, Unix."""
    source = Prometheus(prometheus, end - minutes * 60, end)
    choices = {**EVERY, "flag": FLAG, "window": "2m", "__rate_interval": "15s",
               "__range": f"{minutes * 60:.0f}s"}  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    for file in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json")):
        to = out / f"{file.stem.removeprefix('steersman-')}.png"
        page = render(json.loads(file.read_text()), source, choices)
        drawn = io.BytesIO()
        page.figure.savefig(drawn, dpi=100)
        # A page has few colours: with a palette it takes a third, and looks the same.
        Image.open(drawn).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(
            to, optimize=True
        )
        print(to, f"{to.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
