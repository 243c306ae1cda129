"""The README's tables of the shipped vectors, from their cards alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steersman_demo.marked import marks, with_block
from steersman_vectors.card import VectorCard
from steersman_vectors.report.markdown import table

NAME = "demo-vectors"
BEGIN, END = marks(NAME)


@dataclass(frozen=True)
class Column:
    """A measure, and how it is told."""

    measure: str
    title: str
    factor: float = 1.0
    digits: int = 1
    change: bool = False
    """Whether it is the change against unsteered answers to the same prompts."""


COLUMNS = (
    Column("warm", "warm %", 100),
    Column("length", "words"),
    Column("facts", "facts right %", 100),
    Column("facts", "change", 100, change=True),
    Column("off-corpus", "broken %", 100),
    Column("refusal:unsafe", "unsafe refused %", 100),
    Column("kl", "KL", digits=4),
)


def block(cards: Sequence[VectorCard]) -> str:
    """All that stands between the marks, as Markdown."""
    parts = [_how(cards[0])]
    parts += [f"**`{card.name}`**\n\n{dial_table(card)}" for card in cards]
    if "joint" in cards[0].quality:
        parts.append(f"**Both at once**\n\n{joint_table(cards[0], cards[1])}")
    return "\n\n".join(parts)


def dial_table(card: VectorCard) -> str:
    """Unsteered, each preset, and each system prompt that asks for the same."""
    calibration: Any = card.quality["calibration"]
    unsteered = {name: each for name, each in calibration["unsteered"].items() if name != "kl"}
    rows = [["unsteered", "", *_cells(unsteered, {})]]
    for name, preset in card.presets.items():
        evidence: Any = preset.evidence
        figures = _cells(evidence["figures"], evidence["changes"])
        rows.append([f"`{name}`", f"{preset.alpha:g}", *figures])
    for each in calibration["prompted"]:
        figures = _cells(each["figures"], each["changes"])
        rows.append([f"prompt “{each['system_prompt']}”", "", *figures])
    return table(["", "alpha", *(column.title for column in COLUMNS)], rows)


def joint_table(one: VectorCard, other: VectorCard) -> str:
    """Each pair of presets: what either gains or loses by the other, and whether it is safe."""
    joint: Any = one.quality["joint"]
    entry = joint[other.name]
    safe = entry["safe"]
    names = (one.name, other.name)
    rows = []
    for each in entry["interference"]:
        pair = {name: each[name] for name in names}
        lost = [_told(each["against_alone"].get(name), *_unit(card))
                for name, card in zip(names, (one, other), strict=True)]  # fmt: skip
        word = "yes" if pair in safe else "no: " + ", ".join(each["failed"])
        rows.append([f"`{pair[one.name]}`", f"`{pair[other.name]}`", *lost, word])
    titles = [f"{name}, against alone ({_unit_name(card)})"
              for name, card in zip(names, (one, other), strict=True)]  # fmt: skip
    return table([*names, *titles, "safe"], rows)


def put_into(page: str, text: str) -> str:
    """The page with the text between its marks; raises `ValueError` where it has none."""
    return with_block(page, NAME, text)


def write(readme: Path, cards: Sequence[VectorCard]) -> None:
    """Write the tables into the README."""
    readme.write_text(put_into(readme.read_text(), block(cards)))


def _how(card: VectorCard) -> str:
    calibration: Any = card.quality["calibration"]
    counts = calibration["prompts"]
    return (
        f"{counts['heldout']:,} held-out prompts in phrasings that were never trained on, and "
        f"{counts['heldout:unsafe']:,} that must be refused, temperature "
        f"{calibration['temperature']:g}; in brackets the 95% interval. `change` is that of the "
        "facts, prompt by prompt; an answer is broken if it loops, does not end, or has a word "
        "that the corpus lacks; KL is from the unsteered model, in nats a token."
    )


def _cells(figures: Mapping[str, Any], changes: Mapping[str, Any]) -> list[str]:
    return [
        _told((changes if each.change else figures).get(each.measure), each.factor, each.digits,
              signed=each.change)
        for each in COLUMNS
    ]  # fmt: skip


def _told(
    figure: Mapping[str, Any] | None, factor: float, digits: int, *, signed: bool = True
) -> str:
    if figure is None:
        return ""
    form = f"{'+' if signed else ''}.{digits}f"
    value, low, high = (format(factor * figure[key], form) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _unit(card: VectorCard) -> tuple[float, int]:
    return next((c.factor, c.digits) for c in COLUMNS if c.measure == _behaviour(card))


def _unit_name(card: VectorCard) -> str:
    return "points" if _unit(card)[0] == 100 else "fewer words"


def _behaviour(card: VectorCard) -> str:
    calibration: Any = card.quality["calibration"]
    behaviour: str = calibration["behaviour"]
    return behaviour
