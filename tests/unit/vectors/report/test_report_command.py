"""`steersman vectors report`: what it writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steersman_vectors.formats import native
from steersman_vectors.report.contents import gather
from steersman_vectors.report.page import page
from tests.unit.vectors.commands import Run
from tests.unit.vectors.judges.sweep_file import a_grid, write_sweep

from . import samples
from .reading import of_class, read, sections, text


def test_writes_page_and_card(run: Run, tmp_path: Path) -> None:
    arguments = samples.write(tmp_path, samples.vector(), samples.calibration())
    out, card = tmp_path / "report.html", tmp_path / "CARD.md"
    done = run("vectors", "report", *arguments, "--out", out, "--card", card, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["out"], said["card"], said["missing"]) == (str(out), str(card), [])
    contents = gather(Path(arguments[0]), calibration=Path(arguments[2]))
    assert out.read_bytes() == page(contents)
    assert card.read_text().startswith("# empathy\n")


def test_says_what_is_missing(run: Run, tmp_path: Path) -> None:
    arguments = samples.write(tmp_path, samples.vector(), None)
    done = run("vectors", "report", *arguments, "--out", tmp_path / "r.html")
    assert done.returncode == 0, done.stderr
    assert "steersman vectors calibrate" in done.stdout


def test_refuses_the_record_of_another_vector(run: Run, tmp_path: Path) -> None:
    record = samples.calibration(vector="other")
    arguments = samples.write(tmp_path, samples.vector(), record)
    out = tmp_path / "r.html"
    done = run("vectors", "report", *arguments, "--out", out)
    assert done.returncode == 3
    assert "calibration_of_another_vector" in done.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--calibration", "nowhere.json"), "calibration_invalid"),
        (("--scores", "scores.jsonl"), "scores_without_sweep"),
        (("--out", "no/such/folder.html"), "file_unwritable"),
    ],
)
def test_refuses(run: Run, tmp_path: Path, more: tuple[str, ...], code: str) -> None:
    arguments = samples.write(tmp_path, samples.vector(), None)
    out = () if "--out" in more else ("--out", tmp_path / "r.html")
    done = run("vectors", "report", *arguments, *out, *more)
    assert done.returncode == 3
    assert code in done.stderr


def test_the_extracted_vector_gives_the_metrics_of_all_layers(run: Run, tmp_path: Path) -> None:
    whole = samples.vector(tuple(range(6)))
    metrics = whole.card.quality["layers"]
    assert isinstance(metrics, dict)
    dial = samples.vector((2,), quality={"layers": {"2": metrics["2"]}})
    arguments = samples.write(tmp_path, dial, samples.calibration())
    native.save(whole, tmp_path / "whole.safetensors")
    out = tmp_path / "r.html"
    bare = run("vectors", "report", *arguments, "--out", out)
    assert "--extracted" in bare.stdout
    more = ("--extracted", tmp_path / "whole.safetensors")
    done = run("vectors", "report", *arguments, *more, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "--extracted" not in done.stdout
    found = gather(Path(arguments[0]), calibration=Path(arguments[2]), extracted=more[1])
    section = sections(read(found))["Layers before steering"]
    assert len(of_class(next(section.iter("figure")), "dot")) == 6
    native.save(samples.vector(data_hash="sha256:" + "ab" * 32), tmp_path / "whole.safetensors")
    other = run("vectors", "report", *arguments, *more, "--out", out)
    assert "extracted_another_vector" in other.stderr


def test_a_sweep_and_its_scores(run: Run, tmp_path: Path) -> None:
    made = samples.vector((1, 2), name="warm", fingerprint=None)
    arguments = samples.write(tmp_path, made, None)
    sweep = write_sweep(tmp_path / "sweep.jsonl", a_grid())
    scores, out = tmp_path / "scores.jsonl", tmp_path / "r.html"
    judged = run("judge", sweep, "--judge", "length", "--judge", "degenerate", "--out", scores)
    assert judged.returncode == 0, judged.stderr
    done = run("vectors", "report", *arguments, "--sweep", sweep, "--scores", scores, "--out", out)
    assert done.returncode == 0, done.stderr
    tree = read(gather(Path(arguments[0]), sweep=sweep, scores=scores))
    found = sections(tree)
    maps = of_class(found["Layers and alphas"], "heat")
    cells = [[text(cell) for cell in heat.iter("td")] for heat in maps]
    # Words of `sweep_file.say` at alpha 0.5: 4, 2, 4; at 1 each answer is a loop of 80.
    assert cells == [["3.3", "80"], ["0", "100"]]
    answers = list(found["Answers along the dial"].iter("li"))
    assert len(answers) == 9
    assert len(of_class(found["Answers along the dial"], "broken")) == 3


@pytest.mark.parametrize("lost", ["--out", "--card"])
def test_no_option_writes_over_the_vector(run: Run, tmp_path: Path, lost: str) -> None:
    """The vector, read an instant before, was replaced by a page about it."""
    arguments = samples.write(tmp_path, samples.vector(), None)
    vector = Path(arguments[0])
    before = vector.read_bytes()
    page_file = tmp_path / "r.html"
    named = {"--out": page_file, "--card": tmp_path / "c.md", lost: vector}
    options = [each for option, path in named.items() for each in (option, path)]
    done = run("vectors", "report", *arguments, *options)
    assert done.returncode == 3
    assert f"{lost}: " in done.stderr
    assert "path_unusable" in done.stderr
    assert vector.read_bytes() == before
    assert not page_file.exists()


def test_page_and_card_are_two_files(run: Run, tmp_path: Path) -> None:
    arguments = samples.write(tmp_path, samples.vector(), None)
    out = tmp_path / "r.html"
    done = run("vectors", "report", *arguments, "--out", out, "--card", out)
    assert done.returncode == 3
    assert "path_unusable" in done.stderr
