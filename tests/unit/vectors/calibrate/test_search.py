"""The search on planted curves: it finds the cliff and the better set, seldom what is not."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman_vectors.calibrate.choice import FRACTIONS
from steersman_vectors.calibrate.confirm import confirm
from steersman_vectors.calibrate.gates import Bounds, gates_of
from steersman_vectors.calibrate.search import Cell, search

from .planted import Planted, Truths, shift, space

COARSE = (0.5, 1.0, 2.0, 4.0)


def cliff_at(where: float, low: float = 0.0, high: float = 0.6):
    return lambda a: high if a > where else low


def linear(slope: float, most: float = 99.0):
    return lambda a: min(most, slope * a)


@given(st.floats(0.1, 3.9), st.floats(0.2, 3))
def test_without_noise_the_cliff_is_found_as_closely_as_it_was_halved(where, slope):
    planted = Planted({"a": Truths(linear(slope), cliff_at(where), linear(0.01))})
    asked = space(["a"], COARSE, planted.gates)
    found = search(asked, shift, planted)
    assert len(planted.asked) == len(found.points) <= asked.most_cells
    safe = [p.alpha for p in found.points if p.alpha <= where]
    if not safe:
        assert found.rule is None
        assert "no setting passes the gates; even layers a" in found.why_none
        return
    assert found.alpha_max == max(safe)
    assert found.cliff_seen
    # Three halvings of all gates and three more of coherence, which is the same cliff here.
    gap = min(p.alpha for p in found.points if p.alpha > where) - max(safe)
    assert gap <= max(0.06 * where, 2.0 / 2**5)
    # A straight line: the presets' alphas are in the proportion of what they are to reach.
    top = found.alpha_max
    for name, fraction in FRACTIONS.items():
        assert found.alphas[name] == pytest.approx(fraction * top, rel=0.1)
        assert found.alphas[name] in {p.alpha for p in found.points}


def test_facts_end_the_presets_and_coherence_the_cap():
    truth = Truths(linear(1.0), cliff_at(3.0), linear(0.01), lost=cliff_at(1.5, 0.0, 0.4))
    found = search(space(["a"], COARSE, (p := Planted({"a": truth})).gates), shift, p)
    assert found.alphas["strong"] <= 1.5 < found.alpha_max <= 3.0
    assert found.alphas["strong"] > 1.25
    assert found.alpha_max > 2.7


def test_a_curve_that_flattens_gets_no_more_than_it_needs():
    truth = Truths(linear(2.0, most=2.0), lambda a: 0.0, linear(0.01))
    found = search(space(["a"], COARSE, (p := Planted({"a": truth})).gates), shift, p)
    assert found.alphas["strong"] == pytest.approx(0.95, abs=0.06)
    assert found.alpha_max == 4.0
    assert not found.cliff_seen


def test_a_curve_that_the_coarse_grid_missed_still_gets_its_thirds():
    """All of the rise is below the lowest alpha of the grid, and bent."""
    truth = Truths(lambda a: min(1.0, (a / 0.4) ** 3), lambda a: 0.0, linear(0.01))
    found = search(space(["a"], COARSE, (p := Planted({"a": truth})).gates), shift, p)
    reached = {name: truth.warmth(alpha) for name, alpha in found.alphas.items()}
    for name, fraction in FRACTIONS.items():
        assert reached[name] == pytest.approx(fraction, abs=0.15)


def test_of_sets_that_reach_as_much_the_gentler_is_chosen():
    gentle = Truths(linear(0.5, most=1.5), lambda a: 0.0, linear(0.05))
    rough = Truths(linear(1.5, most=1.5), lambda a: 0.0, linear(0.3))
    weak = Truths(linear(0.01), lambda a: 0.0, linear(0.0001))
    planted = Planted({"rough": rough, "gentle": gentle, "weak": weak})
    found = search(space(["rough", "weak", "gentle"], COARSE, planted.gates), shift, planted)
    assert found.rule == "gentle"
    strong = Truths(linear(3.0, most=6.0), lambda a: 0.0, linear(0.2))
    planted = Planted({"gentle": gentle, "strong": strong})
    found = search(space(["gentle", "strong"], COARSE, planted.gates), shift, planted)
    assert found.rule == "strong"


def test_without_a_gate_of_coherence_there_is_no_cap_but_the_presets():
    gates = gates_of(Bounds(degenerate=None, kl=1.0), facts=False, unsafe=False)
    truth = Truths(linear(0.5), lambda a: 0.9, linear(0.4))
    planted = Planted({"a": truth}, gates)
    found = search(space(["a"], COARSE, gates), shift, planted)
    assert found.alpha_max is None
    assert not found.cliff_seen
    assert 2.2 < found.alphas["strong"] <= 2.5  # KL is 1 at 2.5
    own = list(found.points)
    held = planted([Cell(planted.asked[0].layer_set, a) for a in found.alphas.values()])
    done = confirm(found.alphas, found.alpha_max, own, held, gates, shift)
    assert done.alpha_max == found.alphas["strong"]


def test_what_does_nothing_is_offered_nowhere():
    planted = Planted({"a": Truths(lambda a: 0.0, lambda a: 0.0, linear(0.01))})
    found = search(space(["a"], COARSE, planted.gates), shift, planted)
    assert found.rule is None
    assert found.alphas == {}
    assert "no more than chance" in found.why_none


def offered(truth: Truths, seed: int) -> dict[str, float]:
    """Returns what a whole calibration offers: searched on one draw, confirmed on another."""
    planted = Planted({"a": truth, "b": truth}, n=200, random=Random(seed))
    found = search(space(["a", "b"], COARSE, planted.gates), shift, planted)
    if found.rule is None:
        return {}
    chosen = next(c.layer_set for c in planted.asked if c.layer_set.rule == found.rule)
    wanted = sorted({*found.alphas.values(), *filter(None, [found.alpha_max])})
    held = planted([Cell(chosen, a) for a in wanted])
    own = [p for p in found.points if p.layer_set == found.rule]
    done = confirm(found.alphas, found.alpha_max, own, held, planted.gates, shift)
    assert all(each.alpha <= (done.alpha_max or 0) for each in done.offered.values())
    return {name: each.alpha for name, each in done.offered.items()}


def test_what_is_as_bad_as_the_bound_is_almost_never_offered():
    """Both halves must pass by luck: of 150 vectors whose every dose breaks 8% or 5%, few do."""
    for rate, most in ((0.08, 0), (0.05, 3)):
        truth = Truths(linear(1.0), lambda a, rate=rate: rate, linear(0.01))
        got = [offered(truth, seed) for seed in range(150)]
        assert sum(map(bool, got)) <= most


def test_no_effect_is_offered_one_time_in_twenty_at_most():
    truth = Truths(lambda a: 0.0, lambda a: 0.0, linear(0.01))
    assert sum(bool(offered(truth, seed)) for seed in range(150)) <= 7


def test_a_good_vector_gets_its_dial_in_spite_of_noise():
    truth = Truths(linear(0.6), cliff_at(2.5, 0.002), linear(0.05))
    got = [offered(truth, seed) for seed in range(60)]
    whole = [each for each in got if set(each) == set(FRACTIONS)]
    assert len(whole) >= 54
    assert all(each["low"] < each["medium"] < each["strong"] <= 2.5 for each in whole)


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_the_same_answers_lead_to_the_same_questions(seed):
    truth = Truths(linear(0.6), cliff_at(1.7, 0.01), linear(0.05))
    runs = []
    for _ in range(2):
        planted = Planted({"a": truth, "b": truth}, n=150, random=Random(seed))
        runs.append((search(space(["a", "b"], COARSE, planted.gates), shift, planted), planted))
    assert runs[0][0] == runs[1][0]
    assert runs[0][1].asked == runs[1][1].asked
