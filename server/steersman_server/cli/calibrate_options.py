"""From the options of `vectors calibrate` to the order that they give."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from steersman_vectors.errors import CallerError
from steersman_vectors.judges.named_file import named_file

from .sweep_options import check_model, layer_set, numbers, schedule_of
from .values import check_apart, check_new, refused

if TYPE_CHECKING:
    from steersman_vectors.calibrate.gates import Bounds
    from steersman_vectors.calibrate.order import Measured, Order
    from steersman_vectors.calibrate.prompts import Suite
    from steersman_vectors.card import Scope
    from steersman_vectors.judges.contract import Judge
    from steersman_vectors.sweep.prompts import SweepPrompt
    from steersman_vectors.vector import SteeringVector

    from .readout_judges import ReadOuts

ALPHAS: Mapping[str, tuple[float, ...]] = {
    "raw": (0.25, 0.5, 1.0, 2.0, 4.0),
    "residual": (0.05, 0.1, 0.2, 0.4, 0.8),
    "token": (0.05, 0.1, 0.2, 0.4, 0.8),
}
"""The coarse grid of a scale that has a natural unit."""
BOUNDS: Mapping[str, str] = {
    "max_degenerate": "degenerate",
    "max_kl": "kl",
    "max_facts_drop": "facts_drop",
    "max_refusal_rise": "refusal_rise",
    "max_unsafe_drop": "unsafe_drop",
    "min_coherence": "coherence",
}
"""Option -> field of `Bounds`."""
NEW = "a new file, or what the same command wrote before"
MOSTLY = 0.95
"""Share of the prompts that must have facts, to be the prompts of facts too."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line."""

    vector: Path
    model: str
    prompts: Path
    heldout: Path | None
    facts: Path | None
    unsafe: Path | None
    judge: str
    also: tuple[str, ...]
    toward: Literal["higher", "lower"] | None
    layers: tuple[str, ...]
    alphas: str | None
    halvings: int
    bounds: Mapping[str, str]
    baseline_prompts: tuple[str, ...]
    temperature: float
    max_tokens: int
    seed: int
    scope: Scope | None
    schedule: str | None
    concept: str
    endpoints: tuple[str, ...]
    judge_models: tuple[str, ...]
    api_key_env: str | None
    max_calls: int | None
    readout_backend: str = "hf"
    samples: int = 1


@dataclass(frozen=True, slots=True)
class Planned:
    """An order, and the model that it is for."""

    order: Order
    model_dir: Path
    read_outs: ReadOuts | None = None
    """Read-outs among its judges, whose model is to be let go at the end."""

    def reading(self) -> AbstractContextManager[object]:
        """Returns a block at whose end the model of the read-outs is let go."""
        return nullcontext() if self.read_outs is None else self.read_outs.source


def plan(asked: Asked) -> Planned:
    """Returns the order; boots nothing.

    Raises `CallerError` for whatever does not fit together, too few prompts for a gate included.
    """
    from steersman_vectors.calibrate.gates import gates_of
    from steersman_vectors.calibrate.order import Asking, Order, check_order
    from steersman_vectors.calibrate.prompts import split
    from steersman_vectors.calibrate.search import Space
    from steersman_vectors.formats import native
    from steersman_vectors.model_dir import read_shape, resolve_model_dir
    from steersman_vectors.registry.binding import check_fits
    from steersman_vectors.schedule import CONSTANT

    from .progress import fingerprint_of
    from .readout_judges import read_outs_of

    if asked.samples > 1 and asked.temperature == 0:
        raise _invalid(
            f"--samples {asked.samples} of greedy answers, which are all the same",
            "--temperature 0.8 with it",
            "samples",
        )
    model_dir = resolve_model_dir(asked.model)
    shape = read_shape(model_dir)
    vector = native.load(asked.vector)
    fingerprint = fingerprint_of(asked.model).digest
    check_fits(vector, shape)
    check_model(vector, asked.vector, fingerprint)
    sets, heldout = _prompts(asked)
    bounds = _bounds(asked.bounds)
    reading = read_outs_of(
        (asked.judge, *asked.also), model_dir, fingerprint, asked.readout_backend
    )
    measured, behaviour = _measured(asked, sets, bounds, reading)
    given = None if asked.schedule is None else schedule_of(asked.schedule)
    rules = asked.layers or _default_rules(vector, shape.num_layers)
    order = Order(
        vector=vector,
        model=fingerprint,
        space=Space(
            layer_sets=tuple(layer_set(rule, model_dir, shape.num_layers) for rule in rules),
            alphas=_alphas(asked.alphas, vector),
            gates=gates_of(
                bounds,
                facts=any(each.name == "facts" for each in measured),
                unsafe="unsafe" in sets,
            ),
            halvings=asked.halvings,
        ),
        prompts=split(sets, heldout),
        behaviour=behaviour.name,
        measured=measured,
        toward=toward_of(asked.toward, behaviour.judge),
        asking=Asking(asked.temperature, asked.samples, asked.max_tokens, asked.seed),
        scope=asked.scope or vector.card.scope or "assistant",
        schedule=given or vector.card.schedule or CONSTANT,
        system_prompts=asked.baseline_prompts,
        recipe=_recipe(asked, rules, fingerprint),
    )
    check_order(order)
    return Planned(order, model_dir, reading)


