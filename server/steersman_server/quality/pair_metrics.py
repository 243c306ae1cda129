"""What pairs of answers are at `/metrics`."""

from __future__ import annotations

from steersman_vectors.quality.judge import judge
from steersman_vectors.quality.judgement import Judgement

from ..monitor.catalogue import PAIR_LENGTH_RATIO, PAIR_NLL_MOVED, PAIR_NLL_RISE, PAIRS
from ..monitor.metrics import sign_of
from .observed import Observed
from .pairs import Pair


def count_pair(steered: Observed, unsteered: Observed, judgement: Judgement) -> None:
    """Counts one pair, from the judging thread; `judgement` is of the unsteered answer.

    NOTE: the steered one is judged once more. That is a millisecond of the few requests that have a
    shadow, and nobody has to keep judgements until their shadow comes.
    """
    pair = Pair(steered, unsteered)
    PAIRS.labels(_verdict(_judged(steered)), _verdict(judgement)).inc()
    if (ratio := pair.length_ratio) is not None:
        PAIR_LENGTH_RATIO.observe(ratio)
    if (rise := pair.nll_rise) is not None:
        PAIR_NLL_RISE.observe(rise)
        PAIR_NLL_MOVED.labels(sign_of(rise)).inc(abs(rise))


def _judged(observed: Observed) -> Judgement:
    return judge(observed.prompt, observed.text, observed.finish_reason)


def _verdict(judgement: Judgement) -> str:
    return "degenerate" if judgement.degenerate else "fine"
