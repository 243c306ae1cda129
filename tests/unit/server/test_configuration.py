"""What the registry's documents say, parsed."""

from __future__ import annotations

import pytest

from steersman_server.configuration import Configuration
from steersman_vectors.errors import OperatorError


def test_only_the_switch_that_kills_is_the_kill_switch():
    assert Configuration.of({"switch/other": "{}"}).kill_switch is None
    killed = Configuration.of({"switch/other": "{}", "switch/kill": '{"reason":"smoke"}'})
    assert killed.kill_switch.reason == "smoke"


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("tenant/a", "{"),
        ("tenant/a", '{"unknown": 1}'),
        ("key/a", "{}"),
        ("flag/a", "[]"),
        ("policy/a", '{"rules": [{"name": "x"}]}'),
        ("profile/a", "null"),
        ("whatever/a", "{}"),
        ("nothing", "{}"),
    ],
)
def test_what_is_damaged_is_named(field, text):
    with pytest.raises(OperatorError) as caught:
        Configuration.of({"tenant/good": "{}", field: text})
    assert caught.value.code == "registry_corrupt"
    assert field in caught.value.message