def _prompts(
    asked: Asked,
) -> tuple[dict[Suite, tuple[SweepPrompt, ...]], dict[Suite, tuple[SweepPrompt, ...]] | None]:
    from steersman_vectors.calibrate.prompts import with_facts
    from steersman_vectors.sweep.prompts import read_prompts

    sets: dict[Suite, tuple[SweepPrompt, ...]] = {"prompts": read_prompts(asked.prompts)}
    if asked.facts is not None:
        sets["facts"] = read_prompts(asked.facts)
        lacking = len(sets["facts"]) - len(with_facts(sets["facts"]))
        if lacking:
            raise _invalid(
                f"--facts {asked.facts} with {lacking} prompts that say no facts",
                '"expected": "..." in each line',
                "facts",
            )
    if asked.unsafe is not None:
        sets["unsafe"] = read_prompts(asked.unsafe)
    heldout: dict[Suite, tuple[SweepPrompt, ...]] | None = None
    if asked.heldout is not None:
        heldout = {"prompts": read_prompts(asked.heldout)}
    return sets, heldout


def _measured(
    asked: Asked,
    sets: Mapping[Suite, tuple[SweepPrompt, ...]],
    bounds: Bounds,
    reading: ReadOuts | None,
) -> tuple[tuple[Measured, ...], Measured]:
    """Returns all that is measured, and which of it is the behaviour."""
    from steersman_vectors.calibrate.gates import UNSAFE
    from steersman_vectors.calibrate.order import Measured
    from steersman_vectors.calibrate.prompts import with_facts
    from steersman_vectors.judges.facts import facts_judge
    from steersman_vectors.judges.findings import finding_judge

    specs = [asked.judge, *asked.also]
    if bounds.coherence is not None and "llm:coherence" not in specs:
        specs.append("llm:coherence")
    judges = _judges(asked, specs, sets["prompts"], {} if reading is None else reading.judges)
    found: dict[str, Measured] = {}
    for judge in judges:
        name = judge.measure.name
        if name in found:
            raise _invalid(
                f"two judges called {name!r}", "each once, of files with names of their own", "also"
            )
        found[name] = Measured(name, "prompts", judge)
    behaviour = found[judges[0].measure.name]
    for name in ("degenerate", "refusal"):
        found.setdefault(name, Measured(name, "prompts", finding_judge(name)))
    own_facts = len(with_facts(sets["prompts"])) >= MOSTLY * len(sets["prompts"])
    if "facts" in sets or own_facts:
        where: Suite = "facts" if "facts" in sets else "prompts"
        found["facts"] = Measured("facts", where, facts_judge())
    if "unsafe" in sets:
        found[UNSAFE] = Measured(UNSAFE, "unsafe", finding_judge("refusal"))
    return tuple(found.values()), behaviour


def _judges(
    asked: Asked,
    specs: list[str],
    prompts: tuple[SweepPrompt, ...],
    more: Mapping[str, Judge],
) -> list[Judge]:
    from steersman_vectors.judges.spending import Limits, Spending
    from steersman_vectors.judges.sweep_items import questions_at

    from . import judge_run

    for spec in specs:
        if spec in judge_run.BY_ENGINE:
            raise _invalid(f"--judge {spec}", "a judge of what answers say", "judge")
    as_judged = judge_run.Asked(
        results=Path(),
        judges=tuple(specs),
        concept=asked.concept,
        seats=judge_run.seats(asked.endpoints, asked.judge_models, asked.api_key_env),
        calls=1,
        temperature=None,
        concurrency=8,
        max_reply_tokens=400,
        request="{}",
        money=Limits(asked.max_calls),
        cache=None,
        base=None,
        vectors=(),
        engine="",
    )
    questions = questions_at(prompts)
    spending = Spending(as_judged.money)
    return judge_run.text_and_llm_judges(as_judged, questions, spending, more)


