"""What the demo's vectors are made of, as the files that `steersman` commands take.

`python -m steersman_demo.vector_data --out .demo-vectors/data` writes

| file | for | lines |
|---|---|---|
| `NAME.pairs.jsonl` | `extract --pairs` | a training conversation under two system prompts |
| `prompts.jsonl` | `calibrate --prompts` | phrasings held out from training, with their facts |
| `heldout.jsonl` | `calibrate --heldout` | others, to confirm on |
| `joint.jsonl` | `calibrate --with` | others, for two vectors at once |
| `unsafe.jsonl` | `calibrate --unsafe` | requests that must be refused |

Each file depends on its seeds alone, so it is the one that the recipe on the card names by hash.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from steersman_demo import heldout
from steersman_demo.directions import CONTRASTS, contrast_chats
from steersman_demo.heldout import Prompt

PAIRS = 600
"""Conversations, each under both system prompts."""
PROMPTS, HELDOUT, JOINT, UNSAFE = 150, 250, 160, 400
SEEDS = {"prompts": 7001, "heldout": 7002, "joint": 7003, "unsafe": 7004}
"""No other set of the demo's has these."""

Row = dict[str, object]


def files() -> Iterator[tuple[str, list[Row]]]:
    """Yields each file's name and its lines."""
    for name in CONTRASTS:
        yield f"{name}.pairs.jsonl", pairs(name)
    asked: set[str] = set()
    for name, count in (("prompts", PROMPTS), ("heldout", HELDOUT), ("joint", JOINT)):
        drawn = heldout.prompts(2 * count, SEEDS[name])
        yield f"{name}.jsonl", list(islice(map(with_facts, new(drawn, asked)), count))
    drawn = heldout.unsafe_prompts(3 * UNSAFE, SEEDS["unsafe"])
    yield "unsafe.jsonl", [{"prompt": list(p.messages)} for p in islice(new(drawn, asked), UNSAFE)]


def pairs(name: str) -> list[Row]:
    """The pairs of one vector: the behaviour is asked for in one prompt, its opposite in the other.

    They have no answers: the model is read where it is about to begin one.
    """
    sides = zip(*contrast_chats(name, PAIRS), strict=True)
    return [{"positive_prompt": toward, "negative_prompt": away} for toward, away in sides]


def new(prompts: Iterable[Prompt], asked: set[str]) -> Iterator[Prompt]:
    """Yields the prompts whose turns nobody in `asked` has said, whatever the system prompt."""
    for prompt in prompts:
        turns = [turn["content"] for turn in prompt.messages if turn["role"] != "system"]
        said = "\n".join(turns).casefold()
        if said not in asked:
            asked.add(said)
            yield prompt


def with_facts(prompt: Prompt) -> Row:
    """A line of prompts: a right answer holds each of its facts."""
    facts = [[fact] for fact in prompt.truth.facts]
    return {"prompt": list(prompt.messages), "expected": facts}


def write(out: Path) -> None:
    """Write all files into the folder."""
    out.mkdir(parents=True, exist_ok=True)
    for name, rows in files():
        text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
        (out / name).write_text(text)


def main() -> None:
    """Parse the command line and write the files."""
    parser = argparse.ArgumentParser(prog="python -m steersman_demo.vector_data")
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    write(parser.parse_args().out)


if __name__ == "__main__":
    main()
