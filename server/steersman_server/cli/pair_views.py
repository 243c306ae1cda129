"""What `steersman pairs` shows. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.text import Text

from steersman_vectors.pairs.check import Report
from steersman_vectors.pairs.finding import Finding
from steersman_vectors.pairs.generate import Generated
from steersman_vectors.pairs.lengths import Lengths
from steersman_vectors.pairs.split import SPLITS

from .output import printable
from .tenant_views import plain_table

STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}
REMEDIES = {
    "max_requests": "raise --max-requests",
    "max_tokens": "raise --max-tokens",
    "no_progress": "the model repeats itself or writes no pairs; choose another one (--model), "
    "a wider --concept, or a --temperature",
}


def report_json(report: Report) -> dict[str, Any]:
    """Returns the report for programs."""
    value = asdict(report)
    counts = {how: sum(d.how == how for d in report.dropped) for how in ("exact", "near")}
    return {**value, "duplicates": counts, "dropped": value.pop("dropped")}


def report_parts(report: Report) -> list[Any]:
    """Returns counts, lengths and findings for people."""
    kind = "pairs" if report.paired else "labelled examples"
    dropped = f", {len(report.dropped)} duplicates passed over" if report.dropped else ""
    table = plain_table("split", "positive", "negative")
    for split in SPLITS:
        table.add_row(split, str(report.positive[split]), str(report.negative[split]))
    parts: list[Any] = [
        f"{report.lines} {kind}{dropped}   {report.data_hash[:19]}",
        "",
        table,
        "",
        *_lengths(report.lengths),
        "",
    ]
    for each in report.findings:
        parts += _finding(each)
    return [*parts, _verdict(report)]


def generated_text(done: Generated, out: Path) -> str:
    """Returns what a run wrote, and what it did not take."""
    refused = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in done.refused.items())
    lines = [
        f"Wrote {done.written} lines to {printable(str(out))}, which has {done.in_all}",
        f"  asked     {done.requests} requests, {done.tokens:,} tokens",
        *([f"  not taken {refused}"] if refused else []),
        f"  next      steersman pairs check {printable(str(out))}",
    ]
    return "\n".join(lines)


def short_of(done: Generated, count: int) -> str:
    """Returns why there are fewer lines than were wanted, with the remedy."""
    return f"{done.in_all} of {count} lines ({done.ended}): {REMEDIES[done.ended]}"


def _lengths(lengths: Lengths) -> Iterator[str]:
    yield (
        f"Words of {lengths.of}: positive mean {lengths.positive_mean:.1f}, median "
        f"{lengths.positive_median:g}; negative mean {lengths.negative_mean:.1f}, median "
        f"{lengths.negative_median:g}"
    )
    d, accuracy = lengths.d, lengths.accuracy
    if d is not None:
        yield f"Cohen's d of the lengths {d.estimate:.2f} (95%: {d.low:.2f} to {d.high:.2f})"
    yield (
        f"Told apart by length alone {accuracy.estimate:.0%} (95%: {accuracy.low:.0%} to "
        f"{accuracy.high:.0%}; chance 50%)"
    )


def _finding(each: Finding) -> Iterator[Text]:
    yield Text.assemble(
        (f"{each.severity}: ", STYLES[each.severity]),
        printable(each.message),
        (f" [{each.code}]", "dim"),
    )
    if each.lines:
        yield Text(f"  lines   {', '.join(map(str, each.lines))}")
    yield Text(f"  remedy  {each.remedy}")


def _verdict(report: Report) -> str:
    if not report.findings:
        return "Nothing is wrong."
    counts = {name: sum(f.severity == name for f in report.findings) for name in STYLES}
    return ", ".join(f"{n} {name}{'s' if n > 1 else ''}" for name, n in counts.items() if n)
