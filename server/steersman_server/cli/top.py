"""`steersman top`: a running server, live in the terminal."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ..top.view import Sort
from .output import EXIT_CODES, WIDTH_WITHOUT_TERMINAL, printable

if TYPE_CHECKING:
    from ..top.frame import Frame
    from ..top.source import Source
    from ..top.view import View

TOP_HELP = """
Watch a running server: requests, tenants, vectors, doses, quality.

Keys: q quits, s sorts by the next column, p pauses. Shares, doses and quantiles are of the last
minute, rates of the last interval. Without a terminal frames are printed one after another.

Examples:

  steersman top

  STEERSMAN_ADMIN_KEY=sk-... steersman top --url https://llm.example:8000 --sort degenerate

  steersman top --once --tenant acme

  steersman top --json --interval 10 >> load.jsonl
"""

MIN_INTERVAL_S, MAX_INTERVAL_S = 0.2, 3600.0


def register(app: typer.Typer) -> None:
    """Adds the command to the root app."""

    @app.command("top", help=TOP_HELP, epilog=EXIT_CODES)
    def top(
        url: Annotated[
            str, typer.Option(help="Where the server answers.", metavar="URL")
        ] = "http://127.0.0.1:8000",
        key: Annotated[
            str | None,
            typer.Option(
                envvar="STEERSMAN_ADMIN_KEY", metavar="KEY",
                help="An operator's key; the role viewer will do. Other users of this machine see "
                "what is on a command line: better in the environment.",
            ),
        ] = None,
        interval: Annotated[
            float,
            typer.Option(
                min=MIN_INTERVAL_S, max=MAX_INTERVAL_S, metavar="SECONDS",
                help="Between two looks at the server.",
            ),
        ] = 1.0,
        sort: Annotated[
            Sort, typer.Option(help="What rows are ordered by, the highest first.")
        ] = Sort.REQUESTS,
        tenant: Annotated[
            str | None, typer.Option(help="Only this one among the tenants.")
        ] = None,
        once: Annotated[
            bool, typer.Option("--once", help="Print one frame, of one interval, and end.")
        ] = False,
        as_json: Annotated[
            bool, typer.Option("--json", help="Print an object per interval, for programs.")
        ] = False,
    ) -> None:  # fmt: skip
        from ..top.source import Source
        from ..top.view import View

        source = Source(url, key or None)
        view = View(source.url, interval, sort, tenant)
        with closing(source), suppress(KeyboardInterrupt):
            if once or as_json or not sys.stdout.isatty():
                _print(source, view, once=once, as_json=as_json)
            else:
                _watch(source, view)


def _watch(source: Source, view: View) -> None:
    from rich.console import Console

    from ..top.live import watch

    # What cannot be looked at ends the command in one line, before the screen is taken.
    first = source.sample()
    # So that the terminal is given back then, too.
    before = signal.signal(signal.SIGTERM, _ended)
    try:
        # Shells export the size that the terminal had; rich would go by that and not by resizes.
        environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
        watch(source, first, view, Console(highlight=False, markup=False, _environ=environment))
    finally:
        signal.signal(signal.SIGTERM, before)


def _ended(signum: int, _: object) -> NoReturn:
    sys.exit(128 + signum)


def _print(source: Source, view: View, *, once: bool, as_json: bool) -> None:
    from steersman_vectors.errors import SteersmanError

    from ..top.stream import frames, line

    try:
        for outcome in frames(source, view.interval_s):
            if once and isinstance(outcome, SteersmanError):
                raise outcome
            if as_json:
                print(line(outcome, view.tenant), flush=True)
            elif isinstance(outcome, SteersmanError):
                print(f"no data: {printable(outcome.message)}", flush=True)
            else:
                _print_frame(outcome, view, last=once)
            if once:
                return
    except BrokenPipeError:
        # Whoever read it has enough. What is left in the buffer must not fail at the exit, either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_frame(frame: Frame, view: View, *, last: bool) -> None:
    from rich.console import Console

    from ..top.screen import screen

    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else _width(), highlight=False, markup=False)
    console.print(screen(frame, view, console.width))
    if not last:
        console.print()
    sys.stdout.flush()


def _width() -> int:
    """Returns the width of what is not shown on a terminal: COLUMNS, or plenty."""
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() and int(columns) > 0 else WIDTH_WITHOUT_TERMINAL
