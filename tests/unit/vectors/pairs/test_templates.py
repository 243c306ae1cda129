from __future__ import annotations

from pathlib import Path

import pytest

from steersman_vectors.asking.model_json import objects_in
from steersman_vectors.errors import CallerError
from steersman_vectors.pairs.line import parse_line
from steersman_vectors.pairs.templates import (
    FOLDER,
    SHIPPED,
    TOPICS,
    checked_concept,
    load_template,
)


def test_the_folder_holds_the_shipped_ones_and_no_other() -> None:
    assert {path.stem for path in FOLDER.glob("*")} == {*SHIPPED, TOPICS}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_template_asks_for_what_the_reader_takes(name: str) -> None:
    asked = load_template(name).ask(concept="costs $5 {x}", topic="a lost parcel", count=5)
    assert "costs $5 {x}" in asked
    assert "a lost parcel" in asked
    assert "${" not in asked
    (form,) = objects_in(asked[asked.index("Answer with") :])
    filled = {key: f"some {key}" for key in form}
    assert parse_line(str(filled).replace("'", '"').encode()).sides


def test_a_template_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.md"
    path.write_text("\ufeffWrite ${count} about ${topic} for ${concept}, at $$5")
    asked = load_template(str(path)).ask(concept="c", topic="t", count=2)
    assert asked == "Write 2 about t for c, at $5"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("${concept} ${count}", r"lacks \$\{topic\}; add it"),
        ("${concept} ${count} ${topic} ${extra}", r"unknown \$\{extra\}"),
        ("${concept} ${count} ${topic} $5", r"write \$\$ for a dollar sign"),
        ("x" * 50_000, "more than 40,000 characters"),
    ],
)
def test_templates_that_are_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "t.md").write_text(text)
    with pytest.raises(CallerError, match=says) as error:
        load_template(str(tmp_path / "t.md"))
    assert error.value.code == "template_invalid"


def test_no_template_and_no_concept(tmp_path: Path) -> None:
    for name in ("behavior", str(tmp_path), str(tmp_path / "x.md")):
        with pytest.raises(CallerError, match="give behaviour or prompts") as error:
            load_template(name)
        assert error.value.code == "template_not_found"
    for concept in ("  ", "x" * 5000):
        with pytest.raises(CallerError, match="--concept: got"):
            checked_concept(concept)
