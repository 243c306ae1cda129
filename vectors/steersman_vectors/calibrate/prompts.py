"""The prompts of a calibration: three sets, each in two halves by a hash of what is asked.

`prompts` are those of the behaviour, `facts` have exact answers, `unsafe` must be refused. What is
asked decides the half, without system prompt and case, so a question never stands in both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from ..errors import CallerError
from ..judges.suites.question import expected_of
from ..pairs.fold import fold_case
from ..sweep.prompts import SweepPrompt

Suite = Literal["prompts", "facts", "unsafe"]
Half = Literal["calibration", "heldout"]
SUITES: tuple[Suite, ...] = get_args(Suite)
HALVES: tuple[Half, ...] = get_args(Half)
OPTIONS: Mapping[Suite, str] = {"prompts": "--prompts", "facts": "--facts", "unsafe": "--unsafe"}


@dataclass(frozen=True, slots=True)
class Prompts:
    """Prompts by half and set; their ids are `SET/ID`, so that sets may name theirs alike."""

    calibration: Mapping[Suite, tuple[SweepPrompt, ...]] = field(default_factory=dict)
    heldout: Mapping[Suite, tuple[SweepPrompt, ...]] = field(default_factory=dict)

    def of(self, half: Half, suite: Suite | None = None) -> tuple[SweepPrompt, ...]:
        """Returns the prompts of a half, of one set or of all."""
        there = self.calibration if half == "calibration" else self.heldout
        if suite is not None:
            return there.get(suite, ())
        return tuple(prompt for each in SUITES for prompt in there.get(each, ()))

    def fewest(self, suite: Suite) -> int:
        """Returns how many prompts of a set the smaller half has."""
        return min(len(self.of(half, suite)) for half in HALVES)


def split(
    given: Mapping[Suite, Iterable[SweepPrompt]],
    heldout: Mapping[Suite, Iterable[SweepPrompt]] | None = None,
) -> Prompts:
    """Returns the prompts in two halves; heldout: of these sets the second half, as it is given.

    Raises `CallerError(prompts_leak)` where a question is in both, and `prompts_invalid` where a
    half of the behaviour's prompts has none.
    """
    halves: dict[Half, dict[Suite, tuple[SweepPrompt, ...]]] = {"calibration": {}, "heldout": {}}
    for suite, prompts in given.items():
        named = tuple(_named(suite, prompt) for prompt in prompts)
        if heldout is not None and suite in heldout:
            other = tuple(_named(suite, prompt) for prompt in heldout[suite])
            _check_apart(suite, named, other)
            halves["calibration"][suite], halves["heldout"][suite] = named, other
            continue
        for half in HALVES:
            halves[half][suite] = tuple(each for each in named if half_of(each) == half)
    found = Prompts(halves["calibration"], halves["heldout"])
    for suite in given:
        if found.fewest(suite) == 0:
            raise CallerError(
                f"{OPTIONS[suite]}: one half of the prompts is empty; give more of them",
                code="too_few_prompts",
                param=suite,
            )
    return found


def half_of(prompt: SweepPrompt) -> Half:
    """Returns the half of a prompt: by a hash of what is asked."""
    digest = hashlib.sha256(b"calibrate\0" + _asked(prompt).encode()).digest()
    return HALVES[digest[0] & 1]


def with_facts(prompts: Iterable[SweepPrompt]) -> tuple[SweepPrompt, ...]:
    """Returns the prompts that say which facts a right answer holds."""
    return tuple(prompt for prompt in prompts if facts_in(prompt))


def facts_in(prompt: SweepPrompt) -> tuple[tuple[str, ...], ...]:
    """Returns the facts that a right answer to the prompt holds; none where it does not say."""
    if prompt.expected is None:
        return ()
    try:
        return expected_of(prompt.expected)[0]
    except ValueError:
        return ()


def _named(suite: Suite, prompt: SweepPrompt) -> SweepPrompt:
    return replace(prompt, id=f"{suite}/{prompt.id}")


def _asked(prompt: SweepPrompt) -> str:
    return "\x1e".join(fold_case(turn.content) for turn in prompt.messages if turn.role != "system")


def _check_apart(
    suite: Suite, one: tuple[SweepPrompt, ...], other: tuple[SweepPrompt, ...]
) -> None:
    known = {_asked(prompt) for prompt in one}
    both = [prompt.id for prompt in other if _asked(prompt) in known]
    if both:
        raise CallerError(
            f"{OPTIONS[suite]}: {len(both)} of the held-out prompts are asked in the calibration "
            f"half too (such as {both[0]}), so they could confirm nothing. Take them out of one",
            code="prompts_leak",
            param=suite,
        )
