"""The report as Markdown, and its place in the README."""

from collections.abc import Sequence
from pathlib import Path

from steersman_demo.evaluate import Figure
from steersman_demo.measure import Row

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


def page(unsteered: Row, ladders: dict[str, list[Row]], together: Row, how: str) -> str:
    """The report as Markdown."""
    parts = [how]
    for name, rows in ladders.items():
        own = [row for row in rows if row.direction == name]
        ordered = sorted([unsteered, *own], key=lambda row: row.alpha)
        parts.append(f"**`{name}`**\n\n{table([*ordered, *(r for r in rows if r not in own)])}")
    parts.append(f"**Both at once**\n\n{table([together])}")
    parts.append("![Dose and response](docs/demo-report/dose-response.png)")
    return "\n\n".join(parts)


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
