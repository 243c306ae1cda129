"""The screen that stays: samples come, keys are pressed, the terminal changes its size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rich.console import Console, RenderableType
from rich.live import Live

from steersman_vectors.errors import SteersmanError

from .frame import Frame
from .history import History
from .keyboard import keyboard, nobody
from .poller import Outcome, Poller
from .sample import Sample
from .screen import screen, waiting
from .source import Source
from .view import View

TICK_S = 0.1
"""How soon a sample or a new size is seen; keys are seen at once."""


def watch(source: Source, first: Sample, view: View, console: Console) -> None:
    """Shows frames until somebody quits; the terminal is as before afterwards.

    first: the sample that proved that there is something to show.
    """
    history = History()
    history.add(first)
    poller = Poller(source, view.interval_s)
    poller.start()
    frame: Frame | None = None
    with keyboard() as wait, _screen(console) as live:
        view = replace(view, keys=wait is not None)
        drawn: object = None
        while True:
            newest, view = _news(poller.take(), history, view)
            frame = frame if newest is None or (view.paused and frame is not None) else newest
            now = (frame, view, console.size)
            if now != drawn:  # an unchanged screen is not written again
                live.update(_content(frame, view, console), refresh=True)
                drawn = now
            for key in (wait or nobody)(TICK_S):
                if key == "q":
                    poller.stop()
                    return
                view = pressed(view, key)


def pressed(view: View, key: str) -> View:
    """Returns the view after a key; the same for keys without a meaning."""
    if key == "s":
        return view.next_sort()
    return replace(view, paused=not view.paused) if key == "p" else view


def _news(came: Iterable[Outcome], history: History, view: View) -> tuple[Frame | None, View]:
    frame = None
    for outcome in came:
        if isinstance(outcome, SteersmanError):
            view = replace(view, outage=outcome.message)
        else:
            frame = history.add(outcome)
            view = replace(view, outage=None)
    return frame, view


def _screen(console: Console) -> Live:
    return Live(
        console=console, screen=True, auto_refresh=False, redirect_stdout=False,
        redirect_stderr=False, vertical_overflow="crop",
    )  # fmt: skip


def _content(frame: Frame | None, view: View, console: Console) -> RenderableType:
    width, height = console.size
    return waiting(view, width) if frame is None else screen(frame, view, width, height)
