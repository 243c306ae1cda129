"""Measures settings on the real engine: asks, judges, and makes figures with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan

from ..judges.contract import Judgeable, Verdict
from ..judges.likelihood import DivergenceJudge
from ..message import Message
from ..sweep import grid as grids
from ..sweep.contract import Answer, Dose, OfflineEngine
from ..sweep.doses import resident_dose
from ..sweep.grid import UNSTEERED, Grid, LayerSet, Run, Setting
from ..sweep.prompts import SweepPrompt
from ..sweep.rows import Row
from .estimates import Values, estimates_of
from .gates import failed_by
from .order import Measured, Order
from .prompts import Half, facts_in
from .record import Estimate, Point, Prompted
from .search import Cell
from .store import Store


@dataclass(frozen=True, slots=True)
class _Said:
    run: str
    prompt: SweepPrompt
    item: Judgeable


class Bench:
    """What is asked of one engine for one order."""

    def __init__(
        self,
        engine: OfflineEngine,
        order: Order,
        store: Store,
        tell: Callable[[int], None] = lambda _more: None,
    ) -> None:
        """Asks nothing yet; tell: told of each answer and each weighing."""
        self._engine, self._order, self._store, self._tell = engine, order, store, tell
        self._vectors = {order.digest: order.vector}
        self._dose_of = resident_dose(engine, self._vectors)
        self._kl = Measured("kl", "prompts", DivergenceJudge(engine))
        self._verdicts: dict[str, dict[str, Verdict]] = {}
        self._unsteered: dict[Half, dict[str, Values]] = {}
        self._weighed: set[str] = set()
        """Runs of whose KL was told."""

    def cells(self, half: Half, cells: Sequence[Cell]) -> list[Point]:
        """Returns the points of these settings, in order."""
        self._ask(half, cells)
        # All at once: a judging model has more to do at a time, and for KL the unsteered
        # distributions are weighed once for all doses.
        self._judged([said for cell in cells for said in self._said_under(half, cell)], kl=True)
        return [self.point(half, cell) for cell in cells]

    def values(self, half: Half, cell: Cell) -> Mapping[str, Values]:
        """Returns what each judge said of one setting's answers, by prompt."""
        self._ask(half, [cell])
        return self._values(half, cell)

    def point(self, half: Half, cell: Cell, base: Mapping[str, Values] | None = None) -> Point:
        """Returns the point of a setting that was asked.

        base: what its changes are against; None: the unsteered answers.
        """
        against = self._base(half) if base is None else base
        figures, changes = estimates_of(self._measures(), self._values(half, cell), against)
        return Point(
            layers=self._order.layers_of(cell.layer_set),
            layer_set=cell.layer_set.rule,
            alpha=cell.alpha,
            figures=figures,
            changes=changes,
            failed=failed_by(self._order.space.gates, figures, changes),
        )

    def unsteered(self, half: Half) -> dict[str, Estimate]:
        """Returns the figures of the model without any dose."""
        return estimates_of(self._measures(), self._base(half), {})[0]

    def prompted(self, system_prompt: str) -> Prompted:
        """Returns the figures of the model, unsteered, under a system prompt, on the held-out half.

        Judges see each question as it was without that prompt.
        """
        base = self._base("heldout")
        prompts = self._order.prompts.of("heldout")
        told = tuple(
            replace(prompt, messages=under(system_prompt, prompt.messages)) for prompt in prompts
        )
        grid = self._plain_grid(told)
        self._store.answer(self._engine, grid, {}, self._tell)
        by_id = {prompt.id: prompt for prompt in prompts}
        said = [
            self._said(run, UNSTEERED, by_id[run.prompt.id])
            for run in grids.runs_of(grid, UNSTEERED)
        ]
        values = self._judged(said, kl=False)
        # KL is of two distributions at one context, and a system prompt is another context.
        figures, changes = estimates_of(self._order.measured, values, base)
        return Prompted(system_prompt=system_prompt, figures=figures, changes=changes)

    def text(self, half: Half, prompt: SweepPrompt, cell: Cell | None) -> str:
        """Returns an answer that was given; cell None: the unsteered one."""
        grid = self._plain_grid(self._order.prompts.of(half))
        setting = UNSTEERED if cell is None else self._setting(cell)
        run = next(r for r in grids.runs_of(replace(grid, prompts=(prompt,)), setting))
        return self._store.rows[run.id].text

    def _base(self, half: Half) -> dict[str, Values]:
        if half not in self._unsteered:
            grid = self._plain_grid(self._order.prompts.of(half))
            self._store.answer(self._engine, grid, {}, self._tell)
            said = [self._said(r, UNSTEERED, r.prompt) for r in grids.runs_of(grid, UNSTEERED)]
            self._unsteered[half] = self._judged(said, kl=True)
        return self._unsteered[half]

    def _ask(self, half: Half, cells: Sequence[Cell]) -> None:
        self._base(half)
        for grid in self._grids(half, cells):
            self._store.answer(self._engine, grid, self._vectors, self._tell)

    def _values(self, half: Half, cell: Cell) -> dict[str, Values]:
        return self._judged(self._said_under(half, cell), kl=True)

    def _said_under(self, half: Half, cell: Cell) -> list[_Said]:
        setting = self._setting(cell)
        grid = self._order.grid(self._order.prompts.of(half), (cell.layer_set,), (cell.alpha,))
        return [self._said(run, setting, run.prompt) for run in grids.runs_of(grid, setting)]

    def _measures(self) -> tuple[Measured, ...]:
        return (*self._order.measured, self._kl)

    def _setting(self, cell: Cell) -> Setting:
        layers = self._order.layers_of(cell.layer_set)
        return Setting(self._order.as_applied, cell.layer_set.rule, layers, cell.alpha)

    def _plain_grid(self, prompts: tuple[SweepPrompt, ...]) -> Grid:
        return self._order.grid(prompts, (LayerSet(grids.OWN, None),), (0.0,))

    def _grids(self, half: Half, cells: Sequence[Cell]) -> list[Grid]:
        """Returns one grid where the cells are a product, so that they share a stream."""
        prompts = self._order.prompts.of(half)
        alphas: dict[LayerSet, tuple[float, ...]] = {}
        for cell in cells:
            alphas[cell.layer_set] = (*alphas.get(cell.layer_set, ()), cell.alpha)
        if len(set(alphas.values())) == 1:
            return [self._order.grid(prompts, tuple(alphas), next(iter(alphas.values())))]
        return [self._order.grid(prompts, (one,), those) for one, those in alphas.items()]

    def _said(self, run: Run, setting: Setting, asked: SweepPrompt) -> _Said:
        row = self._store.rows[run.id]
        plain = self._plain_grid((asked,))
        base = next(r.id for r in grids.runs_of(plain, UNSTEERED) if r.sample == run.sample)
        item = Judgeable(
            messages=asked.messages,
            answer=_answer(row),
            dose=self._dose(setting),
            baseline=_answer(self._store.rows[base]),
            expected=facts_in(asked),
        )
        return _Said(run.id, asked, item)

    def _dose(self, setting: Setting) -> Dose:
        return self._dose_of(setting)

    def _judged(self, said: Sequence[_Said], *, kl: bool) -> dict[str, Values]:
        """Returns the values of each measure, by prompt, of the answers to its set of prompts."""
        found: dict[str, Values] = {}
        for measured in self._order.measured:
            own = _of_suite(said, measured)
            verdicts = self._verdicts.setdefault(measured.name, {})
            new = _unknown(own, verdicts)
            for index, verdict in measured.judge.judge([each.item for each in new]):
                verdicts[new[index].run] = verdict
            found[measured.name] = _by_prompt(own, verdicts)
        if kl:
            own = _of_suite(said, self._kl)
            new = _unknown(own, self._store.kl)
            seen = {each.run for each in own} - self._weighed
            self._weighed |= seen
            self._tell(len(seen) - len(new))
            for index, verdict in self._kl.judge.judge([each.item for each in new]):
                self._store.keep_kl(new[index].run, verdict)
                self._tell(1)
            found["kl"] = _by_prompt(own, self._store.kl)
        return found


def under(system_prompt: str, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Returns the turns under a system prompt, which goes before what the prompt has of its own."""
    if messages[0].role != "system":
        return (Message("system", system_prompt), *messages)
    return (Message("system", f"{system_prompt}\n\n{messages[0].content}"), *messages[1:])


def _unknown(said: Iterable[_Said], verdicts: Mapping[str, Verdict]) -> list[_Said]:
    """Returns what is not judged yet, each answer once."""
    return list({each.run: each for each in said if each.run not in verdicts}.values())


def _of_suite(said: Iterable[_Said], measured: Measured) -> list[_Said]:
    return [each for each in said if each.prompt.id.startswith(f"{measured.suite}/")]


def _by_prompt(said: Iterable[_Said], verdicts: Mapping[str, Verdict]) -> Values:
    found: Values = {}
    for each in said:
        found.setdefault(each.prompt.id, []).append(verdicts[each.run].value)
    return found


def _answer(row: Row) -> Answer:
    logprobs = tuple(nan if logprob is None else logprob for logprob in row.logprobs)
    return Answer(row.text, row.finish_reason, row.token_ids, logprobs)
