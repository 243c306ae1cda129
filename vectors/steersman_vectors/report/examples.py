"""Answers along the dial, in order, the broken ones marked. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..calibrate.record import Calibration
from ..quality.judge import judge
from .contents import Contents, Swept

MAX_PROMPTS = 3
MAX_CHARS = 700
_Told = dict[str, list[tuple[float, str]]]
"""By prompt: alpha and answer."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One answer as it is shown."""

    alpha: float
    text: str
    left_out: int
    """Characters that are not shown."""
    findings: tuple[str, ...]
    """Why it is degenerate; empty where it is not."""
    beyond: bool
    """Whether alpha is beyond `alpha_max`."""


@dataclass(frozen=True, slots=True)
class Examples:
    """What a report shows of answers."""

    prompts: tuple[Along, ...] = ()
    layers: tuple[int, ...] = ()
    """Where a sweep's answers were steered; empty for those of a calibration."""
    most: float | None = None
    """`alpha_max`, where it is known."""


@dataclass(frozen=True, slots=True)
class Along:
    """One prompt, answered along the dial."""

    prompt: str
    answers: tuple[Shown, ...]
    """By alpha."""


def examples(contents: Contents) -> Examples:
    """Returns those of the calibration; without any, the first prompts of the sweep."""
    record = contents.calibration
    most = contents.card.alpha_max if record is None else record.alpha_max
    layers: tuple[int, ...] = ()
    if record is not None and record.examples:
        told = _of_record(record)
    elif contents.swept is not None:
        layers, told = _of_sweep(contents.swept, contents.card.name)
    else:
        return Examples()
    prompts = tuple(
        Along(prompt, tuple(_shown(prompt, alpha, text, most) for alpha, text in sorted(answers)))
        for prompt, answers in told.items()
    )
    return Examples(prompts, layers, most)


def _of_record(record: Calibration) -> _Told:
    found: dict[str, list[tuple[float, str]]] = {}
    for example in record.examples:
        found.setdefault(example.prompt, []).append((example.alpha, example.text))
    return found


def _of_sweep(swept: Swept, vector: str) -> tuple[tuple[int, ...], _Told]:
    """Returns the fewest layers that were swept, and the answers to the first prompts there."""
    prompts = {prompt.id: prompt.asked for prompt in swept.results.grid.prompts[:MAX_PROMPTS]}
    rows = [
        row for row in swept.results.rows.values()
        if row.prompt in prompts and row.sample == 0 and row.vector in (None, vector)
    ]  # fmt: skip
    steered = [row for row in rows if row.vector is not None]
    layers = min((row.layers for row in steered), default=(), key=lambda one: (len(one), one))
    found: dict[str, list[tuple[float, str]]] = {}
    for row in rows:
        if row.vector is None or row.layers == layers:
            found.setdefault(prompts[row.prompt], []).append((row.alpha, row.text))
    return layers, found


def _shown(prompt: str, alpha: float, text: str, most: float | None) -> Shown:
    # Without its finish reason an answer counts as ended by itself, so that nothing is `truncated`.
    judged = judge(prompt, text, "stop")
    return Shown(
        alpha=alpha,
        text=text[:MAX_CHARS],
        left_out=max(0, len(text) - MAX_CHARS),
        findings=tuple(sorted(judged.findings)) if judged.degenerate else (),
        beyond=most is not None and abs(alpha) > most,
    )
