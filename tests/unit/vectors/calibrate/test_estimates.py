"""Figures of one setting: paired changes, silence that hides nothing, a store that was damaged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.calibrate.estimates import estimates_of
from steersman_vectors.calibrate.order import Measured
from steersman_vectors.calibrate.store import Store
from steersman_vectors.errors import CallerError
from steersman_vectors.intervals import mean_interval, paired_difference, wilson
from steersman_vectors.judges.contract import Verdict
from steersman_vectors.judges.findings import finding_judge
from steersman_vectors.judges.length import length_judge

LENGTH = Measured("length", "prompts", length_judge())
BROKEN = Measured("degenerate", "prompts", finding_judge("degenerate"))


def values(numbers):
    return {str(at): [number] for at, number in enumerate(numbers)}


def test_figures_and_changes_have_the_intervals_of_their_kind():
    here, there = [0.0] * 17 + [1.0] * 3, [0.0] * 19 + [1.0]
    words = [float(at) for at in range(20)]
    figures, changes = estimates_of(
        (LENGTH, BROKEN),
        {"degenerate": values(here), "length": values(words)},
        {"degenerate": values(there), "length": values([5.0] * 20)},
    )
    broken, length = figures["degenerate"], figures["length"]
    assert (broken.low, broken.high) == wilson(3, 20)
    low, high = mean_interval(words)
    assert (length.low, length.high) == (max(0, low), high)
    assert (changes["degenerate"].low, changes["degenerate"].high) == paired_difference(here, there)
    assert changes["length"].value == pytest.approx(9.5 - 5)
    assert changes["length"].n == 20


SHARES = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=30)


@given(SHARES, st.integers(2, 5))
def test_samples_that_are_all_the_same_say_no_more_than_one(pairs, samples):
    """A prompt counts once: its samples make no interval narrower."""
    here, there = ([float(pair[side]) for pair in pairs] for side in (0, 1))
    once = estimates_of((BROKEN,), {"degenerate": values(here)}, {"degenerate": values(there)})
    often = estimates_of(
        (BROKEN,),
        {"degenerate": {str(at): [value] * samples for at, value in enumerate(here)}},
        {"degenerate": {str(at): [value] * samples for at, value in enumerate(there)}},
    )
    for one, other in zip(once, often, strict=True):
        assert one.keys() == other.keys() == {"degenerate"}
        assert other["degenerate"].n == len(pairs)
        for field in ("value", "low", "high"):
            assert getattr(other["degenerate"], field) == pytest.approx(
                getattr(one["degenerate"], field), abs=1e-9
            )


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=2, max_size=20))
def test_shares_of_samples_have_a_width_and_hold_their_mean(drawn):
    own = {str(at): [float(value) for value in said] for at, said in enumerate(drawn)}
    base = {str(at): [0.0] * 3 for at in range(len(drawn))}
    figures, changes = estimates_of((BROKEN,), {"degenerate": own}, {"degenerate": base})
    mean = sum(map(sum, drawn)) / (3 * len(drawn))
    for found in (figures["degenerate"], changes["degenerate"]):
        assert found.value == pytest.approx(mean)
        assert found.low - 1e-9 <= mean <= found.high + 1e-9
        assert found.high - found.low > 0
    assert (figures["degenerate"].low, figures["degenerate"].high) == pytest.approx(
        wilson(sum(sum(said) / 3 for said in own.values()), len(own))
    )


def test_a_judge_that_is_often_silent_has_no_figure():
    """1 of 20 is 5%; of 2 of 20 nobody knows whether they are the worst."""
    for silent, there in ((1, True), (2, False)):
        said = values([None] * silent + [3.0] * (20 - silent))
        figures, changes = estimates_of((LENGTH,), {"length": said}, {"length": values([1.0] * 20)})
        assert ("length" in figures) == ("length" in changes) == there
    assert estimates_of((LENGTH,), {"length": values([3.0])}, {}) == ({}, {})
    for silent, there in ((4, True), (5, False)):  # of 80 answers
        said = {str(at): [float(at), 1.0, 2.0, None if at < silent else 3.0] for at in range(20)}
        assert ("length" in estimates_of((LENGTH,), {"length": said}, {})[0]) == there


def test_what_was_weighed_is_kept_and_a_cut_line_is_not(tmp_path):
    store = Store(tmp_path / "made")
    store.keep_kl("a", Verdict(0.5))
    store.keep_kl("b", Verdict(None, "broken"))
    file = store.folder / "kl.jsonl"
    file.write_bytes(file.read_bytes() + b'{"id": "c", "val')
    again = Store(store.folder)
    assert again.kl == {"a": Verdict(0.5), "b": Verdict(None, "broken")}
    again.keep_kl("c", Verdict(1.0))
    assert Store(store.folder).kl["c"] == Verdict(1.0)
    file.write_bytes(b"no line\n")
    with pytest.raises(CallerError, match="line 1 is damaged") as refused:
        Store(store.folder)
    assert refused.value.code == "results_damaged"
    with pytest.raises(CallerError, match="Choose another --out"):
        Store(file / "under a file")
