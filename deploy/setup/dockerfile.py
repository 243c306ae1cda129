"""Reads a Dockerfile into stages and steps; refuses what it does not know."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass

WORDS = {
    *("FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER"),
    *("EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"),
}


class DockerfileError(Exception):
    """The file says something that this reader does not know."""


@dataclass(frozen=True)
class Step:
    """One instruction: its word, its `--flag=value` options and the rest of the line."""

    word: str
    flags: dict[str, str]
    rest: str

    def arguments(self) -> list[str]:
        """Returns the rest as a list: its JSON form, or its words."""
        if self.rest.startswith("["):
            return [str(item) for item in json.loads(self.rest)]
        return shlex.split(self.rest)


@dataclass(frozen=True)
class Stage:
    """What stands between one FROM and the next; `base` is an image or an earlier stage."""

    name: str
    base: str
    steps: tuple[Step, ...]


def lines(text: str) -> list[str]:
    """Returns the instructions, each on one line, without comments."""
    kept = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(kept))
    return [line.strip() for line in joined.splitlines() if line.strip()]


def step(line: str) -> Step:
    """Returns one instruction read; raises DockerfileError for a word not known."""
    word, _, rest = line.partition(" ")
    if word not in WORDS:
        raise DockerfileError(f"{word} is not an instruction this reader knows: {line}")
    flags: dict[str, str] = {}
    rest = rest.strip()
    while found := re.match(r"--([a-z-]+)=(\S+)\s+", rest):
        flags[found[1]] = found[2]
        rest = rest[found.end() :]
    return Step(word, flags, rest)


def stages(text: str) -> dict[str, Stage]:
    """Returns the stages by name, in the file's order; each FROM must name its stage."""
    found: dict[str, Stage] = {}
    for line in lines(text):
        read = step(line)
        if read.word == "FROM":
            named = re.fullmatch(r"(\S+) AS (\S+)", read.rest)
            if named is None:
                raise DockerfileError(f"this FROM does not name its stage: {line}")
            found[named[2]] = Stage(name=named[2], base=named[1], steps=())
        elif not found:
            raise DockerfileError(f"before the first FROM: {line}")
        else:
            last = found.popitem()[1]
            found[last.name] = Stage(last.name, last.base, (*last.steps, read))
    return found
