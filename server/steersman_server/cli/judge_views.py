"""What `steersman judge` prints: a table for people, figures for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from rich.table import Table

from steersman_vectors.judges.contract import Measure
from steersman_vectors.judges.figures import Figure, SettingFigures
from steersman_vectors.judges.panel import Estimate
from steersman_vectors.judges.scores import finite
from steersman_vectors.judges.spending import Limits
from steersman_vectors.sweep.grid import Setting

from .judge_run import Judged
from .output import printable


def as_json(judged: Judged) -> dict[str, Any]:
    """Returns the outcome for programs."""
    spent = judged.spending
    return {
        "answers": len(judged.results.rows),
        "out": None if judged.out is None else str(judged.out),
        "interrupted": judged.interrupted,
        "measures": [
            {**asdict(each), "low": finite(each.low), "high": finite(each.high)}
            for each in judged.scores.measures
        ],
        "settings": [_setting_json(each) for each in judged.figures],
        "agreement": {
            name: {key: value if value == value else None for key, value in asdict(each).items()}
            for name, each in judged.agreements.items()
        },
        "spent": {
            "calls": spent.calls,
            "prompt_tokens": spent.prompt_tokens,
            "reply_tokens": spent.reply_tokens,
            "cost": spent.cost,
        },
    }


def parts(judged: Judged) -> Iterator[Any]:
    """Yields what people are shown."""
    for measure in judged.scores.measures:
        yield _table(measure, judged.figures)
    for name, found in judged.agreements.items():
        yield (
            f"{printable(name)}: agrees with the other scores on {found.same:.0%} of "
            f"{found.items} answers; kappa {found.kappa:.2f} (weighted "
            f"{found.weighted_kappa:.2f}), Spearman {found.spearman:.2f}"
        )
    if judged.spending.calls:
        yield f"asked judging models: {judged.spending.said()}"
    where = "" if judged.out is None else f"; scores are in {printable(str(judged.out))}"
    stopped = "stopped: " if judged.interrupted else ""
    yield f"{stopped}{len(judged.results.rows):,} answers, 95% intervals over prompts{where}"


def estimate_json(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    """Returns what judging models would take, for programs."""
    return {name: asdict(each) for name, each in estimates.items()}


def estimate_parts(estimates: Mapping[str, Estimate], money: Limits) -> Iterator[Any]:
    """Yields what people are shown of it."""
    if not estimates:
        yield "None of these judges asks a model: there is nothing to pay for."
    priced = bool(money.prompt_price or money.reply_price)
    for name, each in estimates.items():
        cost = f", at most {each.cost:.4g}" if priced else " (--price says what that costs)"
        yield (
            f"{printable(name)}: {each.calls:,} calls, {each.cached:,} of them cached; about "
            f"{each.prompt_tokens:,} prompt tokens, at most {each.reply_tokens:,} of replies{cost}"
        )


def _table(measure: Measure, figures: tuple[SettingFigures, ...]) -> Table:
    way = "" if measure.better == "neither" else f", {measure.better} is better"
    table = Table(
        title=f"{printable(measure.name)} ({measure.unit}{way})", title_justify="left", box=None
    )
    table.add_column("vector")
    table.add_column("layers")
    for column in ("alpha", "mean", "95%", "against unsteered", "95%", "prompts", "no score"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in figures:
        figure = row.figures[measure.name]
        table.add_row(
            *_named(row.setting),
            "-" if figure.mean is None else _number(figure.mean),
            _interval(figure.interval),
            "-" if figure.change is None else f"{figure.change:+.3g}",
            "-" if figure.change is None else _interval(figure.change_interval),
            str(figure.prompts),
            str(figure.silent or ""),
        )
    return table


def _named(setting: Setting) -> tuple[str, str, str]:
    if setting.vector is None:
        return "unsteered", "", ""
    return printable(setting.vector.name), setting.rule, f"{setting.alpha:g}"


def _number(value: float) -> str:
    return f"{value:.3g}"


def _interval(ends: tuple[float, float]) -> str:
    if any(finite(end) is None for end in ends):
        return "unknown"
    return f"{ends[0]:.3g} to {ends[1]:.3g}"


def _setting_json(row: SettingFigures) -> dict[str, Any]:
    setting = row.setting
    vector = setting.vector
    return {
        "vector": None if vector is None else vector.name,
        "digest": None if vector is None else vector.digest,
        "rule": setting.rule,
        "layers": list(setting.layers),
        "alpha": setting.alpha,
        "figures": {name: _figure_json(each) for name, each in row.figures.items()},
    }


def _figure_json(figure: Figure) -> dict[str, Any]:
    return {
        "mean": figure.mean,
        "interval": [finite(end) for end in figure.interval],
        "change": figure.change,
        "change_interval": [finite(end) for end in figure.change_interval],
        "prompts": figure.prompts,
        "silent": figure.silent,
    }
