"""Two dials at once: one sum, planted interference is found, safe pairs reach both cards."""

from __future__ import annotations

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
    with_joint,
)
from steersman_vectors.calibrate.joint_record import Joint
from steersman_vectors.card import Preset
from steersman_vectors.errors import CallerError
from steersman_vectors.formats import native
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
    both = combined(one, alpha, other, beta)
    assert both.layers == one.layers
    for layer in both.layers:
        expected = one.delta(layer, alpha).astype(np.float64)
        if layer in other.layers:
            expected = expected + other.delta(layer, beta)
        assert both.delta(layer, 1.0) == pytest.approx(expected, abs=1e-5)


class Both(PlantedEngine):
    """A sum's dose is that of both alphas: told apart by name."""

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
            # The only two numbers with which the two deltas make this sum.
            basis = np.stack([dial(n, i).delta(0, 1.0) for i, n in enumerate(("warm", "short"))])
            found = np.linalg.lstsq(basis.T, vector.delta(0, 1.0), rcond=None)[0]
            self.sums = {**getattr(self, "sums", {}), digest: found.tolist()}
        return digest


def test_pairs_that_break_together_are_found_and_the_rest_is_on_both_cards(tmp_path):
    warm, short = dial("warm", 0), dial("short", 1)
    order = planted_order(vector=warm)
    one = Dialled(warm, "keywords:warm", "higher")
    other = Dialled(short, "keywords:warm", "higher")
    asked = JointOrder(one, other, order)
    booted = Both(cliff=2.0)
    joint = calibrate_jointly(booted, asked, tmp_path)
    assert booted.answered <= asked.most_answers
    by_presets = {each.presets: each for each in joint.combinations}
    # 0.4 + 0.4 and 0.4 + 1.2 are within the cliff at 2; 1.2 + 1.2 is beyond.
    assert [each.presets for each in joint.safe] == [
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


def test_what_no_request_could_combine_is_refused():
    warm, short = dial("warm", 0), dial("short", 1)
    cases = {
        "no presets": (warm, planted_vector(name="short")),
        "named 'warm'": (warm, dial("warm", 1)),
        "different scopes or schedules": (
            warm, dial("short", 1, schedule=Linear(tokens=3, floor=0.0)),
        ),
        "different base models": (warm, dial("short", 1, fingerprint="sha256:" + "c" * 64)),
        "scale 'token'": (dial("warm", 0, scale="token"), short),
    }  # fmt: skip
    for said, (one, other) in cases.items():
        with pytest.raises(CallerError, match=said) as refused:
            check_joint(Dialled(one, "m", "higher"), Dialled(other, "m", "higher"))
        assert refused.value.code == "joint_unusable"
