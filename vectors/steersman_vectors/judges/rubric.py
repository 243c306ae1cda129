"""What a language model is asked about an answer: a markdown file with a scale and placeholders.

    ---
    name: coherence
    scale: 1 to 5
    better: higher | lower | neither
    vote: median | majority              how several calls make one score
    orders: one | both                   both: asked twice, {answer} and {baseline} swapped; mean
    ---
    # System
    ...
    # User
    ... {concept} ... {prompt} ... {answer} ... {baseline} ...

With `orders: both` the question must read the same either way, such as whether two texts agree.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal, cast, get_args

from ..errors import CallerError
from ..names import check_name
from .contract import Better

Ballot = Literal["median", "majority"]
Orders = Literal["one", "both"]
SHIPPED = ("behaviour", "coherence", "preservation")
PLACEHOLDERS = frozenset({"concept", "prompt", "answer", "baseline"})
MAX_CHARS = 100_000
_KEYS = frozenset({"name", "scale", "better", "vote", "orders"})
_FILE = re.compile(
    r"\A---\n(?P<head>.*?)\n---\n\s*# System\n(?P<system>.*?)\n# User\n(?P<user>.*)\Z", re.DOTALL
)
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")
_SCALE = re.compile(r"(-?\d+(?:\.\d+)?)\s*(?:to|-|–)\s*(-?\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Rubric:
    """One question about answers, with its scale."""

    name: str
    low: float
    high: float
    better: Better
    vote: Ballot
    orders: Orders
    system: str
    user: str
    digest: str
    """sha256 of the file: another wording is another judge."""

    @property
    def needs(self) -> frozenset[str]:
        """Returns the placeholders that it has."""
        return frozenset(_PLACEHOLDER.findall(self.system + self.user))


def load_rubric(name_or_path: str) -> Rubric:
    """Returns a rubric that ships, by name, or one from a markdown file.

    Raises `CallerError(rubric_invalid)`, which names what is wrong with the file.
    """
    if name_or_path in SHIPPED:
        text = (files(__package__) / "rubrics" / f"{name_or_path}.md").read_text(encoding="utf-8")
        return parse_rubric(text, name_or_path)
    path = Path(name_or_path)
    if path.suffix != ".md":
        raise _invalid(
            name_or_path, f"no such rubric ships, expected {', '.join(SHIPPED)} or a file *.md"
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid(name_or_path, f"it cannot be read as UTF-8 text ({error})") from None
    return parse_rubric(text, name_or_path)


def parse_rubric(text: str, origin: str) -> Rubric:
    """Returns the rubric that a text is; raises `CallerError(rubric_invalid)`."""
    text = text.replace("\r\n", "\n")
    if len(text) > MAX_CHARS:
        raise _invalid(origin, f"it has more than {MAX_CHARS:,} characters")
    parts = _FILE.match(text)
    if parts is None:
        raise _invalid(origin, "expected a head between lines of ---, then # System, then # User")
    head = _head(parts["head"], origin)
    low, high = _scale(head["scale"], origin)
    system, user = parts["system"].strip(), parts["user"].strip()
    orders = _choice(head, "orders", get_args(Orders), origin)
    _check_placeholders(system, user, orders, origin)
    check_name(head["name"], what="rubric name")
    return Rubric(
        name=head["name"],
        low=low,
        high=high,
        better=cast(Better, _choice(head, "better", get_args(Better), origin)),
        vote=cast(Ballot, _choice(head, "vote", get_args(Ballot), origin)),
        orders=cast(Orders, orders),
        system=system,
        user=user,
        digest=f"sha256:{hashlib.sha256(text.encode()).hexdigest()}",
    )


def _head(text: str, origin: str) -> dict[str, str]:
    head = {"better": "higher", "vote": "median", "orders": "one"}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if not line.strip():
            continue
        if not colon or key.strip() not in _KEYS:
            raise _invalid(origin, f"line {line[:60]!r} of its head: expected {sorted(_KEYS)}")
        head[key.strip()] = value.strip()
    for key in ("name", "scale"):
        if not head.get(key):
            raise _invalid(origin, f"its head has no {key}")
    return head


def _scale(text: str, origin: str) -> tuple[float, float]:
    ends = _SCALE.fullmatch(text)
    low, high = (float(ends[1]), float(ends[2])) if ends else (math.nan, math.nan)
    if not low < high:
        raise _invalid(origin, f"scale {text!r}: expected low to high, such as 1 to 5")
    return low, high


def _choice(head: Mapping[str, str], key: str, allowed: tuple[str, ...], origin: str) -> str:
    if head[key] not in allowed:
        raise _invalid(origin, f"{key} {head[key]!r}: expected {', '.join(allowed)}")
    return head[key]


def _check_placeholders(system: str, user: str, orders: str, origin: str) -> None:
    unknown = sorted(set(_PLACEHOLDER.findall(system + user)) - PLACEHOLDERS)
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in sorted(PLACEHOLDERS))
        raise _invalid(origin, f"placeholder {{{unknown[0]}}} is unknown, expected {known}")
    asked = _PLACEHOLDER.findall(user)
    if "answer" not in asked:
        raise _invalid(origin, "# User has no {answer}, so nothing would be judged")
    if orders == "both" and "baseline" not in asked:
        raise _invalid(origin, "orders: both needs {baseline} beside {answer} in # User")
    for name in ("prompt", "answer", "baseline"):
        if f"{{{name}}}" in system:
            raise _invalid(origin, f"{{{name}}} is in # System: what is judged must be in # User")
        if asked.count(name) > 1:
            raise _invalid(
                origin, f"{{{name}}} is there more than once, and would be paid for twice"
            )


def _invalid(origin: str, what: str) -> CallerError:
    return CallerError(f"rubric {origin}: {what}", code="rubric_invalid", param="judge")
