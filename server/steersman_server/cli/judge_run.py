"""What `steersman judge` does: judges one after another over a sweep's answers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from steersman_vectors.asking.endpoint import base_url
from steersman_vectors.errors import CallerError, SteersmanError
from steersman_vectors.home import expand_home
from steersman_vectors.judges.agreement import Agreement, agreement
from steersman_vectors.judges.contract import Judge
from steersman_vectors.judges.figures import SettingFigures, figures_of
from steersman_vectors.judges.from_name import SIMPLE, judge_from_name
from steersman_vectors.judges.likelihood import DivergenceJudge, SurprisalJudge
from steersman_vectors.judges.llm import LlmJudge
from steersman_vectors.judges.named_file import named_file
from steersman_vectors.judges.panel import Asking, Estimate, Seat
from steersman_vectors.judges.readout_file import is_read_out
from steersman_vectors.judges.reply_cache import ReplyCache
from steersman_vectors.judges.rubric import load_rubric
from steersman_vectors.judges.scores import Scores, read_scores, write_scores
from steersman_vectors.judges.spending import Limits, Spending
from steersman_vectors.judges.suites.question import SHIPPED, read_questions, shipped
from steersman_vectors.judges.sweep_items import (
    Questions,
    SweepItem,
    items_of,
    named_dose,
    questions_of,
)
from steersman_vectors.model_dir import resolve_model_dir
from steersman_vectors.sweep.doses import resident_dose
from steersman_vectors.sweep.grid import key_of, settings
from steersman_vectors.sweep.results import Results, read_results

from .output import print_warning
from .progress import SpeedColumn, counting, fingerprint_of
from .readout_judges import ReadOuts, read_outs_of
from .values import check_apart

BY_ENGINE = ("nll", "kl")
WITH_ARGUMENT = (
    "keywords:FILE", "facts:FILE", "instructions:FILE", "llm:RUBRIC", "readout:FILE",
    "python:MODULE:FACTORY",
)  # fmt: skip
AT_ONCE = 64
"""Answers that the engine weighs at once."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line."""

    results: Path
    judges: tuple[str, ...]
    concept: str
    seats: tuple[Seat, ...]
    calls: int
    temperature: float | None
    concurrency: int
    max_reply_tokens: int
    request: str
    money: Limits
    cache: Path | None
    base: str | None
    vectors: tuple[Path, ...]
    engine: str
    readout_backend: str = "hf"


@dataclass(frozen=True, slots=True)
class Judged:
    """How the command ended."""

    results: Results
    scores: Scores
    figures: tuple[SettingFigures, ...]
    agreements: Mapping[str, Agreement]
    """By measure, with the scores that were compared with."""
    spending: Spending
    out: Path | None
    interrupted: bool


def run(asked: Asked, out: Path | None, compare: Path | None) -> Judged:
    """Returns what was said, after it is written to `out`.

    Raises `SteersmanError`; what was said until then is written, and a warning says so.
    """
    named = map(named_file, asked.judges)
    check_apart([("--out", out)], (asked.results, compare, *asked.vectors, *named))
    results = read_results(asked.results)
    others = None if compare is None else read_scores(compare)
    questions = _questions(asked, results)
    spending = Spending(asked.money)
    by_text = text_and_llm_judges(asked, questions, spending)
    _check_engine_options(asked)
    read_outs = _read_outs(asked, results)
    scores = Scores(key_of(results.grid))
    interrupted = False
    try:
        items = items_of(results, questions, named_dose)
        for judge in by_text:
            _hear(judge, items, scores)
        if any(name in BY_ENGINE for name in asked.judges):
            with _engine_judges(asked, results, questions) as (judges, engine_items):
                for judge in judges:
                    _hear(judge, engine_items, scores)
        # After the engine is gone: the two need not fit beside each other.
        if read_outs is not None:
            with read_outs.source:
                for spec in filter(is_read_out, asked.judges):
                    _hear(read_outs.judges[spec], items, scores)
    except KeyboardInterrupt:
        interrupted = True
    except SteersmanError:
        if out is not None and scores.measures:
            write_scores(scores, out)
            print_warning(f"what was judged until then is in {out}")
        raise
    if out is not None:
        write_scores(scores, out)
    figures = figures_of(results.grid, scores)
    agreements = {} if others is None else _agreements(scores, others, results)
    return Judged(results, scores, figures, agreements, spending, out, interrupted)


def estimate(asked: Asked) -> dict[str, Estimate]:
    """Returns what each judging model would take, by judge; asks none."""
    results = read_results(asked.results)
    questions = _questions(asked, results)
    items = [each.item for each in items_of(results, questions)]
    judges = text_and_llm_judges(asked, questions, Spending(asked.money))
    return {
        judge.measure.name: judge.estimate(items) for judge in judges if isinstance(judge, LlmJudge)
    }


def seats(urls: Sequence[str], models: Sequence[str], key_env: str | None) -> tuple[Seat, ...]:
    """Returns the panel; raises `CallerError(invalid_option)`."""
    if len(models) > len(urls):
        raise _invalid(
            f"{len(models)} --model and {len(urls)} --endpoint",
            "an endpoint for each model",
            "model",
        )
    key = None
    if key_env is not None:
        key = os.environ.get(key_env)
        if not key:
            raise _invalid(
                f"--api-key-env {key_env}, a variable that is not set", "one that holds the key",
                "api_key_env",
            )  # fmt: skip
    return tuple(Seat(base_url(url), model, key) for url, model in zip_longest(urls, models))


