"""A coroutine that runs beside a generator, in a loop and thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager


@contextmanager
def background(
    work: Callable[[], Coroutine[None, None, None]], tell: Callable[[BaseException | None], None]
) -> Iterator[None]:
    """Runs the coroutine while the block does; it is cancelled when the block is left before.

    tell: called with None at its end, or with what it raised, which the block must raise.
    """
    loop = asyncio.new_event_loop()
    task = loop.create_task(work())

    def run() -> None:
        try:
            loop.run_until_complete(task)
        except BaseException as error:  # the block waits for it, in another thread
            tell(error)
        else:
            tell(None)

    thread = threading.Thread(target=run, name="llm-judge", daemon=True)
    thread.start()
    try:
        yield
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()
