"""What to try first, printed once the server answers."""

from __future__ import annotations

import asyncio
import sys
import threading
from urllib.parse import urlsplit

from .service import SteeringService
from .settings import ServerSettings

_WAIT_S = 120.0


def announce_when_ready(settings: ServerSettings, service: SteeringService) -> None:
    """Prints examples when the port accepts connections; never delays the start."""
    url = settings.try_it_url
    if url is None:
        return
    available = service.registry.snapshot.available(settings.fingerprint)
    dials = [(e.name, list(e.card.presets)[-1]) for e in available if e.card.presets]
    text = examples(url, settings.model_names[0], dials[-1] if dials else None)
    threading.Thread(
        target=lambda: asyncio.run(_print_when_open(url, text)), daemon=True, name="try-it"
    ).start()


async def _print_when_open(url: str, text: str) -> None:
    parts = urlsplit(url)
    deadline = asyncio.get_running_loop().time() + _WAIT_S
    while asyncio.get_running_loop().time() < deadline:
        try:
            _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        except OSError:
            await asyncio.sleep(0.1)
            continue
        writer.close()
        print(text, file=sys.stderr, flush=True)
        return


def examples(url: str, model: str, dial: tuple[str, str] | None) -> str:
    """Returns a curl and a Python call that steer with (vector, preset); unsteered when None."""
    steering = "false" if dial is None else f'{{"vectors": {{"{dial[0]}": "{dial[1]}"}}}}'
    question = "I was charged 49 dollars twice for order 48213."
    return f"""
Steersman is ready at {url}

  curl -s {url}/v1/chat/completions -H 'content-type: application/json' -d '{{
    "model": "{model}",
    "messages": [{{"role": "user", "content": "{question}"}}],
    "steering": {steering}}}'

  from openai import OpenAI
  client = OpenAI(base_url="{url}/v1", api_key="none")
  reply = client.chat.completions.create(
      model="{model}",
      messages=[{{"role": "user", "content": "{question}"}}],
      extra_body={{"steering": {steering.replace("false", "False")}}},
  )
  print(reply.choices[0].message.content, reply.steering)

  Vectors that requests may name: {url}/v1/steering/vectors    End the server: Ctrl-C
"""
