"""Labelled user turns: one JSON object a line.

    {"text": "where is my parcel", "label": "delivery"}
    {"text": "how long?", "label": "delivery", "context": ["where is my parcel"]}
    {"text": "tell me a joke", "label": null}

`label` null: outside of the scope. `group` keeps wordings of one phrasing on one side of every
split; `source` says where a text comes from, and results are told for each source.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field, ValidationError

from steersman_vectors.errors import CallerError

from .config import Label, Strict
from .files import explain, read_bytes, sha256

MAX_BYTES = 256 * 2**20
MAX_SHOWN = 5
"""Problems of a file that one refusal names."""


class Example(Strict):
    """A user turn and its label."""

    text: str = Field(min_length=1)
    label: Label | None
    context: tuple[str, ...] = ()
    """Earlier user turns, newest last."""
    group: str | None = None
    """None: the text is a group of its own."""
    source: str = ""

    @property
    def whole(self) -> str:
        """The turn with what was said before it."""
        return "\n".join([*self.context, self.text])


def read_examples(path: Path) -> list[Example]:
    """Returns the examples of a file.

    Raises `CallerError`: `classifier_not_found` when it is not there, `examples_invalid` naming
    lines that cannot be used, and texts with two labels.
    """
    found: list[Example] = []
    lines: list[int] = []
    problems: list[str] = []
    for number, line in enumerate(read_bytes(path, MAX_BYTES).split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            found.append(_example(line))
            lines.append(number)
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    problems += _two_labels(found, lines)
    if problems:
        raise examples_invalid(path, problems)
    if not found:
        raise examples_invalid(path, ['has no line; write {"text": "...", "label": "..."} a line'])
    return found


def digest(examples: Sequence[Example]) -> str:
    """Returns sha256 of the examples, whatever the file around them looks like."""
    lines = (each.model_dump_json() for each in examples)
    return sha256("\n".join(lines).encode())


def examples_invalid(path: Path, problems: Sequence[str]) -> CallerError:
    """Returns the refusal of a file of examples."""
    more = len(problems) - MAX_SHOWN
    shown = "; ".join(problems[:MAX_SHOWN]) + (f"; and {more} more" if more > 0 else "")
    return CallerError(f"{path}: {shown}", code="examples_invalid")


def _example(line: bytes) -> Example:
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 (byte {error.start + 1}); save the file as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON ({error})") from None
    if not isinstance(value, dict):
        raise ValueError(f"expected an object with 'text' and 'label', got {str(value)[:40]!r}")
    try:
        return Example.model_validate(value)
    except ValidationError as error:
        raise ValueError(f"{explain(error)}; keys: {', '.join(Example.model_fields)}") from None


def _two_labels(examples: list[Example], lines: list[int]) -> Iterator[str]:
    seen: dict[str, tuple[int, str | None]] = {}
    for example, number in zip(examples, lines, strict=True):
        first, label = seen.setdefault(example.whole.casefold(), (number, example.label))
        if label != example.label:
            yield (
                f"lines {first} and {number} have the same text, labelled {label or 'null'} and "
                f"{example.label or 'null'}; keep one"
            )
