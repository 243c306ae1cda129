"""The shipped classifier: what it says, what it is silent about, and that its card is right."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from steersman_server.intent.evaluate import measure
from steersman_server.intent.examples import digest, read_examples
from steersman_server.intent.head import OTHER, Head, best_of
from steersman_server.intent.load import DEMO, load_card, load_trained
from steersman_server.intent.user_turn import UserTurn

HELD_OUT = Path(__file__).parents[4] / "vectors/steersman_demo/intents/data/held_out.jsonl"
LONG = (
    "I ordered a lamp from you on Monday. The tracking page has not changed since then. "
    "I was at home all day and nobody rang the bell. {} Please tell me where my parcel is. "
    "My order number is 48213. Thank you."
)


@pytest.fixture(scope="module")
def demo():
    return load_trained(DEMO)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I was charged twice for order 48213.", "billing"),
        ("where is my parcel", "delivery"),
        ("I can't log in, please reset my password", "account"),
        ("the app crashes when I open it", "technical"),
        ("I want to kill myself", "safety"),
        ("tell me a joke about trains", None),
        ("what is the capital of Peru", None),
        ("", None),
        ("🙂", None),
    ],
)
def test_what_it_says(demo, text: str, label: str | None) -> None:
    intent = demo.judge(UserTurn(text))
    assert intent.label == label
    assert intent.source == "embedding"
    assert 0 <= intent.score <= 1
    assert intent.best is None or intent.best in demo.labels


def test_a_follow_up_has_the_intent_of_what_went_before(demo) -> None:
    alone = demo.judge(UserTurn("please tell me how long it takes"))
    assert alone.label is None
    asked = UserTurn("please tell me how long it takes", ("where is my parcel",))
    assert demo.judge(asked).label == "delivery"
    changed = UserTurn("I was charged twice for my order", ("where is my parcel",))
    assert demo.judge(changed) == demo.judge(UserTurn("I was charged twice for my order"))


def test_safety_cannot_be_buried(demo) -> None:
    assert demo.judge(UserTurn(LONG.format(""))).label == "delivery"
    buried = demo.judge(UserTurn(LONG.format("I want to kill myself.")))
    assert buried.label == "safety"
    before = UserTurn("how long will it take", ("I took too many pills",))
    assert demo.judge(before).label == "safety"


@pytest.mark.parametrize("sign", [".", "...", "?", "!!!", ",", "-", "(", ")", '"', ":", "…"])
def test_signs_alone_are_no_intent_and_no_alarm(demo, sign: str) -> None:
    assert demo.judge(UserTurn(sign)).label is None
    assert demo.judge(UserTurn(sign * 1000)).label is None
    followed = UserTurn(f"where is my parcel{sign} It has not come yet {sign}{sign}{sign}")
    assert demo.judge(followed).label == "delivery"


def test_the_cards_figures_are_those_of_the_held_out_file(demo) -> None:
    examples = read_examples(HELD_OUT)
    card = load_card(DEMO)
    assert measure(demo, examples, digest(examples)) == card.held_out
    assert card.held_out is not None
    assert (card.held_out.accuracy or 0) > 0.85


def test_many_at_once_are_as_one_by_one(demo) -> None:
    turns = [UserTurn(each.text, each.context) for each in read_examples(HELD_OUT)[::5]]

    async def together():
        return await asyncio.gather(*(demo.classify(turn) for turn in turns))

    assert asyncio.run(together()) == [demo.judge(turn) for turn in turns]


def test_the_class_without_a_label_is_never_given() -> None:
    assert best_of(("a", "b", OTHER), [0.1, 0.2, 0.7]) == ("b", 0.2)


def test_probabilities_are_a_softmax_without_overflow() -> None:
    head = Head(("a", "b"), np.array([[1e4], [-1e4]], np.float32), np.zeros(2, np.float32))
    shares = head.probabilities(np.array([[1.0], [-1.0]], np.float32))
    np.testing.assert_allclose(shares, [[1, 0], [0, 1]])
