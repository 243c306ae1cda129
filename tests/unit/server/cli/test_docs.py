"""Every command of the pages on tenants, policies, audit and back-off is run, in their order."""

from __future__ import annotations

import io
import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from steersman_server.admission.limits import Limits
from steersman_server.control.audit import KINDS
from steersman_server.tenants.backoff import BackoffPolicy
from steersman_server.tenants.keys import ROLES
from steersman_server.tenants.tenant import Tenant
from tests.unit.vectors.commands import Run

from .conftest import Answer

DOCS = Path(__file__).parents[4] / "docs"
PAGES = ("tenants.md", "policies.md", "audit.md", "backoff.md")
FILE = re.compile(r"^`([a-z]+\.json)`:\n\n```json\n(.*?)^```", re.M | re.S)
COMMANDS = re.compile(r"^```sh\n(.*?)^```", re.M | re.S)


def command_of(line: str) -> list[str]:
    """Returns the words after `steersman`, of `KEY=$(steersman ...)` and `steersman ... > FILE`."""
    inner = re.search(r"steersman ([^)>]*)", line)
    assert inner is not None, line
    return shlex.split(inner[1])


@pytest.mark.usefixtures("vectors")
@pytest.mark.parametrize("page", PAGES)
def test_every_example_runs(
    run: Run, data_dir: Path, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (DOCS / page).read_text()
    monkeypatch.chdir(tmp_path)
    for name, content in FILE.findall(text):
        (tmp_path / name).write_text(content)
    lines = [line for block in COMMANDS.findall(text) for line in block.splitlines()]
    assert len(lines) >= 6
    for line in lines:
        done = run(*command_of(line))
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        warnings = [each for each in done.stderr.splitlines() if "--intents" not in each]
        assert "warning" not in "".join(warnings) or "kill-switch" in line, done.stderr
        if "--json" in line and "--json-lines" not in line:
            json.loads(done.stdout)
    (data_dir / "kill-switch").unlink(missing_ok=True)


def test_flags_page_says_what_variants_mean(run: Run, answer: Answer, vectors: object) -> None:
    """An object variant is the whole steering, a number an alpha; `{}` is none."""
    page = (DOCS / "flags.md").read_text()
    whole = re.search(r'`(\{"vectors": \{"empathy": 0\.3, .*?\}\})` \(scope', page)
    assert whole is not None
    low = {**json.loads(whole[1]), "vectors": {"empathy": 0.3, "concise": 0.1}}
    flag = {"state": "ENABLED", "variants": {"a": low, "b": {}}, "defaultVariant": "a"}
    number = json.loads(re.search(r'^    (\{"flags".*?\}\}\}\})$', page, re.M | re.S)[1])  # type: ignore[index]
    file = json.dumps({"flags": {"tone": flag, **number["flags"]}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.encode())))
        answer("flags", "define", "-")
    answer("tenants", "create", "acme", "--allow-vector", "*", "--default", '{"flag": "tone"}')
    decision = answer("explain", "--tenant", "acme")["decision"]
    assert [(v["vector"], v["alpha"]) for v in decision["applied"]] == [
        ("empathy", 0.3),
        ("concise", 0.1),
    ]
    answer("flags", "set", "tone", "b")
    assert answer("explain", "--tenant", "acme")["decision"]["applied"] == []
    default = '{"vectors": {"empathy": {"flag": "empathy-dose"}}}'
    answer("tenants", "update", "acme", "--default", default)
    answer("flags", "set", "empathy-dose", "mild", "--tenant", "acme")
    applied = answer("explain", "--tenant", "acme")["decision"]["applied"]
    assert [v["alpha"] for v in applied] == [0.3]


def test_the_pages_name_what_there_is() -> None:
    tenants = (DOCS / "tenants.md").read_text()
    assert tuple(re.findall(r"^\| `(viewer|operator|admin)` \|", tenants, re.M)) == ROLES
    options = re.findall(r"^\| `--([a-z-]+)", tenants, re.M)
    fields = {"allow-vector": "vectors", "alpha-cap": "alpha_caps", "label": "labels"}
    assert {fields.get(o, o.replace("-", "_")) for o in options} == set(Tenant.model_fields)
    kinds = re.search(r"`--kind` is (.*?), or exactly", (DOCS / "audit.md").read_text(), re.S)
    assert kinds is not None
    assert set(re.findall(r"`([a-z]+)`", kinds[1])) == set(KINDS)


def test_the_page_of_back_offs_names_its_options_and_their_defaults() -> None:
    rows = re.findall(
        r"^\| `([a-z_]+)` \| (needed|[\d.]+) \|", (DOCS / "backoff.md").read_text(), re.M
    )
    policy = BackoffPolicy(max_degenerate_rate=0.05).model_dump()
    assert {name: "needed" if name == "max_degenerate_rate" else f"{value:g}"
            for name, value in policy.items()} == dict(rows)  # fmt: skip


def test_each_process_has_its_share() -> None:
    """docs/tenants.md: the limit divided by the processes, at least 1."""
    from steersman_server.admission.inbound import Caller
    from steersman_server.admission.refusals import TooManyRequestsError

    for limit, processes, share in ((8, 2, 4), (1, 4, 1)):
        limits, caller = Limits(processes), Caller("acme", Tenant(max_concurrent=limit))
        for _ in range(share):
            limits.running(caller)
        with pytest.raises(TooManyRequestsError):
            limits.running(caller)
