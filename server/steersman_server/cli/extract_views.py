"""What people and programs are shown of an extracted vector."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from .output import printable
from .vector_views import ranges

if TYPE_CHECKING:
    from steersman_vectors.extract.order import Extracted
    from steersman_vectors.layer_metrics.measures import LayerMeasures

_COLUMNS = (
    "layer", "raw norm", "/ mean |x|", "PC1", "probe", "by chance", "p", "consistency", "stability",
    "SNR", "normalised", "layer before", "most alike",
)  # fmt: skip


def as_json(extracted: Extracted, out: Path, digest: str) -> dict[str, Any]:
    """Returns the outcome for programs."""
    card, passed = extracted.vector.card, extracted.passed
    return {
        "file": str(out),
        "digest": digest,
        "name": card.name,
        "fingerprint": card.fingerprint,
        "layers": sorted(card.layers),
        "scale": card.scale,
        "method": card.method,
        "positive": extracted.positive,
        "negative": extracted.negative,
        "skipped": extracted.skipped,
        "tokens": passed.tokens,
        "resumed_tokens": passed.resumed_tokens,
        "seconds": round(passed.seconds, 3),
        "try_first": extracted.try_first,
        "quality": card.quality,
    }


def parts(extracted: Extracted, out: Path) -> list[Any]:
    """Returns the outcome for people: what was made, a row per layer, what to do next."""
    card = extracted.vector.card
    lines = [
        f"{card.name}: written to {printable(str(out))}",
        f"  method  {card.method}",
        f"  layers  {ranges(card.layers)}",
        f"  scale   {card.scale}",
        f"  pairs   {_examples(extracted)}",
        f"  read    {_passed(extracted)}",
    ]
    said: list[Any] = ["\n".join(lines)]
    if extracted.measures:
        said += ["", _table(extracted.measures, extracted.try_first)]
    return [*said, "", _next_step(extracted)]


def _examples(extracted: Extracted) -> str:
    counts = f"{extracted.positive:,} positive and {extracted.negative:,} negative examples"
    left = f", {extracted.skipped:,} left out as too long" if extracted.skipped else ""
    return counts + left


def _passed(extracted: Extracted) -> str:
    passed = extracted.passed
    fresh = passed.tokens - passed.resumed_tokens
    if not fresh:
        return f"nothing: the states of {passed.tokens:,} tokens were there"
    speed = f"{fresh / passed.seconds:,.0f} a second" if passed.seconds else "at once"
    resumed = f", {passed.resumed_tokens:,} were there" if passed.resumed_tokens else ""
    return f"{fresh:,} tokens in {passed.seconds:.1f} s, {speed}{resumed}"


def _next_step(extracted: Extracted) -> str:
    if not extracted.measures:
        return f"Sweeps should try layer {extracted.try_first} first (nearest to 2/3 of the depth)."
    return (
        f"Sweeps should try layer {extracted.try_first} first (marked *). That is a guess from the "
        "pairs; only a sweep tells where steering works."
    )


def _table(measures: tuple[LayerMeasures, ...], first: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column == "most alike" else "right")
    for m in measures:
        mark = "*" if m.layer_idx == first else " "
        style = "bold" if m.layer_idx == first else ""
        table.add_row(f"{mark}{m.layer_idx}", *_row(m), style=style)
    return table


def _row(m: LayerMeasures) -> tuple[str, ...]:
    probe = m.probe
    pc1 = m.explained_variance[0] if m.explained_variance else None
    alike = next(iter(m.interference.items()), None)
    return (
        _number(m.raw_norm),
        _number(m.relative_norm),
        _share(pc1),
        _share(None if probe is None else probe.accuracy),
        _share(None if probe is None else probe.null_95),
        _number(None if probe is None else probe.p_value),
        _number(m.consistency),
        _number(m.stability),
        _number(m.signal_to_noise),
        _number(m.normalisation),
        _number(m.adjacent),
        "-" if alike is None else f"{alike[0]} {alike[1]:+.2f}",
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}%"
