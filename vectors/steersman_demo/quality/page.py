"""The figures as the tables of `docs/quality.md`."""

from collections.abc import Sequence

from steersman_demo.marked import marks
from steersman_demo.quality import figures, texts
from steersman_demo.quality.answers import LAYERS, Steered
from steersman_demo.quality.figures import Figures

NAME = "demo-quality"
BEGIN, END = marks(NAME)
HEAD = "| {} | answers | degenerate | found | precision | recall |\n|---|---:|---:|---:|---:|---:|"
GROUPS: dict[str, tuple[str, tuple[int, ...]]] = {
    "unsteered": ("none", (0,)),
    "empathy (read)": ("empathy", LAYERS),
    f"concise, layer {LAYERS[0]} (read)": ("concise", LAYERS[:1]),
    f"concise, layers {LAYERS[1]} and {LAYERS[2]}": ("concise", LAYERS[1:]),
}
"""Whose misses were read while the bounds were chosen, and whose were not: vector, layers."""


def block(answers: Sequence[Steered]) -> str:
    """All that was measured, as Markdown."""
    return "\n\n".join([
        "### Over-steered answers of the demo model",
        f"{len(answers)} answers, sampled at temperature 0.8 with fixed seeds: unsteered, and "
        "steered by two vectors, each at three layers, on the header token alone and on every "
        "token (the shipped vectors act on the header). The truth is "
        "the demo's own judge, which the detectors know nothing of: a word that the corpus lacks, "
        "a loop by its stricter measure, or no end. Bounds were chosen while reading the misses "
        "of the groups marked so; the others were not read.",
        _table("steering", _groups(answers)),
        "By alpha, both vectors, all layers:",
        _table("where, alpha", _by_alpha(answers)),
        _by_finding(answers),
        "### Texts written by hand",
        "Fine answers that look odd (lists, code, tables, songs, sixteen languages, quoted and "
        "translated text), and degenerate ones. `tune` was tuned on, `test` was not.",
        _labelled(),
        _wrong(),
    ])  # fmt: skip


def _groups(answers: Sequence[Steered]) -> dict[str, Sequence[Steered]]:
    groups: dict[str, Sequence[Steered]] = {
        name: [each for each in answers if each.vector == vector and each.layer in layers]
        for name, (vector, layers) in GROUPS.items()
    }
    return groups | {"all": answers}


def _by_alpha(answers: Sequence[Steered]) -> dict[str, Sequence[Steered]]:
    keys = sorted({(each.schedule, each.alpha) for each in answers if each.vector != "none"},
                  key=lambda key: (key[0] != "header", key[1]))  # fmt: skip
    return {
        f"{'header' if schedule == 'header' else 'every token'}, {alpha:g}": [
            each for each in answers
            if each.vector != "none" and (each.schedule, each.alpha) == (schedule, alpha)
        ]
        for schedule, alpha in keys
    }  # fmt: skip


def _table(first: str, groups: dict[str, Sequence[Steered]]) -> str:
    rows = [_row(name, figures.of_answers(group)) for name, group in groups.items()]
    return "\n".join([HEAD.format(first), *rows])


def _row(name: str, figure: Figures) -> str:
    return (
        f"| {name} | {figure.n} | {figure.there} | {figure.found} | {_share(figure.precision)} "
        f"| {_share(figure.recall)} |"
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _by_finding(answers: Sequence[Steered]) -> str:
    bad = figures.findings_of_answers([each for each in answers if each.degenerate])
    fine = figures.findings_of_answers([each for each in answers if not each.degenerate])
    lines = ["| finding | in degenerate answers | in others |", "|---|---:|---:|"]
    lines += [f"| {finding} | {bad[finding]} | {fine[finding]} |" for finding in texts.FINDINGS]
    return "\n".join(lines)


def _labelled() -> str:
    lines = [
        "| finding | tune: there | precision | recall | test: there | precision | recall |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    tune, test = (figures.of_texts(texts.read(path)) for path in (texts.TUNE, texts.TEST))
    for finding in [*texts.FINDINGS, "degenerate"]:
        cells = (
            f"{each.there} | {_share(each.precision)} | {_share(each.recall)}"
            for each in (tune[finding], test[finding])
        )
        lines.append(f"| {finding} | {' | '.join(cells)} |")
    counts = [len(texts.read(path)) for path in (texts.TUNE, texts.TEST)]
    lines += ["", f"Texts: {counts[0]} to tune on, {counts[1]} to test on."]
    return "\n".join(lines)


def _wrong() -> str:
    said = [
        f"- {kind}: is {', '.join(there) or 'fine'}, found {', '.join(found) or 'nothing'}"
        for kind, there, found in figures.wrong(texts.read(texts.TEST))
    ]
    return "\n".join(["Judged wrong among the test texts:", "", *said] if said else ["None wrong."])
