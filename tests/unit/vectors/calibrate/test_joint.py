"""Several dials at once: one sum, planted interference is found, what is safe reaches the cards."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.calibrate.joint import (
    Dialled,
    JointOrder,
    calibrate_jointly,
    check_joint,
    combined,
)
from steersman_vectors.calibrate.joint_card import with_joint
from steersman_vectors.calibrate.joint_record import Joint
from steersman_vectors.card import Preset
from steersman_vectors.errors import CallerError
from steersman_vectors.formats import native
from steersman_vectors.report.contents import Contents
from steersman_vectors.report.sections.joint import joint_rows
from steersman_vectors.schedule import Linear
from steersman_vectors.vector import SteeringVector

from .planted_engine import PlantedEngine, planted_order, planted_vector

ALPHAS = st.floats(-3, 3).filter(lambda a: abs(a) > 1e-3)


def dial(name: str, seed: int, **card) -> SteeringVector:
    vector = planted_vector(name=name, seed=seed)
    presets = {"low": Preset(alpha=0.4), "strong": Preset(alpha=1.2)}
    return SteeringVector(
        vector.card.model_copy(update={"presets": presets, "alpha_max": 2.0, **card}),
        vector.directions,
    )


@given(ALPHAS, ALPHAS)
def test_a_sum_adds_what_both_add(alpha, beta):
    one, other = dial("warm", 0), dial("short", 1).restricted([1])
    both = combined([(one, alpha), (other, beta)])
    assert both.layers == one.layers
    for layer in both.layers:
        expected = one.delta(layer, alpha).astype(np.float64)
        if layer in other.layers:
            expected = expected + other.delta(layer, beta)
        assert both.delta(layer, 1.0) == pytest.approx(expected, abs=1e-5)


@given(st.lists(ALPHAS, min_size=1, max_size=5))
def test_a_sum_of_any_number_adds_what_all_add(alphas):
    vectors = [dial(f"{'long-name' * 6}-{at}", at) for at in range(len(alphas))]
    vectors[0] = vectors[0].restricted([0, 2])
    total = combined(list(zip(vectors, alphas, strict=True)))
    for layer in total.layers:
        parts = [
            vector.delta(layer, alpha).astype(np.float64)
            for vector, alpha in zip(vectors, alphas, strict=True)
            if layer in vector.layers
        ]
        assert total.delta(layer, 1.0) == pytest.approx(sum(parts), abs=1e-5)


class Both(PlantedEngine):
    """A sum's dose is that of all alphas: told apart by name."""

    def dose(self, dose):
        total = 0.0
        for digest, alpha in dose.terms:
            vector = self.loaded[digest]
            parts = vector.card.name.split("-")
            if len(parts) == 1:
                total += alpha
                continue
            total += sum(abs(a) for a in self.sums[digest]) * alpha
        return total

    def load(self, vector):
        digest = super().load(vector)
        if "-" in vector.card.name:
            # The only numbers with which the deltas make this sum.
            names = ("warm", "short", "plain")
            basis = np.stack([dial(n, i).delta(0, 1.0) for i, n in enumerate(names)])
            found = np.linalg.lstsq(basis.T, vector.delta(0, 1.0), rcond=None)[0]
            self.sums = {**getattr(self, "sums", {}), digest: found.tolist()}
        return digest


def test_pairs_that_break_together_are_found_and_the_rest_is_on_both_cards(tmp_path):
    warm, short = dial("warm", 0), dial("short", 1)
    order = planted_order(vector=warm)
    one = Dialled(warm, "keywords:warm", "higher")
    other = Dialled(short, "keywords:warm", "higher")
    asked = JointOrder((one, other), order)
    booted = Both(cliff=2.0)
    joint = calibrate_jointly(booted, asked, tmp_path)
    assert booted.answered <= asked.most_answers
    by_presets = {tuple(each.presets.values()): each for each in joint.combinations}
    # 0.4 + 0.4 and 0.4 + 1.2 are within the cliff at 2; 1.2 + 1.2 is beyond.
    assert [tuple(each.presets.values()) for each in joint.safe] == [
        ("low", "low"), ("low", "strong"), ("strong", "low"),
    ]  # fmt: skip
    broken = by_presets["strong", "strong"]
    assert broken.heldout is None
    assert "degenerate" in broken.calibration.failed
    gain = by_presets["low", "strong"].heldout.against_alone
    assert gain["warm"].low > gain["short"].high > 0  # the other adds to the same behaviour
    assert Joint.model_validate_json(joint.model_dump_json()) == joint
    for vector, name in ((warm, "short"), (short, "warm")):
        written = with_joint(vector, joint)
        entry = written.card.quality["joint"][name]
        assert {"warm": "low", "short": "strong"} in entry["safe"]
        assert len(entry["safe"]) == 3
        assert entry["tried"] == 4
        assert native.loads(native.dumps(written)).card.presets == vector.card.presets
    again = Both(cliff=2.0)
    resumed = calibrate_jointly(again, asked, tmp_path)
    assert again.answered == 0
    assert resumed.combinations == joint.combinations


