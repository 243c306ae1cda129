"""What docs/flags.md tells operators is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

from steersman_server.flags.builtin import BUILT_IN
from steersman_server.flags.change import set_override, set_rollout
from steersman_server.flags.evaluate import FlagSet
from steersman_server.flags.flagd_file import parse_flagd

from .samples import context, record

PAGE = (Path(__file__).parents[4] / "docs/flags.md").read_text()


def test_the_table_of_built_in_flags() -> None:
    rows = dict(re.findall(r"^\| `([a-z.-]+(?:NAME)?)` \| (on|off) \|", PAGE, re.M))
    assert rows == {**{k: d.default_variant for k, d in BUILT_IN.items()}, "vector.NAME": "on"}


def test_the_ab_test_is_a_flag_that_works() -> None:
    block = re.search(r"^    (\{\"flags\".*?\}\}\}\})$", PAGE, re.M | re.S)
    assert block is not None
    flags = parse_flagd(block[1])
    assert list(flags["empathy-dose"].variants) == ["mild", "control", "strong"]
    assert (
        json.loads(block[1])["flags"]["empathy-dose"]["targeting"]
        == flags["empathy-dose"].targeting
    )


def test_steering_one_tenant_first() -> None:
    kept = set_override(set_rollout("steering", record(), {"on": 0, "off": 100}), "acme", "on")
    flags = FlagSet.of({"steering": kept})
    assert flags.enabled("steering", context("acme"))
    assert not any(flags.enabled("steering", context("globex", f"u{n}")) for n in range(100))
