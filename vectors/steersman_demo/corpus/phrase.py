"""Phrase templates: `[a|b]` picks one alternative, `{slot}` is filled from a case."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

_CHOICE = re.compile(r"\[([^\[\]]*)\]")


def pick(options: list[str], rng: Random) -> str:
    """One of `options` with its alternatives chosen; slots stay unfilled."""
    template = rng.choice(options)
    return _CHOICE.sub(lambda match: rng.choice(match[1].split("|")), template)


def fill(template: str, values: Mapping[str, str]) -> str:
    """`template` with every `{slot}` replaced; KeyError names a slot without a value."""
    return template.format_map(values)


def capitalised(sentence: str) -> str:
    """`sentence` with its first letter in upper case."""
    return sentence[:1].upper() + sentence[1:]


@cache
def load(name: str) -> dict[str, Any]:
    """The phrase table `name`: a path below this folder, without `.toml`."""
    return tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text())


def strings(table: object) -> Iterator[str]:
    """Every string in a phrase table, however deeply nested."""
    if isinstance(table, str):
        yield table
    elif isinstance(table, dict):
        for value in table.values():
            yield from strings(value)
    elif isinstance(table, list):
        for value in table:
            yield from strings(value)
