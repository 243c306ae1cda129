"""Rules by phrases: what holds, what is refused, and that no text makes them slow."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_server.intent.config import Rule, RulesConfig
from steersman_server.intent.rules import RulesClassifier, plain
from steersman_server.intent.user_turn import UserTurn


def classifier(*rules: dict, **more: object) -> RulesClassifier:
    return RulesClassifier(
        RulesConfig(kind="rules", rules=tuple(Rule(**rule) for rule in rules), **more)
    )


RULES = classifier(
    {"label": "safety", "any": ["kill myself", "suicid*"]},
    {"label": "billing", "any": ["charge* twice", "refund*"], "none": ["parcel"], "score": 0.8},
    {"label": "delivery", "all": ["parcel", "where"]},
    {"label": "technical", "any": ["don't work", "C++"]},
)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I want to KILL, myself!", "safety"),
        ("suicidal", "safety"),
        ("skill myself", None),
        ("you charged twice", "billing"),
        ("you charged me twice", None),
        ("Refunding?", "billing"),
        ("refund my parcel", None),
        ("where is the parcel", "delivery"),
        ("parcel", None),
        ("they don’t work", "technical"),
        ("I write C in winter", "technical"),
        ("", None),
    ],
)
def test_the_first_rule_that_holds(text: str, label: str | None) -> None:
    assert RULES.judge(UserTurn(text)).label == label


def test_scores_labels_and_safety() -> None:
    intent = RULES.judge(UserTurn("refund"))
    assert (intent.score, intent.best, intent.source) == (0.8, "billing", "rules")
    assert RULES.judge(UserTurn("x", ("refund",))).best is None
    assert RULES.labels == ("safety", "billing", "delivery", "technical")
    assert RULES.safety_labels == {"safety"}
    assert classifier({"label": "a", "any": ["b"]}).safety_labels == frozenset()


@pytest.mark.parametrize("phrase", ["a*b", "*", "*a", "!?", "a ... b", " "])
def test_refuses_phrases_that_never_hold(phrase: str) -> None:
    with pytest.raises(ValueError, match="phrase"):
        classifier({"label": "a", "any": [phrase]})


def test_a_rule_says_what_to_look_for() -> None:
    with pytest.raises(ValueError, match="'any' or 'all'"):
        Rule(label="a", none=("b",))


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=4))
def test_a_phrase_is_found_in_itself(parts: list[str]) -> None:
    phrase = " ".join(parts)
    if (
        "*" in phrase
        or any(not plain(word).strip() for word in phrase.split())
        or not phrase.split()
    ):
        return
    assert classifier({"label": "a", "any": [phrase]}).judge(UserTurn(f"so {phrase}!")).label == "a"


def test_no_text_makes_it_slow() -> None:
    """A regular expression with as many stars would not come back: 4,000 characters to the 8th."""
    stars = " ".join(["a*"] * 8) + " b"
    rules = classifier({"label": "a", "any": [stars, "aa* " * 20 + "b"]})
    started = time.monotonic()
    for text in ("a" * 4001, "a " * 2000, "aa " * 1333, "a" * 2000 + " b" * 1000):
        rules.judge(UserTurn(text))
    assert time.monotonic() - started < 5
