"""Judges by what is found in an answer's text alone (`quality/`): 1 where it is found, else 0.

The same detectors look at live traffic, so a gate of calibration and a metric mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..quality.judge import judge
from ..quality.judgement import DEGENERATE, Finding
from .by_text import ByText
from .contract import Better, Judgeable, Measure, Verdict

FINDINGS: Mapping[str, frozenset[Finding]] = {
    "degenerate": DEGENERATE,
    "repetition": frozenset({"repetition"}),
    "language-switch": frozenset({"script_switch", "language_switch"}),
    "gibberish": frozenset({"gibberish"}),
    "empty": frozenset({"empty"}),
    "truncated": frozenset({"truncated"}),
    "refusal": frozenset({"refusal"}),
}
"""Judge's name -> the findings of which one is enough."""
_WATCHED = frozenset({"refusal", "truncated"})
"""A refusal may be right, and an answer may end where `max_tokens` does."""


def finding_judge(name: str) -> ByText:
    """Returns the judge of that name in `FINDINGS`; its value is 1 where the answer has one."""
    looked_for = FINDINGS[name]
    better: Better = "neither" if name in _WATCHED else "lower"

    def say(item: Judgeable) -> Verdict:
        found = judge(item.prompt, item.answer.text, item.answer.finish_reason).findings
        there = sorted(found & looked_for)
        return Verdict(float(bool(there)), ", ".join(there))

    return ByText(Measure(name, better, 0, 1, "share"), say)
