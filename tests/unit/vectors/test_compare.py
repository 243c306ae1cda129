"""A cosine is one, whatever rounding says."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.compare import compare
from steersman_vectors.vector import from_differences


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, -1]))
def test_a_cosine_is_never_beyond_its_ends(seed: int, sign: int) -> None:
    rng = np.random.default_rng(seed)
    difference = rng.standard_normal(256).astype(np.float32)
    a, b = (
        from_differences({1: x}, name="v", scale="unit") for x in (difference, sign * difference)
    )
    (layer,) = compare(a, b)
    assert layer.cosine is not None
    assert -1.0 <= layer.cosine <= 1.0
    assert abs(layer.cosine - sign) < 1e-6
