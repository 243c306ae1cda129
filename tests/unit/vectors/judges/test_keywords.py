"""Keyword density against every phrase at every place; lists; lengths; findings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError
from steersman_vectors.judges.findings import FINDINGS, finding_judge
from steersman_vectors.judges.keywords import Counter, hits_reference, keyword_judge
from steersman_vectors.judges.length import length_judge, length_ratio_judge
from steersman_vectors.judges.word_list import parse_word_list, read_word_list

from .answers import item, judged

LIST = """
# warmth
sorry
apolog*        # stems
*friend*
*ful
thank you
glad * help
-unhelpful
-thank you for nothing
"""
WORD = st.text("ab", min_size=1, max_size=3)
STARRED = st.builds(
    lambda start, core, end: f"{start}{core}{end}", st.sampled_from(["", "*"]), WORD,
    st.sampled_from(["", "*"]),
)  # fmt: skip
PHRASE = st.lists(STARRED, min_size=1, max_size=3).map(" ".join)


@given(
    st.lists(PHRASE, min_size=1, max_size=5),
    st.lists(PHRASE, max_size=3),
    st.lists(WORD, max_size=25),
)
def test_hits_are_those_of_every_phrase_at_every_place(
    wanted: list[str], exempt: list[str], text: list[str]
) -> None:
    words = parse_word_list("\n".join([*wanted, *(f"-{each}" for each in exempt)]))
    assert Counter(words)(text) == hits_reference(words, text)


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("Sorry!", 1),
        ("I apologise, my FRIENDS: unfriendly.", 3),
        ("helpful, not unhelpful", 1),
        ("thank\nyou", 1),
        ("thank you for nothing", 0),
        ("glad to help", 1),
        ("glad to be of help", 0),
        ("tank you", 0),
    ],
)
def test_lists_with_stars_phrases_and_exceptions(text: str, hits: int) -> None:
    (verdict,) = judged(keyword_judge(parse_word_list(LIST), "warmth"), item(text))
    words = len(text.split())
    assert verdict.value == pytest.approx(100 * hits / words)
    assert verdict.why == f"{hits} of {words} words"


def test_lists_that_are_none_are_refused_by_line(tmp_path: Path) -> None:
    for text, said in [
        ("", "no words"), ("# only\n-this", "no words that count"), ("fine\na*b", "line 2"),
        ("*", "stars only"), ("(a|b)+", "no word"), ("a b c d e f g h i", "9 words"),
    ]:  # fmt: skip
        with pytest.raises(CallerError, match=said) as refused:
            parse_word_list(text)
        assert refused.value.code == "word_list_invalid"
    with pytest.raises(CallerError, match="cannot be read"):
        read_word_list(tmp_path / "none.txt")
    (tmp_path / "list.txt").write_text("\ufeffsorry\n")
    assert read_word_list(tmp_path / "list.txt").wanted[0][0].core == "sorry"


def test_an_answer_without_words_has_no_density() -> None:
    (verdict,) = judged(keyword_judge(parse_word_list("a"), "a"), item(" ... "))
    assert verdict.value is None
    assert "no words" in verdict.why


def test_lengths() -> None:
    items = item("one two", baseline="one two three four"), item("one"), item("a", baseline="")
    assert [each.value for each in judged(length_judge(), *items)] == [2, 1, 1]
    assert [each.value for each in judged(length_ratio_judge(), *items)] == [0.5, None, None]


def test_findings_are_those_of_the_live_detectors() -> None:
    loop = "I am here. " * 40
    refusal = "I'm sorry, but I can't help with that."
    german = (
        "Das ist nicht der richtige Weg und wir haben das auch nicht mit dem Kunden besprochen, "
        "aber ich kann es noch einmal für sie prüfen."
    )
    asked = "Where is the order that I made with you in the shop?"
    items = (
        item(loop, asked), item(refusal, asked), item(german, asked), item("", asked),
        item("It is on its", asked, finish_reason="length"), item("It is on its way.", asked),
    )  # fmt: skip
    found = {name: [v.value for v in judged(finding_judge(name), *items)] for name in FINDINGS}
    assert found["degenerate"] == [1, 0, 1, 1, 0, 0]
    assert found["repetition"] == [1, 0, 0, 0, 0, 0]
    assert found["refusal"] == [0, 1, 0, 0, 0, 0]
    assert found["language-switch"] == [0, 0, 1, 0, 0, 0]
    assert found["truncated"] == [0, 0, 0, 0, 1, 0]
    assert found["empty"] == [0, 0, 0, 1, 0, 0]
    (verdict,) = judged(finding_judge("degenerate"), items[0])
    assert "repetition" in verdict.why
    assert finding_judge("refusal").measure.better == "neither"
