"""Grids of all kinds, and answers to them, for the tests of sweeps."""

from __future__ import annotations

from hypothesis import strategies as st

from steersman_vectors.message import Message
from steersman_vectors.schedule import CONSTANT, Linear
from steersman_vectors.sweep.contract import Answer
from steersman_vectors.sweep.grid import Grid, GridVector, LayerSet
from steersman_vectors.sweep.prompts import SweepPrompt
from tests.unit.vectors.samples import FP_A

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
finite = st.floats(-3, 3, allow_nan=False)
prompts = st.lists(
    st.builds(
        lambda name, said, expected: SweepPrompt(name, (Message("user", said),), expected),
        st.text("abcdef", min_size=1, max_size=4),
        words,
        st.none() | st.dictionaries(words, st.integers() | words, max_size=2),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda prompt: prompt.id,
).map(tuple)
vectors = st.lists(
    st.builds(
        GridVector,
        name=st.sampled_from(["empathy", "concise", "formal"]),
        digest=st.integers(0, 9).map(lambda n: f"sha256:{n:064d}"),
        layers=st.just((0, 1, 2, 3)),
        scope=st.sampled_from(["assistant", "generation", "all"]),
        schedule=st.sampled_from([CONSTANT, Linear(tokens=3, floor=0.5)]),
    ),
    min_size=1,
    max_size=3,
    unique_by=(lambda vector: vector.name, lambda vector: vector.digest),
).map(tuple)
layer_sets = st.lists(
    st.sampled_from(
        [
            LayerSet("own", None),
            LayerSet("all", (0, 1, 2, 3)),
            LayerSet("single", (2,)),
            LayerSet("2", (2,)),
            LayerSet("sparse:2", (1, 3)),
        ]
    ),
    min_size=1,
    unique=True,
).map(tuple)
grids = st.builds(
    Grid,
    model=st.just(FP_A),
    vectors=vectors,
    layer_sets=layer_sets,
    alphas=st.lists(finite.map(lambda a: a + 0.0), min_size=1, max_size=4, unique=True).map(tuple),
    prompts=prompts,
    temperature=st.just(0.8),
    max_tokens=st.integers(1, 99),
    samples=st.integers(1, 3),
    seed=st.integers(0, 5),
)
answers = st.builds(
    lambda text, ids: Answer(text, "stop", tuple(ids), tuple(-0.5 * i for i, _ in enumerate(ids))),
    words,
    st.lists(st.integers(0, 5), max_size=8),
)

PLAIN = Grid(
    model=FP_A,
    vectors=(
        GridVector("empathy", "sha256:" + "1" * 64, (0, 1, 2, 3)),
        GridVector("concise", "sha256:" + "2" * 64, (0, 1, 2, 3)),
    ),
    layer_sets=(LayerSet("own", None), LayerSet("single", (2,))),
    alphas=(0.0, 0.5),
    prompts=(
        SweepPrompt("late", (Message("user", "Where is my order?"),)),
        SweepPrompt("bill", (Message("user", "What is this charge?"),), {"amount": 49}),
    ),
)
