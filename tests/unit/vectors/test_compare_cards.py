"""What moved between two cards, and what of it is worse."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.card import VectorCard
from steersman_vectors.compare_cards import compare_cards

from .calibrations import calibration, estimate
from .samples import vector


def card(layers: Any = None, **more: Any) -> VectorCard:
    quality = {} if layers is None else {"try_first": 1, "layers": layers}
    return vector(quality=quality, **more).card


def test_metrics_are_compared_where_both_have_them() -> None:
    was = card({"1": {"probe_accuracy": 0.9, "snr": 2.0, "probe_p": 0.01, "raw_norm": 3},
                "2": {"probe_accuracy": 0.9}})  # fmt: skip
    now = card({"1": {"probe_accuracy": 0.8, "snr": 1.9, "probe_p": 0.2, "raw_norm": 1}, "3": {}})
    moved = compare_cards(was, now)
    found = {(m.layer_idx, m.metric): (m.was, m.now, m.worse) for m in moved.metrics}
    assert found == {
        (1, "raw_norm"): (3, 1, False),
        (1, "probe_accuracy"): (0.9, 0.8, True),
        (1, "probe_p"): (0.01, 0.2, True),
        (1, "snr"): (2.0, 1.9, False),
    }
    assert moved.worse[0] == "probe_accuracy at 1 of 1 layers, most at layer 1: 0.9 -> 0.8"
    assert not compare_cards(now, was).worse


def test_presets_are_worse_where_intervals_part_on_the_worse_side() -> None:
    presets = {"low": {"alpha": 0.5}, "strong": {"alpha": 2.0}}
    was = card(presets=presets, alpha_max=3.0)
    now = card(presets={"low": {"alpha": 0.7}, "new": {"alpha": 1.0}})
    before = calibration(
        low={"warmth": estimate(0.8), "loops": estimate(0.1), "length": estimate(9)}
    )
    after = calibration(
        low={"warmth": estimate(0.6), "loops": estimate(0.3), "length": estimate(5)}
    )
    moved = compare_cards(was, now, before, after)
    alphas = {p.name: (p.alpha_was, p.alpha_now) for p in moved.presets}
    assert alphas == {"low": (0.5, 0.7), "strong": (2.0, None), "new": (None, 1.0)}
    assert {m.measure: m.worse for m in moved.presets[0].measures} == {
        "warmth": True, "loops": True, "length": False,
    }  # fmt: skip
    assert [line.split(":")[0] for line in moved.worse] == [
        "warmth of preset low",
        "loops of preset low",
        "preset strong (alpha 2) is gone",
        "alpha_max was 3, now nobody has measured it",
    ]
    assert not any(m.worse for p in compare_cards(now, was, after, before).presets
                   for m in p.measures)  # fmt: skip
    assert compare_cards(was, now, before, None).presets[0].measures == ()


def test_a_preset_that_was_tried_and_not_confirmed_says_so() -> None:
    was, now = card(presets={"low": {"alpha": 0.5}}), card()
    after = calibration(confirmed=False, low={})
    (line,) = compare_cards(was, now, None, after).worse
    assert line.endswith("is gone: the held-out split does not confirm it")


def test_why_there_are_no_cosines() -> None:
    assert "hidden sizes differ (8 and 16)" in str(compare_cards(card(), card(hidden=16)).no_cosine)
    other = vector(layers=(3,)).card
    assert "no layer in common" in str(compare_cards(card(), other).no_cosine)
    assert compare_cards(card(), card()).no_cosine is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=5),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.sampled_from(["layers", "1", "x", "snr", "probe_p"]), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["layers", "try_first"]), JSON))
def test_a_card_may_say_anything_of_its_quality(quality: Any) -> None:
    one = vector(quality=quality).card
    assert not compare_cards(one, one).worse
