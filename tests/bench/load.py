"""Clients of an OpenAI server, in a process of their own.

    python -m tests.bench.load URL MODEL KEY CLIENTS REQUESTS MAX_TOKENS PROMPT_CHARS PAUSE_MS

Each client sends a request, waits for its answer, and pauses: as long as it says on average, or not
at all (0). Prints one JSON object: the seconds of each request, and of them all.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time

import aiohttp

WORDS = "I was charged twice for order 48213 and would like my money back please . "


async def run(
    url: str, model: str, key: str, clients: int, requests: int, max_tokens: int, chars: int,
    pause_ms: int,
) -> dict[str, object]:  # fmt: skip
    """Returns the seconds of each request, and how long all took."""
    took: list[float] = []
    left = iter(range(requests))
    rng = random.Random(0)
    text = (WORDS * (chars // len(WORDS) + 1))[:chars]
    headers = {"authorization": f"Bearer {key}"}

    async def worker(session: aiohttp.ClientSession) -> None:
        await asyncio.sleep(rng.random() * pause_ms / 1e3)
        for k in left:
            await asyncio.sleep(rng.expovariate(1.0) * pause_ms / 1e3)
            body = {
                "model": model, "max_tokens": max_tokens, "temperature": 0, "ignore_eos": True,
                "messages": [{"role": "user", "content": f"{k} {text}"}],
            }  # fmt: skip
            started = time.perf_counter()
            async with session.post(f"{url}/v1/chat/completions", json=body) as reply:
                answer = await reply.read()
                assert reply.status == 200, answer
            took.append(time.perf_counter() - started)

    connector = aiohttp.TCPConnector(limit=clients)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        started = time.perf_counter()
        await asyncio.gather(*(worker(session) for _ in range(clients)))
        return {"requests_s": took, "all_s": time.perf_counter() - started}


if __name__ == "__main__":
    _, url, model, key, *numbers = sys.argv
    print(json.dumps(asyncio.run(run(url, model, key, *map(int, numbers)))))
