"""What a dtype can hold of what vectors make of a token."""

from __future__ import annotations

import numpy as np
import pytest

from steersman_vectors.errors import CallerError
from steersman_vectors.reach import HEADROOM, STREAM, Reach, check_reach, reach_of
from steersman_vectors.vector import from_differences

FP16, FP32 = 65504.0, 3.4e38


def reach(scale: str, layers: int = 3) -> Reach:
    drawn = {i: np.full(4, 5.0) for i in range(layers)}  # of norm 10
    return reach_of(from_differences(drawn, name="v", scale=scale).card)


def test_the_layers_add_up() -> None:
    assert reach("raw") == (pytest.approx(30.0), 0)
    assert reach("unit") == (3.0, 0)
    assert reach("token") == (0.0, 3)


@pytest.mark.parametrize(
    ("alpha", "of", "largest", "fits"),
    [
        (1.0, Reach(FP16 / HEADROOM - STREAM, 0), FP16, True),
        (-1.0, Reach(FP16 / HEADROOM, 0), FP16, False),
        (6500.0, Reach(60.0, 0), FP16, False),  # fresh eyes made NaN of this one
        (1.0, Reach(3e38, 0), FP32, False),
        (1e6, Reach(1e11, 0), FP32, True),
        (0.05, Reach(0.0, 32), FP16, True),
        (1.0, Reach(0.0, 32), FP16, False),
        (1e6, Reach(0.0, 80), FP32, False),
        (1.0, Reach(float("nan"), 0), FP32, False),
    ],
)
def test_what_may_overflow_is_refused(alpha: float, of: Reach, largest: float, fits: bool) -> None:
    if fits:
        check_reach([(alpha, of)], largest, "steering")
        return
    with pytest.raises(CallerError, match="Lower the alphas") as refusal:
        check_reach([(alpha, of)], largest, "steering")
    assert refusal.value.code == "alpha_out_of_range"


def test_several_vectors_of_scale_token_multiply() -> None:
    one = (0.05, Reach(0.0, 32))
    check_reach([one], FP16, "steering")
    with pytest.raises(CallerError):
        check_reach([one] * 3, FP16, "steering")
