"""The pairs that findings are tried on: two behaviours, each read at two positions."""

from collections.abc import Sequence
from random import Random

from steersman_demo.corpus import Length, Tone, answers, questions
from steersman_demo.corpus.topics import topics
from steersman_demo.directions import CONTRASTS, Chat, contrast_chats
from steersman_vectors.extract.reading import Position
from steersman_vectors.message import Message
from steersman_vectors.pairs.pair import Example

BEHAVIOURS = tuple(CONTRASTS)
POSITIONS: tuple[Position, ...] = ("prompt-last", "answer")
Sides = tuple[tuple[Example, ...], tuple[Example, ...]]


def pairs(behaviour: str, position: Position, count: int) -> Sides:
    """`count` pairs, the positive sides first.

    At `prompt-last` a conversation under two system prompts that ask for opposite styles, as the
    shipped vectors are made of; else a question without any, with an answer in either style.
    """
    if position == "prompt-last":
        toward, away = contrast_chats(behaviour, count)
        return tuple(map(_asked, toward)), tuple(map(_asked, away))
    drawn = [_answered(behaviour, index) for index in range(count)]
    return tuple(pair[0] for pair in drawn), tuple(pair[1] for pair in drawn)


def _asked(chat: Chat) -> Example:
    return Example(tuple(Message(turn["role"], turn["content"]) for turn in chat))


def _answered(behaviour: str, index: int) -> tuple[Example, Example]:
    rng = Random(f"findings/{behaviour}/{index}")
    topic = rng.choice(topics())
    number, values = questions.draw_number(rng), questions.draw_values(topic, rng)
    case = questions.Case(topic, number, values, "given")
    prompt = (Message("user", questions.question(case, "train", rng)),)
    tone: Tone = rng.choice(("warm", "cold"))
    length: Length = rng.choice(("concise", "verbose"))
    toward, away = CONTRASTS[behaviour]
    said = [
        answers.topic_answer(case, style.tone or tone, style.length or length, rng)
        for style in (toward, away)
    ]
    return Example(prompt, said[0]), Example(prompt, said[1])


def shapes() -> Sequence[tuple[str, Position]]:
    """Every behaviour at every position."""
    return [(behaviour, position) for behaviour in BEHAVIOURS for position in POSITIONS]
