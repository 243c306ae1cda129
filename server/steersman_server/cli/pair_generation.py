"""What `steersman pairs generate` does: one run against an endpoint, its lines into a file."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from steersman_vectors.asking.endpoint import ChatEndpoint
from steersman_vectors.errors import CallerError, SteersmanError
from steersman_vectors.pairs.generate import Generated, Order, generate
from steersman_vectors.pairs.growing_file import GrowingFile
from steersman_vectors.pairs.line import Line

from . import pair_views
from .output import print_json, print_people, print_warning
from .progress import counting


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom to ask, as the command line named it."""

    endpoint: str
    model: str | None
    api_key_env: str | None
    options: Mapping[str, Any]
    """More fields of each request."""


def run(order: Order, asked: Asked, out: Path | None, *, resume: bool, as_json: bool) -> bool:
    """Writes the pairs and says what came of it; returns False after Ctrl-C.

    Raises `SteersmanError`; lines that were written before stay, and a warning says so.
    """
    if resume and out is None:
        raise CallerError(
            "--resume needs --out, the file to add to", code="invalid_option", param="resume"
        )
    key = _key(asked.api_key_env)
    with ExitStack() as stack:
        file = None
        if out is not None:
            file = stack.enter_context(GrowingFile(out, order.concept, resume=resume))
        known = [] if file is None else file.lines
        written = _Counted(_to_stdout if file is None else file.write)
        try:
            with counting("Writing pairs") as progress:
                done = asyncio.run(_generate(order, asked, key, known, written, progress))
        except (KeyboardInterrupt, asyncio.CancelledError):
            _say_kept(written.lines, out, "interrupted")
            return False
        except SteersmanError:
            if written.lines:
                _say_kept(written.lines, out, "stopped by an error")
            raise
    _say(done, order, out, as_json=as_json)
    return True


class _Counted:
    """Hands lines on, and knows how many they were."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write, self.lines = write, 0

    def __call__(self, line: bytes) -> None:
        self._write(line)
        self.lines += 1


async def _generate(
    order: Order,
    asked: Asked,
    key: str | None,
    known: Sequence[Line],
    write: Callable[[bytes], None],
    progress: Callable[[int, int], None],
) -> Generated:
    progress(len(known), order.count)
    endpoint = ChatEndpoint(
        asked.endpoint,
        model=asked.model,
        key=key,
        options=asked.options,
        connections=order.concurrency,
    )
    async with endpoint:
        return await generate(endpoint, order, known, write, progress)


def _key(name: str | None) -> str | None:
    if name is None:
        return None
    key = os.environ.get(name)
    if not key:
        raise CallerError(
            f"--api-key-env: the environment variable {name!r} is not set; export it with the key",
            code="invalid_option",
            param="api_key_env",
        )
    return key


def _to_stdout(line: bytes) -> None:
    sys.stdout.write(line.decode())
    sys.stdout.flush()


def _say_kept(lines: int, out: Path | None, why: str) -> None:
    where = "" if out is None else f" in {out}; go on with --resume"
    print_warning(f"{why}: {lines} new lines are kept{where}")


def _say(done: Generated, order: Order, out: Path | None, *, as_json: bool) -> None:
    if out is not None and as_json:
        print_json({"file": str(out), **asdict(done)})
    elif out is not None:
        print_people(pair_views.generated_text(done, out))
    if done.ended != "count":
        print_warning(pair_views.short_of(done, order.count))
