"""Judges by the names that command lines give them, those that need text alone.

degenerate  repetition  language-switch  gibberish  empty  truncated  refusal
length  length-ratio  keywords:FILE  facts  instructions  python:package.module:factory
"""

from __future__ import annotations

from pathlib import Path

from .by_import import imported_judge
from .contract import Judge
from .facts import facts_judge
from .findings import FINDINGS, finding_judge
from .instructions import checks_of, instructions_judge
from .keywords import keyword_judge
from .length import length_judge, length_ratio_judge
from .sweep_items import Questions
from .word_list import read_word_list

SIMPLE = (*FINDINGS, "length", "length-ratio", "facts", "instructions")


def judge_from_name(name: str, argument: str, questions: Questions) -> Judge | None:
    """Returns the judge; None where no judge of texts has this name.

    Args:
        name: Before the colon.
        argument: After it.
        questions: What is expected at which prompt, for `instructions`.

    Raises:
        CallerError: `word_list_invalid`, `invalid_judge`.
    """
    if name in FINDINGS:
        return finding_judge(name)
    match name:
        case "length":
            return length_judge()
        case "length-ratio":
            return length_ratio_judge()
        case "facts":
            return facts_judge()
        case "instructions":
            return instructions_judge(checks_of(questions.values()))
        case "keywords" if argument:
            path = Path(argument)
            return keyword_judge(read_word_list(path), path.stem)
        case "python" if argument:
            return imported_judge(argument)
        case _:
            return None
