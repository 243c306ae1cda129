"""What `--readout` says, and what it stands for in a registry."""

from __future__ import annotations

import pytest

from steersman_server.readout.slots import ReadoutSlot, find, parse_slots, with_layers
from steersman_vectors.errors import OperatorError, SteersmanError
from steersman_vectors.registry.snapshot import RegistrySnapshot
from tests.unit.server.samples import MODEL, entry

SNAPSHOT = RegistrySnapshot.of(
    7,
    [
        entry("warm", 1, layers=(2, 1)),
        entry("warm", 2, layers=(3, 2)),
        entry("terse", 1, layers=(0,)),
    ],
    aliases={(MODEL, "warm", "prod"): (1,)},
)


def test_what_is_written_is_what_is_read():
    assert parse_slots("warm, terse@3 ,calm@prod:14") == (
        ReadoutSlot("warm"), ReadoutSlot("terse@3"), ReadoutSlot("calm@prod", 14),
    )  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "warm,", "warm:", "warm:x", "warm:-1", "Warm", "warm,warm", "warm:1,warm:2",
             ",".join(f"v{i}" for i in range(9))],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(text):
    with pytest.raises(OperatorError) as caught:
        parse_slots(text)
    assert caught.value.code == "invalid_readout"


def test_the_block_is_the_first_that_the_named_version_steers_unless_it_is_given():
    slots = parse_slots("warm,warm@prod,terse:1,nobody")
    layers = [s.layer for s in with_layers(slots, SNAPSHOT, MODEL, range(4))]
    assert layers == [2, 1, 1, None]
    assert with_layers(slots[:1], SNAPSHOT, MODEL, {3})[0].layer == 3
    assert with_layers(slots[:1], SNAPSHOT, MODEL, {0})[0].layer is None
    assert with_layers(slots[:1], SNAPSHOT, MODEL, None)[0].layer == 2


def test_a_version_without_the_block_is_told_with_the_remedy():
    found = find([ReadoutSlot("warm", 1), ReadoutSlot("warm@1", 1)], SNAPSHOT, MODEL)
    assert isinstance(found[0], SteersmanError)
    assert "warm@2 has no direction at decoder block 1" in found[0].message
    assert "Restart" in found[0].message
    assert str(found[1]) == "warm@1"
