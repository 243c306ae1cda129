"""A sweep's answers as judges take them: the unsteered one beside each, and what is expected."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ..message import Message
from ..sweep import grid as grids
from ..sweep.contract import UNSTEERED, Answer, Dose
from ..sweep.grid import Grid, Setting
from ..sweep.prompts import SweepPrompt
from ..sweep.results import Results
from ..sweep.rows import Row
from .contract import Judgeable
from .suites.question import Question, expected_of

Questions = Mapping[tuple[Message, ...], Question]
"""By prompt."""


@dataclass(frozen=True, slots=True)
class SweepItem:
    """One answer of a sweep."""

    run: str
    """The run's id."""
    item: Judgeable


def named_dose(setting: Setting) -> Dose:
    """Returns the dose of a setting by its vector's own digest, which names it but runs nowhere."""
    if setting.vector is None or not setting.steers:
        return UNSTEERED
    vector = setting.vector
    return Dose(((vector.digest, setting.alpha),), vector.scope, vector.schedule)


def questions_of(grid: Grid, sets: Iterable[Iterable[Question]] = ()) -> Questions:
    """Returns what is expected at each prompt: as the sweep's prompts say, else as the sets do.

    What a prompt expects and no judge here reads, such as a number of days, is left out.
    """
    found = {question.messages: question for questions in sets for question in questions}
    return {**found, **questions_at(grid.prompts)}


def questions_at(prompts: Iterable[SweepPrompt]) -> Questions:
    """Returns what the prompts say is expected of their answers."""
    found: dict[tuple[Message, ...], Question] = {}
    for prompt in prompts:
        try:
            facts, checks = expected_of(prompt.expected)
        except ValueError:
            continue
        found[prompt.messages] = Question(prompt.messages, facts, checks, prompt.id)
    return found


def items_of(
    results: Results, questions: Questions, dose_of: Callable[[Setting], Dose] = named_dose
) -> tuple[SweepItem, ...]:
    """Returns the answers that are there, in the grid's order.

    The baseline of each is the unsteered answer to the same prompt and sample, if there is one.
    """
    rows = results.rows
    plain = {(row.prompt, row.sample): row for row in rows.values() if row.vector is None}
    found: list[SweepItem] = []
    for run in grids.runs(results.grid):
        row = rows.get(run.id)
        if row is None:
            continue
        base = plain.get((row.prompt, row.sample))
        question = questions.get(run.prompt.messages)
        item = Judgeable(
            messages=run.prompt.messages,
            answer=_answer(row),
            dose=dose_of(run.setting),
            baseline=None if base is None else _answer(base),
            expected=() if question is None else question.expected,
        )
        found.append(SweepItem(run.id, item))
    return tuple(found)


def _answer(row: Row) -> Answer:
    logprobs = tuple(math.nan if logprob is None else logprob for logprob in row.logprobs)
    return Answer(row.text, row.finish_reason, row.token_ids, logprobs)
