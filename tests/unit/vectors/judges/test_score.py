"""The score in a reply, as models write them; rubrics."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError
from steersman_vectors.judges.rubric import SHIPPED, load_rubric, parse_rubric
from steersman_vectors.judges.score import score_in

FOUND = [
    ('{"score": 4}', 4),
    ('{"score": "4"}', 4),
    ('{"score": "4 out of 5"}', 4),
    ('{"score": 4.5, "reason": "x"}', 4.5),
    ('Sure!\n```json\n{\n  "reason": "a {brace}",\n  "score": 2\n}\n```\nHope this helps.', 2),
    ('First I thought {"score": 1}. No:\n{"score": 3}', 3),
    ('{"reason": "it says {\\"score\\": 5}", "score": 2}', 2),
    ('<think>{"score": 5}</think>\n{"score": 1}', 1),
    ("Warm throughout.\n4", 4),
    ("Warm throughout.\n\n**Score: 4/5**\n", 4),
    ("My final score is 3.", 3),
    ("Rating = 2 out of 5", 2),
    ("score: [4]", 4),
    ("The answer is 4", 4),
    ("### 5 points", 5),
]
NOT_FOUND = [
    "", "  \n", "<think>score: 4</think>",
    '<think>perhaps {"score": 4}', "Four.", "3-4", "3 or 4", "I give it 4 for its tone",
    "Score: 6", "Score: 0", "-3", '{"score": 7}', '{"score": null}', '{"score": true}',
    '{"score": "high"}', '{"score": [4]}', '{"score": 1e999}', '{"score": NaN}', "4\nThanks!",
    '{"rating": 4}', "Score:", "Score: 4 or 5", "4.4.4",
]  # fmt: skip


@pytest.mark.parametrize(("reply", "score"), FOUND)
def test_a_score_is_found(reply: str, score: float) -> None:
    assert score_in(reply, 1, 5).value == score


@pytest.mark.parametrize("reply", NOT_FOUND)
def test_no_score_is_invented(reply: str) -> None:
    found = score_in(reply, 1, 5)
    assert found.value is None
    assert found.why


@given(st.text(max_size=300), st.integers(1, 5), st.text(max_size=50))
def test_json_at_the_end_is_found_after_any_text(text: str, score: int, reason: str) -> None:
    # A brace or quote that is left open before it may swallow it: models close what they open.
    text = text.replace("{", "(").replace("</think>", "")
    found = score_in(f"{text}\n{json.dumps({'reason': reason, 'score': score})}", 1, 5)
    assert found.value == score


@given(st.text(max_size=300))
def test_any_reply_is_a_score_on_the_scale_or_none(text: str) -> None:
    found = score_in(text, 1, 5)
    assert found.value is None or 1 <= found.value <= 5


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_rubrics_are_whole(name: str) -> None:
    rubric = load_rubric(name)
    assert (rubric.name, rubric.low, rubric.high, rubric.better) == (name, 1, 5, "higher")
    assert "answer" in rubric.needs
    assert ("concept" in rubric.needs) == (name == "behaviour")
    assert ("baseline" in rubric.needs) == (name == "preservation") == (rubric.orders == "both")
    for score in range(1, 6):
        assert f"\n{score}: " in rubric.user, "every point of the scale says what it means"


GOOD = "---\nname: x\nscale: 0 to 1\n---\n# System\nS\n# User\n{answer}\n"


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("---\nname", "name", "head"), ("# System\n", "", "# System"), ("name: x\n", "", "no name"),
        ("scale: 0 to 1\n", "", "no scale"), ("0 to 1", "1 to 0", "low to high"),
        ("0 to 1", "many", "low to high"), ("name: x", "nome: x", "nome"),
        ("name: x", "name: x\nvote: all", "median"), ("name: x", "name: x\nbetter: yes", "higher"),
        ("{answer}", "{anser}", "unknown"), ("{answer}", "nothing", "no {answer}"),
        ("{answer}", "{answer} {answer}", "twice"), ("S\n", "{answer}\n", "in # System"),
        ("name: x", "name: x\norders: both", "baseline"), ("name: x", "name: a b", "rubric name"),
    ],
)  # fmt: skip
def test_a_bad_rubric_is_refused(was: str, becomes: str, said: str, tmp_path: Path) -> None:
    assert parse_rubric(GOOD, "good").vote == "median"
    file = tmp_path / "mine.md"
    file.write_text(GOOD.replace(was, becomes, 1))
    with pytest.raises(CallerError) as refused:
        load_rubric(str(file))
    assert said in refused.value.message


def test_a_rubric_of_ones_own_is_read_and_another_wording_is_another(tmp_path: Path) -> None:
    file = tmp_path / "mine.md"
    file.write_text(GOOD)
    one = load_rubric(str(file))
    file.write_text(GOOD.replace("\n", "\r\n"))
    assert load_rubric(str(file)) == one, "line ends are no wording"
    file.write_text(GOOD.replace("S\n", "T\n"))
    assert load_rubric(str(file)).digest != one.digest
    for missing in ("none", str(tmp_path / "none.md")):
        with pytest.raises(CallerError) as refused:
            load_rubric(missing)
        assert refused.value.code == "rubric_invalid"
