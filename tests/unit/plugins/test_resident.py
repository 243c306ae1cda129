"""Resident vectors: what they sum to on a rank, what they refuse, how they are loaded."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError, InternalError
from steersman_vectors.formats import native
from steersman_vectors.vector import from_differences
from vllm_steersman.loading import BackgroundLoader
from vllm_steersman.resident import ResidentVectors

HIDDEN, LAYERS = 6, 5


def make_vectors():
    rng = np.random.default_rng(0)

    def draw(*layers):
        return {i: rng.normal(size=HIDDEN) for i in layers}

    norms = dict.fromkeys(range(LAYERS), 3.0)
    return [
        from_differences(draw(0, 1, 2, 3, 4), name="all", scale="raw"),
        from_differences(draw(3), name="one", scale="unit"),
        from_differences(draw(1, 4), name="two", scale="residual", residual_norms=norms),
        from_differences(draw(0, 3), name="token", scale="token"),
    ]


VECTORS = {native.digest(native.dumps(v)): v for v in make_vectors()}
DATA = {digest: native.dumps(v) for digest, v in VECTORS.items()}


def loaded(local=None) -> ResidentVectors:
    resident = ResidentVectors(HIDDEN, range(LAYERS), local=local, token_scale=True)
    for data in DATA.values():
        resident.load(data)
    return resident


@given(
    terms=st.dictionaries(st.sampled_from(sorted(VECTORS)), st.floats(-9, 9)),
    local=st.sets(st.integers(0, LAYERS - 1)).map(sorted),
    by_norm=st.booleans(),
)
def test_a_rank_sums_what_its_own_blocks_need(terms, local, by_norm):
    got = loaded(local).sum_deltas(tuple(terms.items()), by_norm=by_norm)
    expected = np.zeros((len(local), HIDDEN))
    for digest, alpha in terms.items():
        vector = VECTORS[digest]
        for k, layer_idx in enumerate(local):
            if layer_idx in vector.layers and (vector.card.scale == "token") == by_norm:
                expected[k] += vector.delta(layer_idx, alpha)
    if got is None:
        assert not expected.any()
    else:
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, atol=1e-5)


def test_summing_leaves_the_vectors_as_they_are():
    resident = loaded()
    terms = tuple((digest, 2.0) for digest in VECTORS)
    first = resident.sum_deltas(terms).copy()
    resident.sum_deltas(terms)[:] = 9.0
    np.testing.assert_array_equal(resident.sum_deltas(terms), first)


def test_a_rank_keeps_its_own_blocks_only():
    assert loaded().nbytes == sum(len(v.layers) for v in VECTORS.values()) * HIDDEN * 4
    assert loaded(local=[3]).nbytes == 3 * HIDDEN * 4
    assert loaded(local=[]).nbytes == 0


def test_a_vector_that_is_not_resident_is_never_left_out_of_a_sum():
    with pytest.raises(InternalError, match="not resident"):
        loaded().sum_deltas((("sha256:" + "0" * 64, 1.0),))


@pytest.mark.parametrize(
    ("vector", "code"),
    [
        (from_differences({0: np.ones(7)}, name="wide", scale="unit"), "vector_model_mismatch"),
        (from_differences({9: np.ones(6)}, name="deep", scale="unit"), "vector_layers_not_served"),
        (from_differences({0: np.ones(6)}, name="norm", scale="token"), "scale_not_served"),
    ],
)
def test_what_does_not_fit_the_engine_is_refused(vector, code):
    resident = ResidentVectors(HIDDEN, range(LAYERS))
    with pytest.raises(CallerError) as refusal:
        resident.load(native.dumps(vector))
    assert refusal.value.code == code
    assert len(resident) == 0


@pytest.mark.parametrize("damage", [np.nan, np.inf, 0.0, 0.5])
def test_bytes_whose_directions_are_none_are_refused(damage):
    """As nothing but a damaged or hand-made file can hold: the registry refuses them before."""
    digest = min(VECTORS)
    directions = {f"layers.{i}": d * damage for i, d in VECTORS[digest].directions.items()}
    card = native.card_json(VECTORS[digest].card)
    data = safetensors.numpy.save(directions, metadata={native.CARD_KEY: card})
    with pytest.raises(CallerError) as refusal:
        loaded().load(data)
    assert refusal.value.code == "invalid_vector"


def collect(loader: BackgroundLoader, ticket: str) -> dict:
    deadline = time.monotonic() + 30
    while (answer := loader.collect(ticket)) == {"pending": True}:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return answer


def test_a_load_runs_beside_the_steps_and_its_result_can_be_asked_for_twice():
    resident = ResidentVectors(HIDDEN, range(LAYERS), token_scale=True)
    may_load = threading.Event()
    load = resident.load
    resident.load = lambda data: may_load.wait(30) and load(data)
    loader = BackgroundLoader(resident)
    digest, data = next(iter(DATA.items()))
    loader.start("mine", data)
    assert loader.collect("mine") == {"pending": True}
    may_load.set()
    answer = collect(loader, "mine")
    assert answer["digest"] == digest
    assert loader.collect("mine") == answer
    assert resident.digests() == (digest,)


@pytest.mark.parametrize("data", [b"", b"junk", native.dumps(VECTORS[min(VECTORS)])[:-1]])
def test_a_load_that_fails_says_why(data):
    loader = BackgroundLoader(ResidentVectors(HIDDEN, range(LAYERS)))
    loader.start("mine", data)
    assert collect(loader, "mine")["code"] == "invalid_vector_file"


@pytest.mark.parametrize("error", [KeyError("k"), RuntimeError("r"), MemoryError(), OSError("o")])
def test_a_load_that_fails_unexpectedly_says_what_happened(error):
    resident = ResidentVectors(HIDDEN, range(LAYERS))

    def load(_):
        raise error

    resident.load = load
    loader = BackgroundLoader(resident)
    loader.start("mine", b"")
    answer = collect(loader, "mine")
    assert answer == {"error": f"{type(error).__name__}: {error}", "code": "internal_error"}


def test_a_vector_unloaded_before_anybody_asked_is_not_reported_as_loaded():
    resident = ResidentVectors(HIDDEN, range(LAYERS), token_scale=True)
    loader = BackgroundLoader(resident)
    digest, data = next(iter(DATA.items()))
    loader.start("mine", data)
    assert collect(loader, "mine")["digest"] == digest
    resident.unload(digest)
    answer = collect(loader, "mine")
    assert answer["code"] == "vector_not_resident"
    assert digest in answer["error"]
    loader.start("again", data)
    assert collect(loader, "again")["digest"] == digest


def test_a_ticket_that_nobody_gave_is_an_error():
    assert "error" in BackgroundLoader(ResidentVectors(HIDDEN, ())).collect("none")


def test_results_that_nobody_collects_do_not_pile_up(monkeypatch):
    monkeypatch.setattr("vllm_steersman.loading.KEPT_RESULTS", 3)
    loader = BackgroundLoader(ResidentVectors(HIDDEN, ()))
    for i in range(9):
        loader.start(str(i), b"junk")
    assert [i for i in range(9) if "nothing is" not in collect(loader, str(i))["error"]] == [
        6,
        7,
        8,
    ]
