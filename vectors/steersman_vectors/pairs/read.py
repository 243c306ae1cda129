"""Files of pairs: every line is checked, repetitions are dropped, problems are told together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ..extract.contract import Progress
from .duplicates import Dropped, Numbered, without_exact, without_near
from .identity import data_hash, exact_key, folded_key
from .line import FORMS, MAX_LINE_BYTES, Line, parse_line
from .pair import Example
from .raw_lines import Problems, pairs_invalid, raw_lines, size_of

MAX_LINES = 200_000


@dataclass(frozen=True, slots=True)
class Pairs:
    """What was read, in the order of the file."""

    lines: tuple[Numbered, ...]
    dropped: tuple[Dropped, ...]
    data_hash: str
    """sha256 of all that was read, dropped lines too, whatever the order: `sha256:...`."""

    @property
    def paired(self) -> bool:
        """Whether each line has both sides."""
        return self.lines[0].line.form != "set"


def read_pairs(path: Path, *, near: bool = True, progress: Progress | None = None) -> Pairs:
    """Returns the pairs, or the labelled sets, of a file of JSON lines.

    Args:
        path: UTF-8, one object a line (`line.py`); blank lines are passed over.
        near: Drop near duplicates, not only exact ones.
        progress: Told how many bytes of the file are read, then how many lines are compared.

    Raises:
        CallerError: `pairs_not_found`; `pairs_invalid`, which names the lines that cannot be used.
    """
    problems = Problems(path)
    found: list[Numbered] = []
    size = size_of(path)
    done = 0
    for number, raw in raw_lines(path):
        done += len(raw)
        if progress is not None and number % 1000 == 0:
            progress(done, size)
        if not raw.strip():
            continue
        try:
            line = parse_line(raw)
            if found and _unlike(line, found[0].line):
                raise ValueError(
                    f"is {_kind(line)}, but line {found[0].number} is {_kind(found[0].line)}; keep "
                    "pairs and labelled sets in files of their own"
                )
        except ValueError as error:
            problems.add(f"line {number}: {error}")
            continue
        if not problems.count:  # else nothing will come of them
            found.append(Numbered(number, line))
        if len(found) > MAX_LINES:
            raise pairs_invalid(path, [f"more than {MAX_LINES:,} lines; use a sample of them"])
    problems.refuse()
    if not found:
        raise pairs_invalid(path, [f"has no line; write one object a line: {FORMS}"])
    return _whole(str(path), found, near=near, progress=progress)


def read_prompt_sets(positive: Path, negative: Path, *, near: bool = True) -> Pairs:
    """Returns two sets of prompts from plain text files, one prompt a line.

    Lines are numbered through both files. Raises `CallerError` as `read_pairs` does.
    """
    found: list[Numbered] = []
    before = 0
    for path, label in ((positive, "positive"), (negative, "negative")):
        problems, last = Problems(path), 0
        size_of(path)
        for number, raw in raw_lines(path):
            last = number
            if raw.strip():
                try:
                    found.append(Numbered(before + number, _labelled(raw, label)))
                except ValueError as error:
                    problems.add(f"line {number}: {error}")
        problems.refuse()
        before += last
    if len(found) > MAX_LINES:
        raise pairs_invalid(positive, [f"more than {MAX_LINES:,} lines in both; use a sample"])
    return _whole(f"{positive} and {negative}", found, near=near)


def _whole(
    name: str, found: list[Numbered], *, near: bool, progress: Progress | None = None
) -> Pairs:
    _both_sides(name, found)
    kept, dropped = without_exact(found)
    if near:
        kept, again = without_near(kept, progress)
        dropped = sorted([*dropped, *again], key=lambda each: each.number)
    return Pairs(tuple(kept), tuple(dropped), data_hash(exact_key(n.line) for n in found))


def _both_sides(name: str, found: list[Numbered]) -> None:
    for label in ("positive", "negative"):
        if all(getattr(each.line, label) is None for each in found):
            raise pairs_invalid(name, [f"has no {label} example; a contrast needs both sides"])
    seen: dict[bytes, int] = {}
    for each in found:
        if each.line.form != "set":
            return
        if each.line.positive is not None:
            seen.setdefault(_unlabelled(each.line.positive), each.number)
    for each in found:
        if each.line.negative is not None:
            first = seen.get(_unlabelled(each.line.negative))
            if first is not None:
                raise pairs_invalid(
                    name,
                    [f"lines {first} and {each.number} are the same, labelled positive and "
                     "negative; keep one"],
                )  # fmt: skip


def _labelled(raw: bytes, label: str) -> Line:
    if len(raw) > MAX_LINE_BYTES // 2:
        raise ValueError(f"is longer than {MAX_LINE_BYTES // 2:,} bytes; shorten the prompt")
    try:
        prompt = raw.decode().strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 (byte {error.start + 1}); save the file as UTF-8") from None
    value = {"prompt": prompt, "label": label}
    return parse_line(json.dumps(value, ensure_ascii=False).encode())


def _unlabelled(example: Example) -> bytes:
    return folded_key(Line("set", example, None))


def _unlike(line: Line, first: Line) -> bool:
    return (line.form == "set") != (first.form == "set")


def _kind(line: Line) -> str:
    return "a member of a labelled set" if line.form == "set" else "a pair"
