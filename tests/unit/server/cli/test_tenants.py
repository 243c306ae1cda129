"""`steersman tenants` and `keys` as operators type them."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer

from steersman_server.tenants.keys import hash_key
from steersman_vectors.formats import native
from steersman_vectors.registry.embedded import attach_or_start
from steersman_vectors.registry.store import RegistryStore
from tests.unit.vectors.commands import STEERSMAN, Run
from tests.unit.vectors.samples import vector

from .conftest import Answer


@pytest.mark.usefixtures("vectors")
def test_the_issues_own_words(run: Run, answer: Answer) -> None:
    done = run(
        "tenants", "create", "acme", "--allow-vector", "empathy", "--alpha-cap", "empathy=0.5"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "tenant acme created (revision 3)" in done.stdout
    made = answer("keys", "create", "--tenant", "acme")
    assert re.fullmatch(r"sk-steer_[0-9a-f]{8}_[\w-]{43}", made["key"])
    shown = answer("tenants", "show", "acme")
    assert (shown["vectors"], shown["alpha_caps"]) == (["empathy"], {"empathy": 0.5})
    assert shown["keys"] == [made["id"]]
    assert answer("flags", "set", "steering", "off", "--tenant", "acme")["changed"]
    assert answer("tenants", "show", "acme")["flags"] == {"steering": "off"}


def test_by_default_a_tenant_may_use_no_vector(answer: Answer) -> None:
    answer("tenants", "create", "acme")
    shown = answer("tenants", "show", "acme")
    assert (shown["vectors"], shown["default"], shown["on_unavailable"]) == ([], None, "fail")


@pytest.mark.usefixtures("vectors")
def test_every_option_of_create_arrives(answer: Answer, tmp_path: Path) -> None:
    default = {"vectors": {"empathy": "low"}, "scope": "assistant"}
    (tmp_path / "default.json").write_text(json.dumps(default))
    answer(
        "tenants", "create", "acme", "--allow-vector", "empathy", "--allow-vector", "concise",
        "--alpha-cap", "empathy=0.5", "--alpha-cap", "concise=2", "--dose-cap", "1.5",
        "--default", f"@{tmp_path / 'default.json'}", "--on-unavailable", "base",
        "--requests-per-minute", "600", "--max-concurrent", "8", "--label", "tier=gold",
        "--label", "region=eu=west",
    )  # fmt: skip
    shown = answer("tenants", "show", "acme")
    assert shown["vectors"] == ["empathy", "concise"]
    assert shown["alpha_caps"] == {"empathy": 0.5, "concise": 2.0}
    assert (shown["dose_cap"], shown["on_unavailable"]) == (1.5, "base")
    assert (shown["requests_per_minute"], shown["max_concurrent"]) == (600, 8)
    assert shown["labels"] == {"tier": "gold", "region": "eu=west"}
    assert shown["default"]["vectors"] == {"empathy": "low"}


@pytest.mark.usefixtures("vectors")
def test_update_changes_what_is_named_and_replaces_whole_lists(answer: Answer) -> None:
    answer(
        "tenants", "create", "acme", "--allow-vector", "empathy", "--dose-cap", "1",
        "--label", "a=b", "--default", '{"vectors": {"empathy": 0.2}}',
    )  # fmt: skip
    answer("tenants", "update", "acme", "--allow-vector", "empathy", "--allow-vector", "concise")
    shown = answer("tenants", "show", "acme")
    assert (shown["vectors"], shown["dose_cap"]) == (["empathy", "concise"], 1.0)
    assert shown["labels"] == {"a": "b"}
    answer("tenants", "update", "acme", "--no-dose-cap", "--no-label", "--max-concurrent", "3")
    shown = answer("tenants", "show", "acme")
    assert (shown["dose_cap"], shown["labels"], shown["max_concurrent"]) == (None, {}, 3)
    refused = answer("tenants", "update", "acme", "--no-allow-vector", code=3)
    assert "default steering cannot be applied" in refused["message"]
    answer("tenants", "update", "acme", "--no-allow-vector", "--no-default")
    assert answer("tenants", "show", "acme")["vectors"] == []
    again = answer("tenants", "update", "acme", "--no-allow-vector")
    assert (again["changed"], again["revision"]) == (False, None)


BAD = [
    (("--alpha-cap", "empathy"), "invalid_option", "empathy=0.5"),
    (("--alpha-cap", "empathy=much"), "invalid_option", "a number"),
    (("--alpha-cap", "empathy=-1"), "invalid_tenant", "greater than 0"),
    (("--alpha-cap", "empathy=nan"), "invalid_tenant", "finite"),
    (("--alpha-cap", "a=1", "--alpha-cap", "a=2"), "invalid_option", "twice"),
    (("--allow-vector", "Bad Name"), "invalid_name", "a-z"),
    (("--allow-vector", ""), "invalid_name", "--allow-vector"),
    (("--dose-cap", "0"), "invalid_tenant", "dose_cap"),
    (("--default", "{"), "invalid_option", "not readable as JSON"),
    (("--default", "[" * 100_000), "invalid_option", "nested too deep"),
    (("--default", "@nowhere.json"), "file_unreadable", "nowhere.json"),
    (("--default", "{}"), "invalid_tenant", "vectors"),
    (("--default", '{"vectors": {"empathy": "low"}}'), "invalid_tenant", "may not use"),
    (("--requests-per-minute", "0"), "invalid_tenant", "requests_per_minute"),
    (("--max-concurrent", "0"), "invalid_tenant", "max_concurrent"),
    (("--label", "tier"), "invalid_option", "tier=gold"),
    (("--label", "a b=1"), "invalid_name", "--label"),
]


@pytest.mark.parametrize(("options", "code", "said"), BAD, ids=lambda v: str(v)[:40])
def test_bad_values_are_refused_in_a_line(
    run: Run, answer: Answer, options: tuple[str, ...], code: str, said: str
) -> None:
    refused = answer("tenants", "create", "acme", *options, code=3)
    assert refused["code"] == code
    assert said in refused["message"]
    done = run("tenants", "create", "acme", *options)
    assert done.stderr.count("\n") == 1
    assert len(done.stderr) < 500
    assert answer("tenants", "list")["tenants"] == []


def test_wrong_usage_ends_with_2(run: Run) -> None:
    assert run("tenants", "create", "acme", "--on-unavailable", "maybe").returncode == 2
    assert run("tenants", "create").returncode == 2
    assert run("keys", "create", "--role", "king").returncode == 2


def test_names_that_exist_or_do_not(answer: Answer) -> None:
    answer("tenants", "create", "acme")
    assert answer("tenants", "create", "acme", code=3)["code"] == "already_exists"
    assert answer("tenants", "create", "local", code=3)["code"] == "invalid_name"
    of_metrics = answer("tenants", "create", "other", code=3)
    assert (of_metrics["code"], "metrics" in of_metrics["message"]) == ("invalid_name", True)
    assert answer("tenants", "create", "Acme Inc", code=3)["code"] == "invalid_name"
    for command in (("show",), ("update", "--dose-cap", "1"), ("delete", "--yes")):
        refused = answer("tenants", command[0], "nobody", *command[1:], code=3)
        assert (refused["code"], "acme" in refused["message"]) == ("not_found", True)
    assert answer("keys", "create", "--tenant", "nobody", code=3)["code"] == "not_found"
    assert answer("keys", "create", "--tenant", "Acme", code=3)["code"] == "invalid_name"
    assert answer("keys", "list", "--tenant", "nobody", code=3)["code"] == "not_found"
    assert answer("tenants", "update", "acme", code=3)["code"] == "invalid_option"
    both = answer("tenants", "update", "acme", "--label", "a=b", "--no-label", code=3)
    assert "contradict" in both["message"]


def test_a_vector_that_is_not_there_yet_is_a_warning(run: Run) -> None:
    done = run("tenants", "create", "acme", "--allow-vector", "empathy")
    assert done.returncode == 0
    assert done.stderr == "warning: no vector 'empathy' is registered yet\n"
    assert "empathy" in run("tenants", "list").stdout


def test_the_key_is_alone_on_stdout_and_nowhere_else(
    run: Run, run_process: Run, fresh_dir: Path
) -> None:
    run_process("tenants", "create", "acme")
    done = run_process(
        "keys", "create", "--tenant", "acme", "--label", "staging", "--expires", "30d"
    )
    secret = done.stdout.strip()
    assert done.stdout == secret + "\n"
    assert "shown this once" in done.stderr
    assert secret not in done.stderr
    said = [
        run(*command.split()).stdout
        for command in (
            "keys list", "keys list --json", "tenants show acme", "vectors log",
            "vectors log --json", "audit", "audit --json",
        )
    ]  # fmt: skip
    digest = hash_key(secret)
    assert not any(secret in text or digest in text or "sha256" in text for text in said)
    assert "staging" in said[0]
    found = json.loads(said[1])["keys"][0]
    assert secret.startswith(found["prefix"])
    assert "sha256" not in found
    left = datetime.fromisoformat(found["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left < timedelta(days=30)


def test_keys_of_operators_expire_and_are_revoked(run: Run, answer: Answer) -> None:
    made = answer("keys", "create", "--role", "operator", "--expires", "2127-01-01")
    assert made["key"].startswith("sk-steer-admin_")
    assert made["expires_at"] == "2127-01-01T00:00:00Z"
    assert answer("keys", "revoke", made["id"])["changed"]
    assert not answer("keys", "revoke", made["key"])["changed"]
    (listed,) = answer("keys", "list")["keys"]
    assert (listed["state"], listed["role"]) == ("revoked", "operator")
    assert answer("keys", "revoke", "nobody", code=3)["code"] == "not_found"
    assert answer("keys", "create", code=3)["code"] == "invalid_key"
    for when in ("tomorrow", "2020-01-01", "999999w", "0d"):
        refused = answer("keys", "create", "--role", "viewer", "--expires", when, code=3)
        assert refused["code"] in ("invalid_option", "invalid_key")


@pytest.mark.usefixtures("vectors")
def test_delete_takes_keys_policy_and_overrides_along_at_once(
    run: Run, answer: Answer, tmp_path: Path
) -> None:
    for name in ("acme", "globex"):
        answer("tenants", "create", name, "--allow-vector", "empathy")
        answer("keys", "create", "--tenant", name)
        answer("flags", "set", "steering-override", "on", "--tenant", name)
    answer("keys", "create", "--tenant", "acme")
    before = answer("flags", "set", "vector.empathy", "off", "--tenant", "acme")["revision"]
    done = run("tenants", "delete", "acme", "--yes")
    assert "tenant acme deleted with 2 keys, 0 rules and 2 overrides of flags" in done.stdout
    assert [t["name"] for t in answer("tenants", "list")["tenants"]] == ["globex"]
    assert [k["tenant"] for k in answer("keys", "list")["keys"]] == ["globex"]
    flags = {f["key"]: f["overrides"] for f in answer("flags", "list")["flags"]}
    assert flags["steering-override"] == {"globex": "on"}
    assert flags["vector.empathy"] == {}
    log = answer("vectors", "log", "--limit", "5")["log"]
    kinds = {entry["kind"] for entry in log}
    assert kinds == {"tenant.delete", "key.delete", "flag.set"}
    assert [entry["revision"] for entry in log] == [before + k for k in (5, 4, 3, 2, 1)]


def test_delete_asks_first(run: Run, answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    answer("tenants", "create", "acme")
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    refused = answer("tenants", "delete", "acme", code=3)
    assert refused["code"] == "confirmation_needed"
    assert "--yes" in refused["message"]
    asked: list[str] = []
    says = iter([False, True])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "confirm", lambda text, **_: asked.append(text) or next(says))
    assert answer("tenants", "delete", "acme", code=3)["code"] == "not_confirmed"
    assert answer("tenants", "list")["tenants"]
    assert run("tenants", "delete", "acme").returncode == 0
    assert answer("tenants", "list")["tenants"] == []
    assert asked == ["Delete tenant acme with 0 keys, 0 rules and 0 overrides of flags?"] * 2


def test_two_writers_both_succeed(data_dir: Path, answer: Answer) -> None:
    from steersman_server.control.flags import set_flag
    from steersman_server.control.tenants import create_tenant

    async def together(url: str) -> None:
        async with RegistryStore(url) as one, RegistryStore(url) as other:
            names = [f"t{k}" for k in range(8)]
            for names_of in (names[:4], names[4:]):
                await asyncio.gather(
                    *(
                        create_tenant(store, name, {}, actor="test")
                        for name, store in zip(names_of, (one, other, one, other), strict=True)
                    )
                )
            await asyncio.gather(
                *(set_flag(one, "steering", "off", tenant=name, actor="test") for name in names)
            )

    with attach_or_start(data_dir) as registry:
        asyncio.run(together(registry.url))
    assert len(answer("tenants", "list")["tenants"]) == 8
    assert len(answer("flags", "show", "steering")["overrides"]) == 8


def test_two_processes_at_once_without_a_server(fresh_dir: Path, answer: Answer) -> None:
    def start(name: str) -> subprocess.Popen[str]:
        command = [*STEERSMAN, "tenants", "create", name, "--json"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    started = [start(name) for name in ("acme", "globex", "acme")]
    ended = [process.communicate(timeout=120)[1] for process in started]
    assert sorted(process.returncode for process in started) == [0, 0, 3], ended
    assert sum("already_exists" in said for said in ended) == 1
    assert [t["name"] for t in answer("tenants", "list")["tenants"]] == ["acme", "globex"]


def test_a_registry_that_is_new_is_told(run: Run, fresh_dir: Path) -> None:
    done = run("flags", "set", "steering", "off")
    assert done.returncode == 0
    assert f"there was no registry in {fresh_dir}, so a new one was made" in done.stderr
    assert run("flags", "set", "steering", "on").stderr == ""


def test_the_first_import_tells_no_new_registry(
    run: Run, fresh_dir: Path, model_dir: Path, tmp_path: Path
) -> None:
    native.save(vector(0), tmp_path / "v.safetensors")
    done = run("vectors", "import", tmp_path / "v.safetensors", "--name", "v", "--model", model_dir)
    assert (done.returncode, "no registry" in done.stderr) == (0, False)
    assert fresh_dir.exists()


@pytest.mark.usefixtures("vectors")
def test_rollouts_that_still_name_a_deleted_tenant_are_told(run: Run, answer: Answer) -> None:
    answer("tenants", "create", "globex")
    answer("tenants", "create", "acme")
    answer("flags", "rollout", "steering", "on=10", "off=90", "--tenant", "acme")
    done = run("tenants", "delete", "acme", "--yes")
    assert done.stderr == "warning: flag 'steering' may name tenant 'acme' in its targeting\n"
    answer("tenants", "create", "acme")
    answer("flags", "rollout", "steering", "on=10", "off=90")
    assert run("tenants", "delete", "acme", "--yes").stderr == ""


def test_that_no_key_is_needed_without_the_last_tenant_is_told(run: Run, answer: Answer) -> None:
    for name in ("acme", "globex"):
        answer("tenants", "create", name)
        answer("keys", "create", "--tenant", name)
    assert run("tenants", "delete", "globex", "--yes").stderr == ""
    (warning,) = answer("tenants", "delete", "acme", "--yes")["warnings"]
    assert "serves whoever asks on its machine now" in warning
    answer("keys", "create", "--role", "viewer")
    answer("tenants", "create", "acme")
    assert answer("tenants", "delete", "acme", "--yes")["warnings"] == []


def test_before_there_is_a_registry_nothing_is_created(run: Run, fresh_dir: Path) -> None:
    for command in (
        "tenants list",
        "keys list",
        "flags list",
        "flags export",
        "tenants list --json",
    ):
        assert run(*command.split()).returncode == 0
    assert not fresh_dir.exists()
