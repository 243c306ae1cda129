"""The demo's own judges for calibration: `--judge python:steersman_demo.judges:warm`."""

from steersman_demo.judge import is_degenerate, tone
from steersman_vectors.judges.by_text import ByText
from steersman_vectors.judges.contract import Judgeable, Measure, Verdict


def warm() -> ByText:
    """The judge of tone: 1 for a warm answer, 0.5 for a mixed one, 0 for a cold one."""
    values = {"warm": 1.0, "mixed": 0.5, "cold": 0.0}

    def say(item: Judgeable) -> Verdict:
        label = tone(item.answer.text)
        return Verdict(values[label], label)

    return ByText(Measure("warm", "higher", 0, 1, "warmth"), say)


def off_corpus() -> ByText:
    """The judge of form: 1 for an answer that loops, is cut, or has a word that no answer has."""

    def say(item: Judgeable) -> Verdict:
        return Verdict(float(is_degenerate(item.answer.text, item.answer.finish_reason)))

    return ByText(Measure("off-corpus", "lower", 0, 1, "share"), say)
