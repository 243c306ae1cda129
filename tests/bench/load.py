"""A closed-loop load on an OpenAI server, in a process of its own.

    python -m tests.bench.load URL MODEL KEY CONCURRENT REQUESTS MAX_TOKENS PROMPT_CHARS

Prints one JSON object: the seconds of each request, and of them all.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import aiohttp

WORDS = "I was charged twice for order 48213 and would like my money back please . "


async def run(
    url: str, model: str, key: str, concurrent: int, requests: int, max_tokens: int, chars: int
) -> dict[str, object]:
    """Returns the seconds of each request, and how long all took."""
    took: list[float] = []
    left = iter(range(requests))
    text = (WORDS * (chars // len(WORDS) + 1))[:chars]
    headers = {"authorization": f"Bearer {key}"}

    async def worker(session: aiohttp.ClientSession) -> None:
        for k in left:
            body = {
                "model": model, "max_tokens": max_tokens, "temperature": 0, "ignore_eos": True,
                "messages": [{"role": "user", "content": f"{k} {text}"}],
            }  # fmt: skip
            started = time.perf_counter()
            async with session.post(f"{url}/v1/chat/completions", json=body) as reply:
                answer = await reply.read()
                assert reply.status == 200, answer
            took.append(time.perf_counter() - started)

    connector = aiohttp.TCPConnector(limit=concurrent)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        started = time.perf_counter()
        await asyncio.gather(*(worker(session) for _ in range(concurrent)))
        return {"requests_s": took, "all_s": time.perf_counter() - started}


if __name__ == "__main__":
    _, url, model, key, *numbers = sys.argv
    print(json.dumps(asyncio.run(run(url, model, key, *map(int, numbers)))))
