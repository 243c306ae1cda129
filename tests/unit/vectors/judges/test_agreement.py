"""Agreement against scikit-learn and scipy; votes of judges."""

from __future__ import annotations

import math
import random
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from steersman_vectors.errors import CallerError
from steersman_vectors.judges.agreement import agreement
from steersman_vectors.judges.findings import finding_judge
from steersman_vectors.judges.length import length_judge
from steersman_vectors.judges.vote import Vote, decide

from .answers import item, judged

SCORES = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=60)


def same(ours: float, theirs: float) -> bool:
    return math.isnan(ours) if math.isnan(theirs) else math.isclose(ours, theirs, abs_tol=1e-9)


@given(SCORES)
def test_agreement_is_that_of_scikit_learn_and_scipy(scores: list[tuple[int, int]]) -> None:
    a, b = [x for x, _ in scores], [y for _, y in scores]
    found = agreement([float(x) for x in a], [float(y) for y in b])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kappa = cohen_kappa_score(a, b, labels=range(1, 6))
        weighted = cohen_kappa_score(a, b, labels=range(1, 6), weights="quadratic")
        rank = stats.spearmanr(a, b).statistic if len(a) > 1 else math.nan
    assert same(found.kappa, float(kappa))
    assert same(found.weighted_kappa, float(weighted))
    assert same(found.spearman, float(rank))


def test_chance_is_no_agreement_and_silence_is_left_out() -> None:
    drawn = random.Random(5)
    a = [float(drawn.random() < 0.9) for _ in range(4000)]
    b = [float(drawn.random() < 0.9) for _ in range(4000)]
    found = agreement([*a, None, 1.0], [*b, 1.0, None])
    assert (found.items, found.left_out) == (4000, 2)
    assert found.same > 0.8, "both say yes most of the time"
    assert abs(found.kappa) < 0.06, "and agree no more than that"
    for wrong in (([1.0], []), ([None], [1.0])):
        with pytest.raises(CallerError):
            agreement(*wrong)


@given(st.lists(st.sampled_from([None, 0.0, 1.0]), min_size=1, max_size=9))
def test_two_valued_votes_by_either_rule(votes: list[float | None]) -> None:
    ones, zeros = votes.count(1.0), votes.count(0.0)
    majority, median = decide(votes, "majority").value, decide(votes, "median").value
    if 2 * (ones + zeros) <= len(votes):
        assert majority is None
        assert median is None
    elif ones == zeros:
        assert majority is None
        assert median == 0.5
    else:
        assert majority == median == float(ones > zeros)


def test_judges_of_one_scale_vote_and_others_may_not() -> None:
    names = ("repetition", "gibberish", "empty")
    vote = Vote([finding_judge(name) for name in names], "majority", "broken")
    loop, fine = item("I am here. " * 40), item("It is on its way.")
    assert [each.value for each in judged(vote, loop, fine)] == [0, 0]
    twice = Vote([finding_judge(n) for n in ("repetition", "degenerate", "empty")], "majority")
    assert [each.value for each in judged(twice, loop, fine)] == [1, 0]
    with pytest.raises(CallerError) as refused:
        Vote([finding_judge("empty"), length_judge()], "median")
    assert refused.value.code == "judges_incomparable"
