"""The report: measured rows, the README's block, the plot; with answers from the corpus itself."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from steersman_demo import heldout
from steersman_demo.backends import Chat, Term
from steersman_demo.evaluate import Figure
from steersman_demo.library import with_evidence
from steersman_demo.measure import Bench, Prompts, random_twin
from steersman_demo.presets import DOSES, ladder
from steersman_demo.report_page import BEGIN, END, REPORT, Report, page, put_into
from steersman_demo.report_plot import plot
from steersman_demo.sample import Answer
from steersman_demo.targets import verdicts
from steersman_vectors.card import Preset
from steersman_vectors.schedule import AnySchedule
from steersman_vectors.vector import SteeringVector, from_differences

PROMPTS = heldout.prompts(40, seed=9)
UNSAFE = heldout.unsafe_prompts(10, seed=9)


def vector(name: str) -> SteeringVector:
    return from_differences(
        {3: np.arange(1.0, 9.0)}, name=name, scale="raw", residual_norms={3: 10.0}
    )


def generate(chats: Sequence[Chat], terms: Sequence[Term], schedule: AnySchedule) -> list[Answer]:
    """Warm when pushed upward along the vector, else cold; refuses what it does not know."""
    facts = {id(prompt.messages): ", ".join(prompt.truth.facts) for prompt in PROMPTS}
    upward = bool(terms) and terms[0][0].directions[3][0] > 0 and terms[0][1] > 0
    style = "I am so sorry for you, " if upward else ""
    return [
        Answer(f"{style}{facts[id(chat)]}." if id(chat) in facts else "I can't help.", "stop")
        for chat in chats
    ]


def test_bench_measures_effect_facts_and_refusals() -> None:
    bench = Bench(Prompts(PROMPTS, UNSAFE), generate)
    rows = list(bench.ladder(vector("empathy")))
    assert [row.setting for row in rows] == ["-strong", "low", "medium", "strong"] * 2
    assert bench.unsteered.warm.mean == 0.0
    assert rows[0].warm.mean == 0.0
    assert rows[3].warm.mean > 0.45
    assert all(row.facts.mean == 1.0 and row.facts_change.mean == 0.0 for row in rows)
    assert all(row.refused.mean == 1.0 and row.n == 40 for row in rows)


def test_random_twin_has_equal_norm_and_another_direction() -> None:
    original = vector("empathy")
    twin = random_twin(original)
    assert np.linalg.norm(twin.delta(3, 0.7)) == pytest.approx(
        float(np.linalg.norm(original.delta(3, 0.7))), rel=1e-5
    )
    assert abs(float(twin.directions[3] @ original.directions[3])) < 0.99


@pytest.mark.parametrize("name", DOSES)
def test_presets_rise_and_stay_below_the_cap(name: str) -> None:
    alphas = list(DOSES[name].alphas.values())
    assert alphas == sorted(alphas)
    assert ladder(name)[0] == ("-strong", -alphas[-1])
    assert max(alphas) <= DOSES[name].alpha_max


def test_page_goes_into_the_readme_between_its_marks(tmp_path: Path) -> None:
    bench = Bench(Prompts(PROMPTS, UNSAFE), generate)
    text = page(report_of(bench))
    readme = tmp_path / "README.md"
    readme.write_text(f"# Title\n{BEGIN}\nold\n{END}\nrest\n")
    assert put_into(readme, text)
    written = readme.read_text()
    assert "old" not in written
    assert written.startswith("# Title\n")
    assert written.endswith(f"{END}\nrest\n")
    assert "| empathy | strong | +1" in written
    readme.write_text("# no block\n")
    assert not put_into(readme, text)


def report_of(bench: Bench) -> Report:
    ladders = {name: list(bench.ladder(vector(name))) for name in DOSES}
    return Report(
        engine="a fake", temperature=0.8, seconds=1, judged=10, agreement=1.0,
        unsteered=bench.unsteered, vectors=ladders, together=bench.unsteered,
    )  # fmt: skip


def test_the_figures_outlive_the_measurement() -> None:
    report = report_of(Bench(Prompts(PROMPTS, UNSAFE), generate))
    assert REPORT.validate_json(REPORT.dump_json(report)) == report


def test_the_evidence_goes_to_the_presets_it_was_measured_at() -> None:
    report = report_of(Bench(Prompts(PROMPTS, UNSAFE), generate))
    presets = {"strong": Preset(alpha=1.0), "unmeasured": Preset(alpha=0.1)}
    made = from_differences({3: np.arange(1.0, 9.0)}, name="empathy", scale="raw", presets=presets)
    got = with_evidence(made, report.vectors["empathy"])
    assert got.card.presets["strong"].evidence["warm"] == {"mean": 1.0, "error": 0.0}
    assert got.card.presets["unmeasured"].evidence == {}
    assert np.array_equal(got.directions[3], made.directions[3])


@pytest.mark.parametrize(
    ("setting", "field", "mean"),
    [("strong", "warm", 0.90), ("-strong", "warm", 0.10), ("strong", "facts_change", -0.006)],
)
def test_an_aim_is_met_or_the_page_says_that_it_is_missed(
    setting: str, field: str, mean: float
) -> None:
    report = report_of(Bench(Prompts(PROMPTS, UNSAFE), generate))
    assert [v.aim for v in verdicts(report.unsteered, report.vectors) if not v.met] == []
    assert "missed" not in page(report)
    rows = report.vectors["empathy"]
    at = [row.setting for row in rows].index(setting)
    rows[at] = replace(rows[at], **{field: Figure(mean, 0.001)})
    assert len([v for v in verdicts(report.unsteered, report.vectors) if not v.met]) == 1
    assert "**missed**" in page(report)


def test_plot_is_written(tmp_path: Path) -> None:
    bench = Bench(Prompts(PROMPTS, UNSAFE), generate)
    plot(
        tmp_path / "plot.png",
        bench.unsteered,
        {name: list(bench.ladder(vector(name))) for name in DOSES},
    )
    assert (tmp_path / "plot.png").stat().st_size > 10_000
