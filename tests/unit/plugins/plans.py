"""Hypothesis strategies for plans with turns."""

from __future__ import annotations

from hypothesis import strategies as st

from steersman_vectors.plan import SteeringPlan
from steersman_vectors.schedule import CONSTANT, Exponential, Linear

DIGESTS = tuple("sha256:" + c * 64 for c in "abc")
schedules = st.one_of(
    st.just(CONSTANT),
    st.builds(Linear, tokens=st.integers(1, 30), floor=st.floats(0, 1)),
    st.builds(Exponential, half_life_tokens=st.floats(0.1, 30), floor=st.floats(0, 1)),
)
alphas = st.floats(-3, 3, allow_nan=False).filter(lambda a: a == 0 or abs(a) > 1e-3)


@st.composite
def turns(draw) -> tuple[tuple[int, int | None], ...]:
    """Up to four closed turns, then perhaps an open one."""
    out: list[tuple[int, int | None]] = []
    at = 0
    for _ in range(draw(st.integers(0, 4))):
        start = at + draw(st.integers(0, 9))
        at = start + draw(st.integers(1, 12))
        out.append((start, at))
    if draw(st.booleans()):
        out.append((at + draw(st.integers(0, 9)), None))
    return tuple(out)


@st.composite
def plans(draw) -> SteeringPlan:
    """A plan of up to three vectors; sometimes one that adds nothing."""
    terms = draw(st.dictionaries(st.sampled_from(DIGESTS), alphas, max_size=3))
    return SteeringPlan(terms=tuple(terms.items()), schedule=draw(schedules), turns=draw(turns()))
