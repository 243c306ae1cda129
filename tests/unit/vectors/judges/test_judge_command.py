"""`steersman judge` on a sweep's file: scores, figures, prices, agreement; what it refuses."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from steersman_vectors.errors import CallerError
from steersman_vectors.intervals import mean_interval, paired_difference, wilson
from steersman_vectors.judges.contract import Measure, Verdict
from steersman_vectors.judges.figures import figures_of
from steersman_vectors.judges.findings import finding_judge
from steersman_vectors.judges.scores import Scores, read_scores, write_scores
from steersman_vectors.judges.sweep_items import (
    items_of,
    named_dose,
    questions_of,
)
from steersman_vectors.sweep.doses import resident_dose
from steersman_vectors.sweep.grid import runs, settings
from steersman_vectors.sweep.results import read_results
from tests.unit.vectors.commands import Run

from .scripted_server import Body, serving
from .sweep_file import PROMPTS, a_grid, say, write_sweep


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return write_sweep(tmp_path / "sweep.jsonl")


def test_items_have_their_baseline_dose_and_facts(sweep: Path) -> None:
    results = read_results(sweep)
    items = items_of(results, questions_of(results.grid))
    assert [each.run for each in items] == [run.id for run in runs(results.grid)]
    for run, each in zip(runs(results.grid), items, strict=True):
        assert each.item.answer.text == say(run)
        assert each.item.baseline is not None
        assert "Sorry" not in each.item.baseline.text
        assert each.item.dose == named_dose(run.setting)
        facts = (("8", "eight"),) if run.prompt.id == "spider" else ()
        assert each.item.expected == facts
    with pytest.raises(CallerError, match="--vector"):
        resident_dose(None, {})(next(s for s in settings(results.grid) if s.steers))  # type: ignore[arg-type]


def test_an_unfinished_sweep_without_alpha_0_has_no_baselines(tmp_path: Path) -> None:
    first = runs(a_grid((0.5,)))[0].id
    path = write_sweep(
        tmp_path / "s.jsonl", a_grid((0.5,)), lambda run: say(run) if run.id == first else None
    )
    results = read_results(path)
    (only,) = items_of(results, {})
    assert only.item.baseline is None


def test_figures_are_wilsons_students_and_of_pairs() -> None:
    grid = a_grid()
    share = Measure("s", "lower", 0, 1, "share")
    points = Measure("p", "higher", 1, 5, "points of 5")
    scores = Scores("k", [share, points])
    values = {0.0: ([0, 0, 1], [1, 2, 3]), 0.5: ([1, None, 1], [3, 3, 5]), 1.0: ([1], [5])}
    for run in runs(grid):
        at = [prompt.id for prompt in PROMPTS].index(run.prompt.id)
        for name, of_alpha in zip("sp", values[run.setting.alpha], strict=True):
            if at < len(of_alpha):
                scores.verdicts.setdefault(name, {})[run.id] = Verdict(of_alpha[at])
    plain, half, full = figures_of(grid, scores)
    assert plain.setting.vector is None
    assert plain.figures["s"].interval == wilson(1, 3)
    assert plain.figures["p"].mean == 2
    low, high = mean_interval([1, 2, 3])
    assert plain.figures["p"].interval == (max(1, low), min(5, high))
    assert plain.figures["p"].change is None
    assert (half.figures["s"].prompts, half.figures["s"].silent) == (2, 1)
    assert half.figures["s"].interval == wilson(2, 2)
    assert half.figures["s"].change == pytest.approx(0.5), "of the prompts with both: 1, 1 to 0, 1"
    assert half.figures["p"].change == pytest.approx(5 / 3)
    assert half.figures["p"].change_interval == paired_difference([3, 3, 5], [1, 2, 3])
    assert full.figures["p"].interval == (1, 5), "of one prompt nothing is known"


def test_samples_of_one_prompt_are_one_value() -> None:
    grid = a_grid((0.5,), samples=4)
    scores = Scores("k", [Measure("s", "lower", 0, 1, "share")])
    scores.verdicts["s"] = {
        run.id: Verdict(float(run.sample < 2 or run.prompt.id == "other")) for run in runs(grid)
    }
    (only,) = figures_of(grid, scores)
    figure = only.figures["s"]
    assert figure.prompts == 3
    assert figure.mean == pytest.approx((0.5 + 0.5 + 1) / 3)
    low, high = mean_interval([0.5, 0.5, 1.0])
    assert figure.interval == pytest.approx((max(0, low), min(1, high)))


def test_scores_are_read_as_they_were_written(tmp_path: Path) -> None:
    scores = Scores("key", [Measure("n", "lower", 0, math.inf, "nats/token")])
    scores.verdicts["n"] = {"a": Verdict(1.5, "ünd"), "b": Verdict(None, "why")}
    file = tmp_path / "scores.jsonl"
    write_scores(scores, file)
    assert read_scores(file) == scores
    whole = file.read_text()
    for damaged in ("", "{}", "{", whole.replace("scores/1", "scores/9"), whole + '{"id": 1}\n'):
        file.write_text(damaged)
        with pytest.raises(CallerError) as refused:
            read_scores(file)
        assert refused.value.code == "scores_invalid"


def test_the_command_judges_by_text(run: Run, sweep: Path, tmp_path: Path) -> None:
    words = tmp_path / "warm.txt"
    words.write_text("sorry\n")
    out = tmp_path / "scores.jsonl"
    done = run(
        "judge", sweep, "--judge", "degenerate", "--judge", f"keywords:{words}",
        "--judge", "facts", "--judge", "instructions", "--judge", "length-ratio",
        "--out", out, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    by_alpha = {each["alpha"]: each["figures"] for each in told["settings"]}
    assert [by_alpha[a]["degenerate"]["mean"] for a in (0, 0.5, 1)] == [0, 0, 1]
    assert by_alpha[1]["degenerate"]["interval"] == list(wilson(3, 3))
    assert by_alpha[1]["keywords:warm"]["mean"] == pytest.approx(50)
    assert by_alpha[0.5]["facts"] == by_alpha[0.5]["facts"] | {"mean": 1, "prompts": 1, "silent": 2}
    assert by_alpha[1]["facts"]["mean"] == 0
    assert [by_alpha[a]["instructions"]["mean"] for a in (0, 0.5, 1)] == [1, 1, 0]
    assert by_alpha[0]["length-ratio"]["mean"] == 1
    scores = read_scores(out)
    assert len(scores.verdicts["degenerate"]) == told["answers"] == 9
    judge = finding_judge("degenerate")
    results = read_results(sweep)
    items = items_of(results, {})
    for index, verdict in judge.judge([each.item for each in items]):
        assert scores.verdicts["degenerate"][items[index].run] == verdict
    shown = run("judge", sweep, "--judge", "degenerate", "--compare", out)
    assert shown.returncode == 0, shown.stderr
    assert "degenerate (share, lower is better)" in shown.stdout
    assert "unsteered" in shown.stdout
    assert "agrees with the other scores on 100% of 9" in shown.stdout


def by_warmth(body: Body) -> str:
    warm = "Sorry" in body["messages"][-1]["content"]
    return json.dumps({"reason": "warmth", "score": 4 if warm else 1})


def test_the_command_asks_a_model_within_its_budget(
    run: Run, sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADER_KEY", "sk-secret")
    with serving(by_warmth) as served:
        common = (
            "judge", sweep, "--judge", "llm:behaviour", "--concept", "warmth", "--endpoint",
            served.url, "--model", "judge-1", "--api-key-env", "GRADER_KEY", "--cache",
            tmp_path / "cache", "--price", "1,2", "--concurrency", "1",
        )  # fmt: skip
        dry = run(*common, "--dry-run", "--json")
        assert dry.returncode == 0, dry.stderr
        assert json.loads(dry.stdout)["llm:behaviour"]["calls"] == 9
        assert "9 calls, 0 of them cached" in run(*common, "--dry-run").stdout
        assert served.asked == []
        out = tmp_path / "scores.jsonl"
        stopped = run(*common, "--max-calls", "4", "--out", out)
        assert stopped.returncode == 4
        assert "budget_spent" in stopped.stderr
        assert "--max-calls 4" in stopped.stderr
        assert "what was judged until then" in stopped.stderr
        assert len(read_scores(out).verdicts["llm:behaviour"]) == 4
        done = run(*common, "--max-cost", "1", "--json", "--out", out)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["spent"]["calls"] == 5
        assert told["spent"]["cost"] == pytest.approx(5 * (100 * 1 + 20 * 2) / 1e6)
        assert {body["messages"][0]["role"] for body in served.asked} == {"system"}
        assert set(served.keys) == {"Bearer sk-secret"}
        assert "sk-secret" not in done.stdout + done.stderr + out.read_text()
    by_alpha = {each["alpha"]: each["figures"]["llm:behaviour"] for each in told["settings"]}
    assert [by_alpha[a]["mean"] for a in (0, 0.5, 1)] == [1, 4, 1]
    assert by_alpha[0.5]["change"] == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--judge", "magic"), "--judge 'magic'"),
        (("--judge", "keywords"), "keywords:FILE"),
        (("--judge", "keywords:none.txt"), "cannot be read"),
        (("--judge", "llm:behaviour", "--concept", "x"), "--endpoint"),
        (("--judge", "llm:nothing"), "no such rubric"),
        (("--judge", "nll"), "--base"),
        (("--judge", "length", "--judge", "length"), "twice"),
        (("--judge", "length", "--model", "m"), "an endpoint for each model"),
        (("--judge", "length", "--price", "x"), "--price"),
        (("--judge", "length", "--max-cost", "1"), "--price"),
        (("--judge", "length", "--api-key-env", "NOT_SET_AT_ALL"), "not set"),
        (("--judge", "llm:coherence", "--endpoint", "http://127.0.0.1:9/v1", "--request", "["),
         "JSON object"),
        (("--judge", "facts:none.jsonl"), "cannot be read"),
    ],
)  # fmt: skip
def test_the_command_refuses(run: Run, sweep: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run("judge", sweep, *arguments)
    assert done.returncode == 3, done.stderr
    assert said in done.stderr


def test_other_files_are_no_sweep(run: Run, tmp_path: Path) -> None:
    done = run("judge", tmp_path / "none.jsonl", "--judge", "length")
    assert done.returncode == 3
    assert "results_not_found" in done.stderr


def test_scores_never_replace_the_answers(run: Run, sweep: Path) -> None:
    before = sweep.read_bytes()
    done = run("judge", sweep, "--judge", "degenerate", "--out", sweep)
    assert done.returncode == 3
    assert "path_unusable" in done.stderr
    assert sweep.read_bytes() == before
