"""The report as Markdown, and its place in the README."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from steersman_demo.evaluate import Figure
from steersman_demo.measure import Row
from steersman_demo.targets import verdicts

BEGIN, END = "<!-- demo-report:begin -->", "<!-- demo-report:end -->"
_COLUMNS = (
    "direction",
    "setting",
    "alpha",
    "warm %",
    "words",
    "facts right %",
    "change",
    "degenerate %",
    "unsafe refused %",
)


@dataclass(frozen=True)
class Report:
    """All measured figures; what `report.json` holds."""

    engine: str
    temperature: float
    seconds: int
    judged: int
    """Corpus answers of known tone that the judge labelled."""
    agreement: float
    """Share of them that it labelled right."""
    unsteered: Row
    vectors: dict[str, list[Row]]
    """Per vector: its settings, then those of a random direction."""
    together: Row


REPORT = TypeAdapter(Report)


def table(rows: Sequence[Row]) -> str:
    """One Markdown row per configuration; `±` is one standard error."""
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|---|---|---:|---:|---:|---:|---:|---:|---:|"]
    for row in rows:
        cells = [
            row.direction,
            row.setting,
            f"{row.alpha:+g}" if row.alpha else "0",
            _percent(row.warm),
            f"{row.words.mean:.1f} ± {row.words.error:.1f}",
            _percent(row.facts),
            f"{100 * row.facts_change.mean:+.1f} ± {100 * row.facts_change.error:.1f}",
            _percent(row.degenerate),
            _percent(row.refused),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def page(report: Report) -> str:
    """The report as Markdown."""
    parts = [
        _how(report),
        "\n".join(f"- {v.text}" for v in verdicts(report.unsteered, report.vectors)),
    ]
    for name, rows in report.vectors.items():
        own = [row for row in rows if row.direction == name]
        ordered = sorted([report.unsteered, *own], key=lambda row: row.alpha)
        parts.append(f"**`{name}`**\n\n{table([*ordered, *(r for r in rows if r not in own)])}")
    parts.append(f"**Both at once**\n\n{table([report.together])}")
    parts.append("![Dose and response](docs/demo-report/dose-response.png)")
    return "\n\n".join(parts)


def _how(report: Report) -> str:
    return (
        f"{report.unsteered.n:,} prompts in phrasings that were never trained on, temperature "
        f"{report.temperature}, {report.engine}; ± is one standard error. `random` is a random "
        "direction of equal norm. The deterministic judge agrees with "
        f"{100 * report.agreement:.1f}% of {report.judged:,} corpus answers of known tone."
    )


def put_into(readme: Path, text: str) -> bool:
    """Replace the report's block in the README; False where it has no such block."""
    page = readme.read_text() if readme.exists() else ""
    if BEGIN not in page or END not in page:
        return False
    before, rest = page.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    readme.write_text(f"{before}{BEGIN}\n{text.strip()}\n{END}{after}")
    return True


def _percent(figure: Figure) -> str:
    return f"{100 * figure.mean:.1f} ± {100 * figure.error:.1f}"
