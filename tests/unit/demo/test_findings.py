"""The findings' statistics, their pairs, and what becomes of figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from steersman_demo.findings import page, record
from steersman_demo.findings.contrasts import pairs, shapes
from steersman_demo.findings.few_pairs import resample
from steersman_demo.findings.states import States
from steersman_demo.findings.statistics import (
    Estimate,
    crossing,
    grouped_spearman,
    ranks,
    resampled,
    spearman,
)
from steersman_demo.findings.verdicts import of_signs
from steersman_demo.judge import tone, word_count

ROOT = Path(__file__).parents[3]
numbers = st.lists(st.integers(-5, 5), min_size=3, max_size=12)


@given(st.data(), numbers)
def test_spearman_is_scipys(data: st.DataObject, a: list[int]) -> None:
    b = data.draw(st.lists(st.integers(-5, 5), min_size=len(a), max_size=len(a)))
    if len(set(a)) == 1 or len(set(b)) == 1:
        assert spearman(a, b) == 0.0
    else:
        assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)


def test_ranks_of_equals_are_their_mean() -> None:
    assert ranks([3.0, 1.0, 3.0]).tolist() == [1.5, 0.0, 1.5]


def test_permutations_within_groups() -> None:
    order = [1.0, 2.0, 3.0]
    whole, p = grouped_spearman([order, order], [order, order])
    # Two groups of three: one of 36 orders goes with it as well, and one against it.
    assert whole == pytest.approx(1.0)
    assert p == pytest.approx(2 / 36, abs=0.01)
    assert grouped_spearman([order, order], [order, order[::-1]])[0] == pytest.approx(0.0)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.floats(0, 1))
def test_crossing_lies_where_the_line_is_at_the_target(ys: list[float], target: float) -> None:
    xs = [float(k) for k in range(len(ys))]
    found = crossing(xs, ys, target)
    if found is None:
        assert max(ys) < target
    else:
        assert np.interp(found, xs, ys) >= target - 1e-9
        assert all(y < target for x, y in zip(xs, ys, strict=True) if x < found)


def test_intervals_of_draws() -> None:
    values = np.random.default_rng(1).normal(size=200)
    low, high = resampled(200, lambda drawn: float(values[drawn].mean()))
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / 200**0.5, rel=0.25)
    assert np.isnan(resampled(200, lambda _drawn: None)).all()


def test_verdicts_need_intervals_on_one_side_of_nought() -> None:
    above, around, below = Estimate(1, 0.5, 2), Estimate(1, -0.5, 2), Estimate(-1, -2, -0.5)
    assert of_signs([above, above]) == "holds"
    assert of_signs([above, around]) == "holds in part"
    assert of_signs([around, around]) == "cannot be told at this size"
    assert of_signs([around, below]) == "does not hold"


@pytest.mark.parametrize("behaviour", ["empathy", "concise"])
def test_answers_of_a_pair_differ_in_the_behaviour(behaviour: str) -> None:
    toward, away = pairs(behaviour, "answer", 40)
    assert [each.prompt for each in toward] == [each.prompt for each in away]
    if behaviour == "empathy":
        assert sum(tone(each.answer or "") == "warm" for each in toward) >= 38
        assert sum(tone(each.answer or "") == "cold" for each in away) >= 38
    else:
        words = [[word_count(each.answer or "") for each in side] for side in (toward, away)]
        assert all(short < long for short, long in zip(*words, strict=True))
    assert pairs(behaviour, "answer", 40) == (toward, away)


def test_every_shape_has_its_pairs() -> None:
    for behaviour, position in shapes():
        toward, away = pairs(behaviour, position, 3)
        assert len(toward) == len(away) == 3
        assert toward != away


def test_resamples_are_the_same_for_every_method() -> None:
    assert resample(range(200), 8, 1) == resample(range(200), 8, 1)
    assert resample(range(200), 8, 1) != resample(range(200), 8, 2)
    assert len(set(resample(range(200), 128, 0))) == 128


def test_a_vector_has_the_norms_of_all_pairs() -> None:
    rng = np.random.default_rng(0)
    positive, negative = rng.normal(size=(2, 6, 3, 8)).astype(np.float32)
    states = States(positive, negative, np.full((12, 3), 4.0, np.float32))
    vector = states.mean_vector([0, 2], "empathy")
    difference = positive[:, 2].mean(axis=0) - negative[:, 2].mean(axis=0)
    unit = difference / np.linalg.norm(difference)
    np.testing.assert_allclose(vector.delta(2, 0.5), 0.5 * 4.0 * unit, atol=1e-5)


def test_the_page_is_that_of_the_figures(tmp_path) -> None:
    findings = record.read(ROOT / "docs/findings/findings.json")
    record.write(tmp_path / "again.json", findings)
    written = (ROOT / "docs/findings/findings.json").read_text()
    assert (tmp_path / "again.json").read_text() == written
    shown = tmp_path / "findings.md"
    shown.write_text((ROOT / "docs/findings.md").read_text())
    page.put_into(shown, page.blocks(findings))
    assert shown.read_text() == (ROOT / "docs/findings.md").read_text()


def test_a_page_without_a_block_is_refused(tmp_path) -> None:
    bare = tmp_path / "bare.md"
    bare.write_text("no blocks\n")
    with pytest.raises(SystemExit, match="findings:summary"):
        page.put_into(bare, {"summary": "text"})
