"""Answers for judges to judge."""

from __future__ import annotations

from steersman_vectors.judges.contract import Judge, Judgeable, Verdict
from steersman_vectors.message import Message
from steersman_vectors.sweep.contract import Answer


def answer(text: str, *ids: int, finish_reason: str = "stop") -> Answer:
    return Answer(text, finish_reason, ids, (-0.5,) * len(ids))


def item(
    text: str,
    prompt: str = "What is it?",
    *,
    baseline: str | None = None,
    expected: tuple[tuple[str, ...], ...] = (),
    finish_reason: str = "stop",
) -> Judgeable:
    return Judgeable(
        messages=(Message("system", "Be brief."), Message("user", prompt)),
        answer=answer(text, finish_reason=finish_reason),
        baseline=None if baseline is None else answer(baseline),
        expected=expected,
    )


def judged(judge: Judge, *items: Judgeable) -> list[Verdict]:
    """All verdicts in the items' order; each must come once."""
    came = list(judge.judge(items))
    assert sorted(index for index, _ in came) == list(range(len(items)))
    return [verdict for _, verdict in sorted(came, key=lambda each: each[0])]
