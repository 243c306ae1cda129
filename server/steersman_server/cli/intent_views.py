"""What people are shown of intent classifiers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..intent.card import IntentCard, Measured
from ..intent.contract import Intent
from .output import printable


def intent_line(intent: Intent, *, is_safety: bool) -> str:
    """Returns one line: the label and its score, or that the classifier abstained."""
    if intent.label is not None:
        served = ", served unsteered" if is_safety else ""
        return f"{intent.label} ({intent.score:.2f}, {intent.source}{served})"
    best = "" if intent.best is None else f"; the best label was {intent.best} ({intent.score:.2f})"
    return f"no intent ({intent.source}){best}"


def trained_parts(out: Path, card: IntentCard) -> list[Any]:
    """Returns what training made, and how well it does."""
    counts = ", ".join(f"{name or 'out of scope'} {n}" for name, n in card.training.items())
    total = sum(card.training.values())
    parts: list[Any] = [
        f"Wrote {printable(str(out))}: trained on {total} messages ({counts})",
        f"Threshold {card.threshold:.2f}, of safety labels {card.safety_threshold:.2f} "
        f"({', '.join(card.safety_labels) or 'there are none'})",
    ]
    if not card.has_other:
        parts.append(
            "No text without a label (null) was among them: expect it to abstain too seldom"
        )
    if card.held_out is None:
        return [*parts, "Nothing was kept back to measure it on; use --test or --test-share"]
    return [*parts, "", *measured_parts(card.held_out)]


def measured_parts(measured: Measured) -> list[Any]:
    """Returns the figures, the confusion matrix and the calibration."""
    parts: list[Any] = [_figures(measured), "", _confusion(measured), "", _bins(measured)]
    named = {name: each for name, each in measured.sources.items() if name}
    if named:
        shown = (f"{printable(n)} {_percent(s.right)} of {s.texts}" for n, s in named.items())
        parts += ["", "Right by source: " + ", ".join(shown)]
    return parts


def _table(title: str, *columns: str) -> Any:
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    return table


def _figures(measured: Measured) -> Any:
    table = _table(f"{measured.texts} messages", "", "")
    table.show_header = False
    for name, value in (
        ("accuracy of the best label", measured.accuracy),
        ("macro F1 of the best label", measured.macro_f1),
        ("labels given, of messages that have one", measured.answered),
        ("right among labels given", measured.answered_accuracy),
        ("abstained, of messages out of scope", measured.abstained_outside),
        ("safety messages found", measured.safety_recall),
        ("right among those taken for safety", measured.safety_precision),
        ("expected calibration error", measured.calibration_error),
    ):
        table.add_row(name, _percent(value))
    return table


def _confusion(measured: Measured) -> Any:
    given = sorted({name for cells in measured.confusion.values() for name in cells if name})
    columns = [*given, ""]
    table = _table("Confusion", "is \\ given", *(name or "abstained" for name in columns))
    for row in sorted(measured.confusion, key=lambda name: (name == "", name)):
        cells = measured.confusion[row]
        table.add_row(row or "out of scope", *(str(cells.get(name, 0)) for name in columns))
    return table


def _bins(measured: Measured) -> Any:
    table = _table("Calibration", "score", "messages", "mean score", "right")
    for each in measured.bins:
        if each.count:
            cells = (str(each.count), _percent(each.score), _percent(each.accuracy))
            table.add_row(f"{each.low:.1f} to {each.high:.1f}", *cells)
    return table


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}%"
