"""`steersman tenants backoff`, and the option that asks for it, as operators type them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from steersman_server.control.backoff import back_off
from steersman_server.tenants.backoff import BackedOff
from steersman_vectors.registry.store import RegistryStore
from tests.unit.vectors.commands import Run

from .conftest import Answer

DEFAULTS = {"window_s": 600.0, "min_answers": 20, "factor": 0.5, "floor": 0.25,
            "cooldown_s": 300.0}  # fmt: skip


@pytest.fixture
def backed_off(answer: Answer, served_dir: tuple[Path, str], vectors: object) -> None:
    """Tenant acme, which a server backed off to a half."""
    answer(
        "tenants", "create", "acme", "--allow-vector", "empathy",
        "--default", '{"vectors": {"empathy": 0.4}}', "--backoff", "max_degenerate_rate=0.05",
    )  # fmt: skip
    step = BackedOff(
        scale=0.5, since=datetime(2026, 11, 26, 8, 30, tzinfo=UTC), answers=40, degenerate=9,
        window_s=600.0, max_degenerate_rate=0.05,
    )  # fmt: skip

    async def write() -> None:
        async with RegistryStore(served_dir[1]) as store:
            assert await back_off(
                store, "acme", step, expected_scale=1.0, actor="back-off on one, process 7"
            )

    asyncio.run(write())


def test_the_option_arrives_whole_and_goes(answer: Answer) -> None:
    answer("tenants", "create", "acme", "--backoff", "max_degenerate_rate=0.05")
    shown = answer("tenants", "show", "acme")
    assert shown["backoff"] == {"max_degenerate_rate": 0.05, **DEFAULTS}
    assert shown["backed_off"] is None
    answer(
        "tenants", "update", "acme", "--backoff", "max_degenerate_rate=0.1", "--backoff",
        "window_s=120", "--backoff", "min_answers=50", "--backoff", "factor=0.7", "--backoff",
        "floor=0.5", "--backoff", "cooldown_s=60",
    )  # fmt: skip
    assert answer("tenants", "show", "acme")["backoff"] == {
        "max_degenerate_rate": 0.1, "window_s": 120.0, "min_answers": 50, "factor": 0.7,
        "floor": 0.5, "cooldown_s": 60.0,
    }  # fmt: skip
    answer("tenants", "update", "acme", "--no-backoff")
    assert answer("tenants", "show", "acme")["backoff"] is None


@pytest.mark.parametrize(
    ("values", "code", "said"),
    [
        (("window_s=60",), "invalid_tenant", "max_degenerate_rate"),
        (("max_degenerate_rate=1.5",), "invalid_tenant", "less than 1"),
        (("max_degenerate_rate=0.1", "min_answers=2"), "invalid_tenant", "greater than or equal"),
        (("max_degenerate_rate=0.1", "min_answers=20.5"), "invalid_tenant", "min_answers"),
        (("max_degenerate_rate=0.1", "often=1"), "invalid_tenant", "backoff.often"),
        (("max_degenerate_rate=much",), "invalid_option", "a number"),
        (("0.05",), "invalid_option", "max_degenerate_rate=0.05"),
    ],
)
def test_bad_values_are_refused(
    answer: Answer, values: tuple[str, ...], code: str, said: str
) -> None:
    options = [part for value in values for part in ("--backoff", value)]
    refused = answer("tenants", "create", "acme", *options, code=3)
    assert (refused["code"], said in refused["message"]) == (code, True), refused
    assert answer("tenants", "list")["tenants"] == []


@pytest.mark.usefixtures("backed_off")
def test_what_operators_see(run: Run, answer: Answer) -> None:
    answer("tenants", "create", "globex")
    found = answer("tenants", "backoff", "list")["backoffs"]
    assert [(each["tenant"], each["scale"]) for each in found] == [("acme", 0.5)]
    shown = answer("tenants", "backoff", "show", "acme")
    assert shown == found[0]
    assert (shown["evidence"]["degenerate"], shown["evidence"]["answers"]) == (9, 40)
    assert answer("tenants", "show", "acme")["backed_off"]["scale"] == 0.5
    for command in ("backoff list", "backoff show acme"):
        said = run("tenants", *command.split()).stdout
        assert "every alpha times 0.5" in said
        assert "9 of 40 answers in 600 s were degenerate, limit 0.05" in said
        assert "2026-11-26 08:30:00" in said
    assert "backed off" in run("tenants", "show", "acme").stdout
    explained = answer("explain", "--tenant", "acme")
    assert explained["decision"]["backed_off"] == 0.5
    assert [v["alpha"] for v in explained["decision"]["applied"]] == [0.2]
    assert "back-off" in run("explain", "--tenant", "acme").stdout
    (change,) = answer("audit", "--kind", "backoff")["changes"]
    assert (change["actor"], change["subject"]) == ("back-off on one, process 7", "backoff/acme")
    assert change["after"]["degenerate"] == 9


@pytest.mark.usefixtures("backed_off")
def test_an_operator_restores_it_in_one_step(run: Run, answer: Answer) -> None:
    done = run("tenants", "update", "acme", "--no-backoff")
    assert "still backed off; `steersman tenants backoff clear acme`" in done.stderr
    assert answer("tenants", "backoff", "show", "acme")["scale"] == 0.5
    assert answer("tenants", "backoff", "clear", "acme", "--actor", "ann")["changed"]
    assert answer("tenants", "backoff", "clear", "acme")["changed"] is False
    assert answer("tenants", "backoff", "show", "acme") == {
        "tenant": "acme", "scale": 1.0, "policy": None, "evidence": None,
    }  # fmt: skip
    assert answer("explain", "--tenant", "acme")["decision"]["applied"][0]["alpha"] == 0.4
    kinds = [(c["kind"], c["actor"]) for c in answer("audit", "--kind", "backoff")["changes"]]
    assert kinds == [
        ("backoff.delete", "ann"), ("backoff.set", "back-off on one, process 7"),
    ]  # fmt: skip


def test_names_that_are_no_tenants(run: Run, answer: Answer) -> None:
    for name in ("nobody", "local"):
        for command in ("show", "clear"):
            assert answer("tenants", "backoff", command, name, code=3)["code"] == "not_found"
    assert answer("tenants", "backoff", "list")["backoffs"] == []
    assert "No tenant" in run("tenants", "backoff", "list").stdout
