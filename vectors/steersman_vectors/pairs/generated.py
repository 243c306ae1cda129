"""What a model wrote, as lines of a file of pairs: those that the reader takes and that are new."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..asking.model_json import objects_in, unwrapped
from ..quality.refusal import refuses
from .fold import fold_case
from .identity import folded_key
from .line import Line, parse_line
from .near import NearIndex, by_hash
from .shingles import LINE_NEAR, line_shingles

KEYS = (
    "prompt", "positive", "negative", "positive_prompt", "negative_prompt", "answer", "label",
    "system",
)  # fmt: skip
"""What is taken of an object; models like to add explanations."""
PLACEHOLDER = frozenset({"...", "…", "<...>"})


class Intake:
    """Takes answers of a model one after another; knows the lines there are."""

    def __init__(self, known: Sequence[Line] = ()) -> None:
        self.lines: list[Line] = []
        self.refused: Counter[str] = Counter()
        """Why objects and whole answers were of no use: how often."""
        self.last_problem = ""
        self._keys: set[bytes] = set()
        self._near = NearIndex(lambda i: line_shingles(self.lines[i]), LINE_NEAR, by_hash)
        for line in known:
            self._keys.add(folded_key(line))
            self.lines.append(line)
            self._near.add(len(self.lines) - 1)

    def take(self, text: str, meta: Mapping[str, Any], at_most: int) -> list[bytes]:
        """Returns the new lines in an answer, each with its line end; counts what is not taken."""
        found = [each for whole in objects_in(text) for each in unwrapped(whole)]
        if not found:
            self._refuse("refusal" if refuses(text) else "no_json", f"it wrote {_short(text)}")
        taken: list[bytes] = []
        for each in found:
            if len(taken) == at_most:
                break
            line = self._new(each, meta)
            if line is not None:
                taken.append(line)
        return taken

    def _new(self, found: Mapping[str, Any], meta: Mapping[str, Any]) -> bytes | None:
        value = {key: _stripped(found[key]) for key in KEYS if key in found}
        if any(isinstance(v, str) and v in PLACEHOLDER for v in value.values()):
            self._refuse("invalid", "it repeated the form with nothing in it")
            return None
        raw = json.dumps({**value, "meta": dict(meta)}, ensure_ascii=False)
        try:
            line = parse_line(raw.encode())
        except ValueError as error:  # of the encoding, too: half of a surrogate pair
            self._refuse("invalid", f"a line {error}")
            return None
        if self.lines and (line.form == "set") != (self.lines[0].form == "set"):
            self._refuse("invalid", "a line is no pair where pairs are, or the other way round")
            return None
        key = folded_key(line)
        self.lines.append(line)
        if key in self._keys or self._near.find_or_add(len(self.lines) - 1) is not None:
            self.lines.pop()
            self._refuse("duplicate", "a line repeats an earlier one")
            return None
        self._keys.add(key)
        return raw.encode() + b"\n"

    def _refuse(self, why: str, problem: str) -> None:
        self.refused[why] += 1
        self.last_problem = problem


def clean_topics(said: Sequence[str], at_most: int) -> list[str]:
    """Returns topics that differ and are short enough to be some."""
    found: dict[str, str] = {}
    for each in said:
        topic = " ".join(each.split())
        if 0 < len(topic) <= 300 and topic not in PLACEHOLDER:
            found.setdefault(fold_case(topic), topic)
    return list(found.values())[:at_most]


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _short(text: str) -> str:
    return repr(text if len(text) <= 120 else text[:117] + "...")
