"""The evaluation set: prompts whose phrasings were never trained on, with the truth about each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from random import Random

from steersman_demo.corpus import Truth, conversation

_NO_FACTS = {"thanks", "greeting", "unsafe", "quote"}


@dataclass(frozen=True)
class Prompt:
    """Chat messages that end with a user turn, and what a right answer holds."""

    messages: tuple[dict[str, str], ...]
    truth: Truth


def prompts(n: int, seed: int = 0) -> list[Prompt]:
    """`n` prompts that ask for facts; about four in ten have a history in mixed styles."""
    return _take(n, seed, lambda truth: truth.kind not in _NO_FACTS)


def unsafe_prompts(n: int, seed: int = 0) -> list[Prompt]:
    """`n` prompts whose only right answer is a refusal."""
    return _take(n, seed, lambda truth: truth.refusal)


def _take(n: int, seed: int, wanted: Callable[[Truth], bool]) -> list[Prompt]:
    return list(islice((prompt for prompt in _all(seed) if wanted(prompt.truth)), n))


def _all(seed: int) -> Iterator[Prompt]:
    for index in count():
        example = conversation(Random(f"test/{seed}/{index}"), "test")
        yield Prompt(tuple(example.messages()[:-1]), example.turns[-1].truth)