def _hear(judge: Judge, items: Sequence[SweepItem], scores: Scores) -> None:
    name = judge.measure.name
    if name in scores.verdicts:
        raise _invalid(f"the judge {name} twice", "each once", "judge")
    scores.measures.append(judge.measure)
    verdicts = scores.verdicts.setdefault(name, {})
    with counting(f"Judging: {name}", speed=SpeedColumn("answers")) as progress:
        progress(0, len(items))
        for index, verdict in judge.judge([each.item for each in items]):
            verdicts[items[index].run] = verdict
            progress(len(verdicts), len(items))


def _questions(asked: Asked, results: Results) -> Questions:
    sets = [shipped(name) for name in SHIPPED]
    for spec in asked.judges:
        name, _, argument = spec.partition(":")
        if name in SHIPPED and argument:
            sets.append(read_questions(Path(argument)))
    return questions_of(results.grid, sets)


def text_and_llm_judges(
    asked: Asked, questions: Questions, spending: Spending, more: Mapping[str, Judge] | None = None
) -> list[Judge]:
    """Returns the judges that need no model here, in order; raises `CallerError` for other names.

    more: judges that were made already, by the names that ask for them.
    """
    more = more or {}
    judges: list[Judge] = []
    for spec in asked.judges:
        name, colon, argument = spec.partition(":")
        if spec in more:
            judges.append(more[spec])
            continue
        if (name in BY_ENGINE and not colon) or is_read_out(spec):
            continue
        if name == "llm" and argument:
            judges.append(_llm_judge(asked, argument, spending))
            continue
        takes_file = name in ("keywords", "python", *SHIPPED)
        judge = None
        if not colon or (takes_file and argument):
            judge = judge_from_name(name, argument, questions)
        if judge is None:
            known = ", ".join((*SIMPLE, *BY_ENGINE, *WITH_ARGUMENT))
            raise _invalid(f"--judge {spec[:80]!r}", f"one of {known}", "judge")
        judges.append(judge)
    return judges


def _llm_judge(asked: Asked, rubric: str, spending: Spending) -> LlmJudge:
    asking = Asking(
        calls=asked.calls,
        temperature=asked.temperature,
        max_reply_tokens=asked.max_reply_tokens,
        concurrency=asked.concurrency,
        options=_request(asked.request),
    )
    cache = asked.cache or _default_cache()
    return LlmJudge(
        load_rubric(rubric),
        asked.seats,
        ReplyCache(expand_home(cache, remedy="give --cache a folder that you can write to")),
        concept=asked.concept,
        asking=asking,
        spending=spending,
    )


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "steersman" / "replies"


def _request(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise _invalid(
            f"--request {text[:60]!r}", "a JSON object such as '{\"top_p\": 0.9}'", "request"
        )
    return value


def _read_outs(asked: Asked, results: Results) -> ReadOuts | None:
    if not any(map(is_read_out, asked.judges)):
        return None
    assert asked.base is not None, "checked before"
    model = fingerprint_of(asked.base).digest
    _check_model(model, results)
    return read_outs_of(asked.judges, resolve_model_dir(asked.base), model, asked.readout_backend)


def _check_model(fingerprint: str, results: Results) -> None:
    if fingerprint != results.grid.model:
        raise CallerError(
            f"--base is another model than the sweep's: {fingerprint}, expected "
            f"{results.grid.model}",
            code="vector_model_mismatch",
            param="base",
        )


def _check_engine_options(asked: Asked) -> None:
    wanted = [name for name in asked.judges if name in BY_ENGINE or is_read_out(name)]
    if wanted and asked.base is None:
        raise _invalid(f"--judge {wanted[0]} without a model", "--base MODEL", "base")


@contextmanager
def _engine_judges(
    asked: Asked, results: Results, questions: Questions
) -> Iterator[tuple[list[Judge], tuple[SweepItem, ...]]]:
    from steersman_vectors.formats import native
    from steersman_vectors.sweep.engines import find_engine

    grid = results.grid
    vectors = {native.digest(native.dumps(each)): each for each in map(native.load, asked.vectors)}
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # read when vLLM is imported
    open_engine = find_engine(asked.engine)
    with_kl = "kl" in asked.judges
    steered = {layer for one in settings(grid) if one.steers for layer in one.layers}
    layers = sorted(steered) or None
    model_dir = resolve_model_dir(asked.base or "")
    with open_engine(model_dir, layers=layers, max_num_seqs=AT_ONCE) as engine:
        _check_model(engine.fingerprint, results)
        dose_of = resident_dose(engine, vectors) if with_kl else named_dose
        make: dict[str, Callable[[], Judge]] = {
            "nll": lambda: SurprisalJudge(engine),
            "kl": lambda: DivergenceJudge(engine),
        }
        judges = [make[name]() for name in asked.judges if name in make]
        yield judges, items_of(results, questions, dose_of)


def _agreements(scores: Scores, others: Scores, results: Results) -> dict[str, Agreement]:
    runs = list(results.rows)
    shared = [each.name for each in scores.measures if each.name in others.verdicts]
    if not shared:
        raise CallerError(
            "--compare: the two have no judge in common; they are compared by the judges' names",
            code="judges_incomparable",
            param="compare",
        )
    return {
        name: agreement(scores.values(name, runs), others.values(name, runs)) for name in shared
    }


def _invalid(got: str, expected: str, param: str) -> CallerError:
    return CallerError(f"got {got}, expected {expected}", code="invalid_option", param=param)
