"""What `vectors sweep` prints: heat maps and a table for people, figures for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.style import Style
from rich.table import Table
from rich.text import Text

from steersman_vectors.sweep.grid import configurations
from steersman_vectors.sweep.heat_map import HeatMap, heat_maps
from steersman_vectors.sweep.summary import Summary, summarise

from .output import printable
from .sweep_run import Swept

HEAT = ("#14532d", "#3f6212", "#854d0e", "#9a3412", "#7f1d1d")
"""Backgrounds from no broken answer to all of them, under white text."""


def as_json(done: Swept) -> dict[str, Any]:
    """Returns the outcome for programs."""
    grid = done.results.grid
    return {
        "out": str(done.out),
        "model": grid.model,
        "configurations": configurations(grid),
        "answers": len(done.results.rows),
        "missing": done.results.missing,
        "given": done.given,
        "seconds": round(done.seconds, 3),
        "interrupted": done.interrupted,
        "settings": [_summary_json(summary) for summary in summarise(done.results)],
    }


def parts(done: Swept) -> Iterator[Any]:
    """Yields what people are shown."""
    summaries = summarise(done.results)
    for heat in heat_maps(summaries, lambda summary: summary.degenerate_rate):
        yield _map(heat)
    yield _table(summaries)
    yield _outcome(done)


def _outcome(done: Swept) -> str:
    results = done.results
    there, wanted = len(results.rows), len(results.rows) + results.missing
    if results.missing:
        stopped = "stopped: " if done.interrupted else ""
        return (
            f"{stopped}{there:,} of {wanted:,} answers are in {printable(str(done.out))}. "
            "Run the same command again to go on"
        )
    speed = f", {done.given / done.seconds:.1f} answers/s" if done.seconds and done.given else ""
    now = f"{done.given:,} given now{speed}" if done.given else "all of them were there"
    return (
        f"{there:,} answers to {configurations(results.grid):,} configurations are in "
        f"{printable(str(done.out))} ({now})"
    )


def _map(heat: HeatMap) -> Table:
    table = Table(
        title=f"{printable(heat.vector)}: degenerate answers", title_justify="left", box=None
    )
    table.add_column("layers", no_wrap=True)
    for alpha in heat.alphas:
        table.add_column(f"{alpha:g}", justify="right")
    for rule, layers, cells in zip(heat.rules, heat.layers, heat.cells, strict=True):
        named = rule if rule == ",".join(map(str, layers)) else f"{rule} ({_span(layers)})"
        table.add_row(named, *(_cell(rate) for rate in cells))
    return table


def _cell(rate: float | None) -> Text:
    if rate is None:
        return Text("-")
    colour = HEAT[min(len(HEAT) - 1, int(rate * len(HEAT)))]
    return Text(f" {rate:4.0%} ", Style(color="white", bgcolor=colour))


def _table(summaries: tuple[Summary, ...]) -> Table:
    table = Table(box=None)
    for name in ("vector", "layers"):
        table.add_column(name, no_wrap=True)
    for name in ("alpha", "answers", "degenerate", "95%", "tokens", "logprob", "distinct-2"):
        table.add_column(name, justify="right")
    for summary in summaries:
        setting = summary.setting
        rate = summary.degenerate_rate
        table.add_row(
            "(unsteered)" if setting.vector is None else printable(setting.vector.name),
            setting.rule or "-",
            f"{setting.alpha:g}",
            str(summary.answers),
            "-" if rate is None else f"{rate:.0%}",
            f"{summary.degenerate_low:.0%} to {summary.degenerate_high:.0%}",
            _number(summary.mean_tokens, 1),
            _number(summary.mean_logprob, 3),
            _number(summary.distinct_2, 3),
        )
    return table


def _summary_json(summary: Summary) -> dict[str, Any]:
    setting = summary.setting
    return {
        "vector": None if setting.vector is None else setting.vector.name,
        "layer_set": setting.rule or None,
        "layers": list(setting.layers),
        "alpha": setting.alpha,
        "answers": summary.answers,
        "degenerate": summary.degenerate,
        "degenerate_rate": summary.degenerate_rate,
        "degenerate_interval": [summary.degenerate_low, summary.degenerate_high],
        "findings": summary.findings,
        "mean_tokens": summary.mean_tokens,
        "mean_logprob": summary.mean_logprob,
        "distinct": [summary.distinct_1, summary.distinct_2, summary.distinct_3],
    }


def _span(layers: tuple[int, ...]) -> str:
    if len(layers) > 2 and layers[-1] - layers[0] == len(layers) - 1:
        return f"{layers[0]}-{layers[-1]}"
    return ",".join(map(str, layers))


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
