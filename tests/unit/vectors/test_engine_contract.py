"""What server and plugin agree on about an engine."""

from __future__ import annotations

import pytest

from steersman_vectors.engine_contract import (
    LOAD_POLL_S,
    EngineSteering,
    Intake,
    load_pauses,
    note_loaded,
    parse_layers,
    read_engine_config,
)
from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.reach import Reach


def test_engine_options_are_read_or_refused() -> None:
    assert parse_layers(" all ") == "all"
    assert parse_layers("5,3,3") == (3, 5)
    assert EngineSteering(layers=(3, 5)).layer_indices(6) == (3, 5)
    assert EngineSteering().layer_indices(3) == (0, 1, 2)
    assert read_engine_config({"steering": {"layers": [1]}}) == EngineSteering(layers=(1,))
    assert read_engine_config({}) is None
    for call in (
        lambda: parse_layers("1;2"),
        lambda: EngineSteering(layers=(6,)).layer_indices(6),
        lambda: EngineSteering(layers=()).layer_indices(6),
        lambda: read_engine_config({"steering": {"layer": 1}}),
    ):
        with pytest.raises(OperatorError):
            call()


def test_global_layers_are_those_that_the_config_names_so() -> None:
    mixed = ["sliding_attention", "full_attention", "linear_attention", "full_attention"]
    asked = EngineSteering(layers=parse_layers("global"))
    assert asked.layer_indices(4, mixed) == (1, 3)
    for kinds in (None, [], ["sliding_attention"] * 4, mixed[:3]):
        with pytest.raises(OperatorError, match="Use 'all'") as refusal:
            asked.layer_indices(4, kinds)
        assert refusal.value.code == "invalid_steering_layers"


def test_one_worker_that_still_loads_keeps_all_waiting() -> None:
    intake = Intake()
    held = {"digest": "d", "reach": [2.5, 0]}
    assert note_loaded(intake, [held, {"pending": True}]) is None
    assert intake.resident == {}


def test_a_load_is_asked_after_more_and_more_slowly() -> None:
    pauses = load_pauses()
    taken = [next(pauses) for _ in range(10)]
    assert taken == sorted(taken)
    assert (taken[0], taken[-1]) == LOAD_POLL_S


def test_one_worker_that_refuses_refuses_for_all() -> None:
    intake = Intake()
    held = {"digest": "d", "reach": [2.5, 0]}
    with pytest.raises(CallerError, match="no room"):
        note_loaded(intake, [held, {"error": "no room", "code": "vector_pool_full"}])
    assert intake.resident == {}
    assert note_loaded(intake, [held, held]) == "d"
    assert intake.resident == {"d": Reach(2.5, 0)}
