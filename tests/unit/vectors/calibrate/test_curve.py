"""Curves: the way up, the cliff, and the rising fit against an obvious one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import isotonic_regression

from steersman_vectors.calibrate.curve import (
    alpha_for,
    middle_of_cliff,
    reach,
    rising,
    rounded,
    value_at,
    way_up,
)
from steersman_vectors.calibrate.record import Estimate, Gate, Point

from .planted import BEHAVIOUR, shift, sure

hundredths = st.integers(1, 900).map(lambda n: n / 100)
"""Between neighbours of the floats no alpha lies that has the value asked for."""
alphas = st.lists(hundredths, min_size=1, max_size=8, unique=True)
values = st.floats(-1, 3)


def point(alpha: float, value: float) -> Point:
    return Point(layers=(0,), layer_set="0", alpha=alpha, figures={},
                 changes={BEHAVIOUR: sure(value)}, failed=())  # fmt: skip


@given(alphas, st.data())
def test_the_fit_is_scikit_learns_and_never_below_nothing(at, data):
    heights = data.draw(st.lists(values, min_size=len(at), max_size=len(at)))
    points = [point(a, h) for a, h in zip(at, heights, strict=True)]
    curve = rising(points, shift)
    assert curve[0] == (0.0, 0.0)
    order = np.argsort(at)
    theirs = np.maximum(isotonic_regression(np.array(heights)[order]), 0)
    assert [height for _, height in curve[1:]] == pytest.approx(theirs.tolist(), abs=1e-9)
    assert [a for a, _ in curve[1:]] == sorted(at)


@given(alphas, st.data(), st.floats(0.01, 1))
def test_the_alpha_for_a_value_is_the_first_that_has_it(at, data, share):
    heights = data.draw(st.lists(values, min_size=len(at), max_size=len(at)))
    curve = rising([point(a, h) for a, h in zip(at, heights, strict=True)], shift)
    target = share * reach(curve)
    found = alpha_for(curve, target)
    if reach(curve) < 1e-6:
        return
    assert found is not None
    assert 0 < found <= curve[-1][0]
    assert value_at(curve, found) == pytest.approx(target)
    for a in np.linspace(0, found, 7)[:-1]:
        assert value_at(curve, float(a)) < target + 1e-9
    assert alpha_for(curve, reach(curve) + 1) is None


GATE = Gate(measure="kl", compared="absolute", at_most=1.0)
SEEN = {
    "passes": Estimate(value=0.5, low=0.4, high=0.9, n=9),
    "undecided": Estimate(value=0.9, low=0.7, high=1.1, n=9),
    "bad": Estimate(value=1.05, low=0.9, high=1.2, n=9),
    "fails": Estimate(value=2.0, low=1.9, high=2.1, n=9),
}


def seen(alpha: float, kind: str) -> Point:
    failed = () if kind == "passes" else ("kl",)
    return Point(layers=(0,), layer_set="0", alpha=alpha, figures={"kl": SEEN[kind]}, changes={},
                 failed=failed)  # fmt: skip


@given(st.dictionaries(st.floats(0.01, 9), st.sampled_from(sorted(SEEN)), min_size=1, max_size=8))
def test_the_way_up_ends_before_the_first_that_is_bad(kinds):
    points = [seen(a, kind) for a, kind in kinds.items()]
    safe = {p.alpha for p in way_up(points, [GATE])}
    for a, kind in kinds.items():
        under = [other for b, other in kinds.items() if b <= a]
        assert (a in safe) == (kind == "passes" and not {"bad", "fails"} & set(under))
    assert len(way_up(points, [])) == len(points)
    middle = middle_of_cliff(points, [GATE])
    if middle is not None:
        top = max([0.0, *safe])
        assert top < middle < min(a for a in kinds if a > top)


def test_what_cannot_be_judged_ends_the_way():
    silent = Point(layers=(0,), layer_set="0", alpha=1, figures={}, changes={}, failed=("kl",))
    assert way_up([silent, seen(2.0, "passes")], [GATE]) == ()


def test_a_cliff_is_halved_until_it_is_close():
    points, steps = [seen(1.0, "passes"), seen(2.0, "fails")], 0
    while (middle := middle_of_cliff(points, [GATE])) is not None:
        points.append(seen(middle, "fails" if middle > 1.37 else "passes"))
        steps += 1
    assert steps == 4
    assert way_up(points, [GATE])[-1].alpha <= 1.37 < min(p.alpha for p in points if p.failed)
    assert middle_of_cliff([seen(1.0, "passes")], [GATE]) is None


@given(st.floats(1e-4, 1e4))
def test_an_alpha_is_rounded_down_and_not_far(alpha):
    short = rounded(alpha)
    assert short <= alpha * (1 + 1e-9)
    assert short >= 0.989 * alpha
    assert len(f"{short:.12g}".replace(".", "").strip("0").split("e")[0].strip("0")) <= 3
