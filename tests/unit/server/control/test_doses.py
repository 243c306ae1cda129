"""The dose per layer is the norm of a plain sum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_server.control.doses import doses_per_layer
from steersman_vectors.vector import SteeringVector, from_differences

HIDDEN = 6
SCALES = ("raw", "unit", "residual", "token")


def made(
    seed: int, scale: str, layers: tuple[int, ...], *, measured: bool = True
) -> SteeringVector:
    rng = np.random.default_rng(seed)
    return from_differences(
        {i: rng.normal(size=HIDDEN) * 3 for i in layers},
        name=f"v{seed}",
        scale=scale,
        residual_norms={i: 10.0 + i for i in layers} if measured else None,
    )


def coefficient(vector: SteeringVector, layer_idx: int, alpha: float) -> float:
    """DESIGN section 3, written down anew; of `token` what is multiplied by the token's norm."""
    norms = vector.card.layers[layer_idx]
    return {
        "raw": alpha * (norms.raw_norm or 0.0),
        "unit": alpha,
        "residual": alpha * (norms.residual_norm or 0.0),
        "token": alpha,
    }[vector.card.scale]


TERM = st.tuples(
    st.integers(0, 50),
    st.sampled_from(SCALES),
    st.sets(st.integers(0, 4), min_size=1).map(lambda found: tuple(sorted(found))),
    st.floats(-3, 3),
)


@given(st.lists(TERM, max_size=4))
def test_against_a_plain_sum(
    terms: list[tuple[int, str, tuple[int, ...], float]],
) -> None:
    vectors = [(made(seed, scale, layers), alpha) for seed, scale, layers, alpha in terms]
    found = doses_per_layer(vectors)
    assert [dose.layer_idx for dose in found] == sorted({i for v, _ in vectors for i in v.layers})
    for dose in found:
        sums = {True: np.zeros(HIDDEN), False: np.zeros(HIDDEN)}
        for vector, alpha in vectors:
            if dose.layer_idx in vector.layers:
                added = coefficient(vector, dose.layer_idx, alpha)
                by_token = vector.card.scale == "token"
                sums[by_token] += added * vector.directions[dose.layer_idx].astype(np.float64)
        norm = float(np.linalg.norm(sums[False]))
        assert dose.norm == pytest.approx(norm, rel=1e-4, abs=1e-5)
        assert dose.of_token == pytest.approx(np.linalg.norm(sums[True]), rel=1e-4, abs=1e-5)
        share = norm / (10.0 + dose.layer_idx)
        assert dose.of_residual == pytest.approx(share, rel=1e-4, abs=1e-5)


def test_vectors_that_point_the_same_way_add_up_and_opposed_ones_cancel() -> None:
    one = made(1, "unit", (2,))
    (dose,) = doses_per_layer([(one, 0.5), (one, 0.25)])
    assert dose.norm == pytest.approx(0.75, abs=1e-6)
    (dose,) = doses_per_layer([(one, 0.5), (one, -0.5)])
    assert dose.norm == pytest.approx(0.0, abs=1e-6)


def test_without_a_measured_residual_norm_no_share_is_told() -> None:
    plain = made(1, "unit", (2,), measured=False)
    (dose,) = doses_per_layer([(plain, 1.0)])
    assert dose.of_residual is None
    measured = made(2, "unit", (2, 3))
    shares = [d.of_residual for d in doses_per_layer([(plain, 1.0), (measured, 0.0)])]
    assert shares == [pytest.approx(1.0 / 12.0, abs=1e-6), pytest.approx(0.0)]
    assert doses_per_layer([]) == ()
