"""What of a request's metadata meets a rule's condition."""

from __future__ import annotations

import pytest

from steersman_server.policies.policy import metadata_meets

WANTED = {"channel": ("web", "App"), "tier": ("gold",)}


@pytest.mark.parametrize(
    ("got", "meets"),
    [
        ({"channel": "web", "tier": "gold"}, True),
        ({"channel": "App", "tier": "gold", "other": "x"}, True),
        ({"channel": "Web", "tier": "gold"}, False),
        ({"channel": "app", "tier": "gold"}, False),
        ({"Channel": "web", "tier": "gold"}, False),
        ({"channel": "web ", "tier": "gold"}, False),
        ({"channel": "web"}, False),
        ({}, False),
    ],
)
def test_values_are_compared_as_they_are_written(got: dict[str, str], meets: bool) -> None:
    assert metadata_meets(WANTED, got) is meets
    assert metadata_meets({}, got)