def test_three_are_measured_in_pairs_and_all_at_once(tmp_path):
    vectors = [dial(name, seed) for seed, name in enumerate(("warm", "short", "plain"))]
    order = planted_order(vector=vectors[0])
    dials = tuple(Dialled(each, "keywords:warm", "higher") for each in vectors)
    asked = JointOrder(dials, order)
    booted = Both(cliff=2.1)
    joint = calibrate_jointly(booted, asked, tmp_path)
    assert booted.answered <= asked.most_answers == (1 + 6 + 12 + 8) * 360
    assert (len(joint.combinations), joint.whole) == (12 + 8, True)
    for each in joint.combinations:  # 0.4 and 1.2, within the cliff at 2.1
        strong = list(each.presets.values()).count("strong")
        assert each.safe == (strong < 2), each.presets
        assert set(each.alphas) == set(each.presets) == set(each.seen.against_alone)
    every = joint.of(frozenset(("warm", "short", "plain")))
    assert {tuple(each.presets.values()) for each in every} == set(
        product(("low", "strong"), repeat=3)
    )
    assert [pair.vectors for pair in joint.cosines] == [
        ("warm", "short"), ("warm", "plain"), ("short", "plain"),
    ]  # fmt: skip
    matrix = {(each.vector, each.beside): each for each in joint.interference}
    assert set(matrix) == {(a, b) for a in ("warm", "short", "plain")
                           for b in ("warm", "short", "plain") if a != b}  # fmt: skip
    for (vector, beside), worst in matrix.items():
        pairs = joint.of(frozenset((vector, beside)))
        assert worst.against_alone.value == min(
            each.seen.against_alone[vector].value for each in pairs
        )
    assert Joint.model_validate_json(joint.model_dump_json()) == joint
    written = with_joint(vectors[1], joint).card.quality["joint"]
    assert set(written) == {"warm", "plain", "warm+plain"}
    assert len(written["warm"]["safe"]) == 3
    assert len(written["warm+plain"]["safe"]) == 4
    assert {"warm": "low", "short": "strong", "plain": "low"} in written["warm+plain"]["safe"]
    assert set(written["warm+plain"]["digests"]) == {"warm", "plain"}
    rows = joint_rows(Contents(with_joint(vectors[1], joint).card, "sha256:" + "0" * 64))
    assert ["low", "warm low, plain low"] in [row[:2] for row in rows]

    few = replace(asked, most_of_all=7)
    assert [tuple(each.values()) for each in few.of_all] == [("low",) * 3, ("strong",) * 3]
    again = Both(cliff=2.1)
    resumed = calibrate_jointly(again, few, tmp_path)
    assert (again.answered, resumed.whole, len(resumed.combinations)) == (0, False, 14)


@given(st.lists(st.integers(1, 4), min_size=2, max_size=5), st.integers(1, 100))
def test_of_all_at_once_no_more_is_tried_than_allowed_or_equal_levels(counts, most):
    dials = []
    for at, count in enumerate(counts):
        presets = {f"p{k}": Preset(alpha=1.0 / (k + 1)) for k in range(count)}
        dials.append(Dialled(dial(f"v{at}", at, presets=presets), "m", "higher"))
    asked = JointOrder(tuple(dials), planted_order(count=20), most)
    every = {tuple(sorted(each.items())) for each in asked.of_all}
    assert len(every) == len(asked.of_all)
    for each in every:
        assert [name for name, _ in each] == [one.name for one in dials]
        assert all(preset in one.vector.card.presets for one, (_, preset)
                   in zip(dials, each, strict=True))  # fmt: skip
    total = int(np.prod(counts))
    if len(counts) == 2:
        assert not every
    elif total <= most:
        assert len(every) == total
    else:
        weakest = {one.name: f"p{count - 1}" for one, count in zip(dials, counts, strict=True)}
        strongest = {one.name: "p0" for one in dials}
        assert (asked.of_all[0], asked.of_all[-1]) == (weakest, strongest)
        assert len(every) == max(counts)


def test_what_no_request_could_combine_is_refused():
    warm, short = dial("warm", 0), dial("short", 1)
    cases = {
        "no presets": (warm, planted_vector(name="short")),
        "are named 'warm'": (warm, dial("warm", 1)),
        "different scopes or schedules": (
            warm, dial("short", 1, schedule=Linear(tokens=3, floor=0.0)),
        ),
        "different base models": (warm, dial("short", 1, fingerprint="sha256:" + "c" * 64)),
        "scale 'token'": (dial("warm", 0, scale="token"), short),
    }  # fmt: skip
    for said, (one, other) in cases.items():
        with pytest.raises(CallerError, match=said) as refused:
            check_joint([Dialled(one, "m", "higher"), Dialled(other, "m", "higher")])
        assert refused.value.code == "joint_unusable"
