"""Precision and recall of judgements against the truth."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from steersman_demo.quality.answers import Steered
from steersman_demo.quality.texts import FINDINGS, Labelled
from steersman_vectors.quality.judge import judge
from steersman_vectors.quality.judgement import Judgement


@dataclass(frozen=True)
class Figures:
    """How often something was there, was found, and both."""

    n: int
    there: int
    found: int
    both: int

    @property
    def precision(self) -> float | None:
        """Share of what was found that was there; None where nothing was found."""
        return self.both / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        """Share of what was there that was found; None where nothing was there."""
        return self.both / self.there if self.there else None


def count(pairs: Iterable[tuple[bool, bool]]) -> Figures:
    """Figures of (was there, was found)."""
    pairs = list(pairs)
    return Figures(
        len(pairs),
        sum(t for t, _ in pairs),
        sum(f for _, f in pairs),
        sum(t and f for t, f in pairs),
    )


def of_answers(answers: Sequence[Steered]) -> Figures:
    """`degenerate` against the demo's judge."""
    return count(
        (each.degenerate, judge(each.prompt, each.text, each.finish_reason).degenerate)
        for each in answers
    )


def findings_of_answers(answers: Sequence[Steered]) -> dict[str, int]:
    """How many answers each finding was made in."""
    judged = [judge(each.prompt, each.text, each.finish_reason) for each in answers]
    return {finding: sum(finding in j.findings for j in judged) for finding in FINDINGS}


def of_texts(texts: Sequence[Labelled]) -> dict[str, Figures]:
    """Each finding, and `degenerate`, against the labels."""
    judged = [judge(text.prompt, text.text, text.finish_reason) for text in texts]
    pairs = list(zip(texts, judged, strict=True))
    figures = {
        finding: count((finding in text.found, finding in j.findings) for text, j in pairs)
        for finding in FINDINGS
    }
    figures["degenerate"] = count(
        (Judgement(text.found).degenerate, j.degenerate) for text, j in pairs
    )
    return figures


def wrong(texts: Sequence[Labelled]) -> list[tuple[str, list[str], list[str]]]:
    """Kind, what should and what was found, of every text that is judged wrong."""
    out = []
    for text in texts:
        found = judge(text.prompt, text.text, text.finish_reason).findings
        if found != text.found:
            out.append((text.kind, sorted(text.found), sorted(found)))
    return out