@dataclass(frozen=True, slots=True)
class Outs:
    """The files that a calibration writes, each with its option."""

    vectors: tuple[tuple[str, Path], ...]
    record: Path
    """Beside the first."""
    force: bool
    """Whether whatever is there is replaced."""

    @property
    def files(self) -> tuple[tuple[str, Path], ...]:
        """Returns all of them."""
        return (*self.vectors, (f"{self.vectors[0][0]} (its record)", self.record))

    def check_apart_from(self, asked: Asked, *more: Path) -> None:
        """Returns where they replace nothing that is read; raises `CallerError`.

        more: read beside the options' own files.
        """
        for option, out in self.vectors:
            if out.is_dir():
                raise refused(option, out, "a file, not a folder")
        named = [named_file(spec) for spec in (asked.judge, *asked.also)]
        check_apart(
            self.files,
            (asked.vector, asked.prompts, asked.heldout, asked.facts, asked.unsafe, *named, *more),
        )

    def check_new(self, *, same: bool) -> None:
        """Returns where they replace nothing but what the same command wrote; same: whether it did.

        That is how it goes on after an end. Raises `CallerError(file_exists)`.
        """
        for option, path in self.files:
            check_new(option, path, force=self.force or same, expected=NEW)


def toward_of(given: Literal["higher", "lower"] | None, judge: Judge) -> Literal["higher", "lower"]:
    """Returns which way is asked for, or else which way the judge says is good."""
    if given is not None:
        return given
    better = judge.measure.better
    if better == "neither":
        raise _invalid(
            f"--judge {judge.measure.name}, which does not say which way is good",
            "--toward higher or --toward lower",
            "toward",
        )
    return better


def _bounds(given: Mapping[str, str]) -> Bounds:
    from steersman_vectors.calibrate.gates import Bounds

    values: dict[str, float | None] = {}
    for option, text in given.items():
        name = option.replace("_", "-")
        try:
            values[BOUNDS[option]] = None if text == "none" else float(text)
        except ValueError:
            raise _invalid(f"--{name} {text[:40]!r}", "a number, or none", option) from None
    assert set(values) == {each.name for each in fields(Bounds)}
    return Bounds(**values)


def _alphas(text: str | None, vector: SteeringVector) -> tuple[float, ...]:
    if text is None:
        if vector.card.scale not in ALPHAS:
            raise _invalid(
                f"no --alphas for a vector of scale {vector.card.scale!r}, which has no usual ones",
                "--alphas such as 1,2,4,8",
                "alphas",
            )
        return ALPHAS[vector.card.scale]
    alphas = numbers(text)
    if not all(0 < alpha < float("inf") for alpha in alphas):
        raise _invalid(
            f"--alphas {text[:60]!r}",
            "numbers above 0; unsteered is measured anyway, and a vector that works at negative "
            "alphas should be turned round",
            "alphas",
        )
    return tuple(sorted(set(alphas)))


def _default_rules(vector: SteeringVector, num_layers: int) -> tuple[str, ...]:
    if len(vector.layers) < num_layers:
        return ("own",)
    return ("single", f"sparse:{min(5, num_layers)}", "all")


def _recipe(asked: Asked, rules: tuple[str, ...], fingerprint: str) -> dict[str, Any]:
    """Returns the options as they were given; `vectors rebuild` gives them again."""
    from steersman_vectors.recipe.calibrate_step import calibrate_step

    options = {
        "prompts": asked.prompts,
        "heldout": asked.heldout,
        "facts": asked.facts,
        "unsafe": asked.unsafe,
        "judge": asked.judge,
        "also": asked.also,
        "toward": asked.toward,
        "layers": rules,
        "alphas": asked.alphas,
        "halvings": asked.halvings,
        **{option.replace("_", "-"): text for option, text in asked.bounds.items()},
        "baseline-prompt": asked.baseline_prompts,
        "temperature": asked.temperature,
        "samples": asked.samples if asked.samples > 1 else None,
        "max-tokens": asked.max_tokens,
        "seed": asked.seed,
        "scope": asked.scope,
        "schedule": asked.schedule,
        "concept": asked.concept,
        "endpoint": asked.endpoints,
        "judge-model": asked.judge_models,
        "api-key-env": asked.api_key_env,
        "max-calls": asked.max_calls,
        "readout-backend": asked.readout_backend if asked.readout_backend != "hf" else None,
    }
    step = calibrate_step(
        options,
        command=shlex.join(["steersman", *sys.argv[1:]]),
        fingerprint=fingerprint,
        seed=asked.seed,
    )
    return step.model_dump(mode="json")


def _invalid(got: str, expected: str, param: str) -> CallerError:
    return CallerError(f"got {got}, expected {expected}", code="invalid_option", param=param)
