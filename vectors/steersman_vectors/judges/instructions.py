"""Whether an answer keeps to instructions that can be checked: all of them, and what share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..message import Message
from .by_text import ByText
from .contract import Judgeable, Measure, Verdict
from .suites.checks import Check
from .suites.question import Question

Checks = Mapping[tuple[Message, ...], tuple[Check, ...]]


def checks_of(questions: Iterable[Question]) -> Checks:
    """Returns what is checked of the answer to each prompt."""
    return {question.messages: question.checks for question in questions if question.checks}


def instructions_judge(checks: Checks) -> ByText:
    """Returns the judge: 1 for an answer that keeps to all, 0 for one that does not."""

    def say(item: Judgeable) -> Verdict:
        wanted = checks.get(item.messages)
        if wanted is None:
            return Verdict(None, "no question of the set has this prompt")
        faults = [fault for check in wanted if (fault := check.fault(item.answer.text))]
        return Verdict(0.0 if faults else 1.0, "; ".join(faults))

    return ByText(Measure("instructions", "higher", 0, 1, "share"), say)
