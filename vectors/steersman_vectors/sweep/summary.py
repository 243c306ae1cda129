"""What a sweep found, setting by setting: how often answers break, how long, likely, varied."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..intervals import wilson
from ..quality.judge import judge
from ..quality.judgement import Finding, Judgement
from . import grid as grids
from .grid import UNSTEERED, Setting
from .results import Results
from .rows import Row


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of one setting; a mean over no answers is None."""

    setting: Setting
    answers: int
    degenerate: int
    degenerate_low: float
    degenerate_high: float
    """Ends of Wilson's 95% interval for the rate."""
    findings: dict[Finding, int]
    mean_tokens: float | None
    mean_logprob: float | None
    """Of a token: mean over an answer's tokens, then over answers, in nats."""
    distinct_1: float | None
    distinct_2: float | None
    distinct_3: float | None
    """Different n-grams of token ids over all n-grams of an answer (Li et al. 2016)."""

    @property
    def degenerate_rate(self) -> float | None:
        """Share of the answers that nobody can want."""
        return self.degenerate / self.answers if self.answers else None


def summarise(results: Results) -> tuple[Summary, ...]:
    """Returns the figures of each setting that steers, in the grid's order, the unsteered first.

    Settings of alpha 0 are one: the unsteered model, which is left out if no alpha is 0.
    """
    grid, rows = results.grid, results.rows
    asked = {prompt.id: prompt.asked for prompt in grid.prompts}
    judged = {
        row.id: judge(asked[row.prompt], row.text, row.finish_reason) for row in rows.values()
    }
    cells = [setting for setting in grids.settings(grid) if setting.steers]
    if 0.0 in grid.alphas:
        cells.insert(0, UNSTEERED)
    found = []
    for setting in cells:
        wanted = [run.id for run in grids.runs_of(grid, setting)]
        there = [run_id for run_id in wanted if run_id in rows]
        found.append(_summary(setting, [rows[i] for i in there], [judged[i] for i in there]))
    return tuple(found)


def distinct(token_ids: Sequence[int], n: int) -> float | None:
    """Returns different n-grams over all n-grams; None for fewer than n tokens."""
    total = len(token_ids) - n + 1
    if total < 1:
        return None
    return len({tuple(token_ids[i : i + n]) for i in range(total)}) / total


def _summary(setting: Setting, rows: list[Row], judgements: list[Judgement]) -> Summary:
    degenerate = sum(judgement.degenerate for judgement in judgements)
    low, high = wilson(degenerate, len(rows))
    return Summary(
        setting=setting,
        answers=len(rows),
        degenerate=degenerate,
        degenerate_low=low,
        degenerate_high=high,
        findings=dict(
            sorted(Counter(found for each in judgements for found in each.findings).items())
        ),
        mean_tokens=_mean(len(row.token_ids) for row in rows),
        mean_logprob=_mean(_mean(row.logprobs) for row in rows),
        distinct_1=_mean(distinct(row.token_ids, 1) for row in rows),
        distinct_2=_mean(distinct(row.token_ids, 2) for row in rows),
        distinct_3=_mean(distinct(row.token_ids, 3) for row in rows),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None
