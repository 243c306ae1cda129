"""The Dockerfile's promises, and the reader that `make docker-check` runs it with."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.setup.dockerfile import DockerfileError, Stage, Step, stages

ROOT = Path(__file__).parents[3]
STAGES = stages((ROOT / "Dockerfile").read_text())
TARGETS = ("cpu", "cuda")


def history(name: str) -> list[Step]:
    """Returns the steps of a stage with those of the stages under it first."""
    stage: Stage = STAGES[name]
    under = history(stage.base) if stage.base in STAGES else []
    return [*under, *stage.steps]


@pytest.mark.parametrize("target", TARGETS)
class TestTarget:
    def test_it_installs_its_own_lock(self, target: str) -> None:
        runs = [step.rest for step in history(target) if step.word == "RUN"]
        assert f"setup/install.sh {target} venv" in runs
        assert f"setup/wheel.sh install {target} venv dist" in runs

    def test_it_runs_as_a_numbered_user_that_is_not_root(self, target: str) -> None:
        users = [step.rest for step in history(target) if step.word == "USER"]
        assert users[-1].isdigit()
        assert users[-1] != "0"

    def test_it_has_a_health_check_and_serves(self, target: str) -> None:
        steps = history(target)
        assert [step for step in steps if step.word == "HEALTHCHECK"]
        entrypoint = [step for step in steps if step.word == "ENTRYPOINT"][-1].arguments()
        command = [step for step in steps if step.word == "CMD"][-1].arguments()
        assert [entrypoint[-1], command[0]] == ["steersman", "serve"]


def test_what_it_copies_is_here_and_let_through_by_dockerignore() -> None:
    let_through = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    ]
    copies = [step for stage in STAGES.values() for step in stage.steps if step.word == "COPY"]
    sources = {s for step in copies if "from" not in step.flags for s in step.arguments()[:-1]}
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert [s for s in sources if not any(Path(s).is_relative_to(a) for a in let_through)] == []


def test_reader_joins_lines_and_keeps_flags() -> None:
    read = stages("FROM a AS b\n# note\nRUN --mount=type=secret,id=pip \\\n    x \\\n    y\n")
    assert read["b"] == Stage("b", "a", (Step("RUN", {"mount": "type=secret,id=pip"}, "x  y"),))


@pytest.mark.parametrize("text", ["FROM a\n", "RUN x\n", "FROM a AS b\nSHELL x\n"])
def test_reader_refuses_what_it_does_not_know(text: str) -> None:
    with pytest.raises(DockerfileError):
        stages(text)
