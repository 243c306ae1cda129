"""Whole conversations, drawn from a seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from steersman_demo.corpus import answers, questions, system_prompts
from steersman_demo.corpus.case import (
    LENGTHS,
    TONES,
    Conversation,
    Length,
    Split,
    Style,
    Tone,
    Truth,
    Turn,
)
from steersman_demo.corpus.phrase import fill, load, pick
from steersman_demo.corpus.topics import topics

_TURNS = load("turns")
_NOT_A_DURATION = {"app_crash"}


@dataclass
class _Thread:
    """What the conversation is about so far."""

    case: questions.Case | None = None
    last_question: str = ""


def conversations(seed: int, count: int, split: Split = "train") -> Iterator[Conversation]:
    """`count` conversations; example i depends on (seed, split, i) only."""
    for index in range(count):
        yield conversation(Random(f"{split}/{seed}/{index}"), split)


def conversation(rng: Random, split: Split = "train") -> Conversation:
    """One conversation of one to three turns. Only the train split has style system prompts."""
    if split == "train":
        system, style = system_prompts.draw(rng)
    else:
        system, style = (None if rng.random() < 0.4 else system_prompts.neutral(rng)), Style()
    thread = _Thread()
    count = rng.choices([1, 2, 3], [0.58, 0.26, 0.16])[0]
    turns = []
    for _ in range(count):
        turn = _turn(thread, style, split, rng)
        thread.last_question = turn.question
        turns.append(turn)
    return Conversation(system, style, tuple(turns))


def _topic_turn(asked: str, case: questions.Case, tone: Tone, length: Length, rng: Random) -> Turn:
    answer = answers.topic_answer(case, tone, length, rng)
    return Turn(asked, answer, answers.truth_of(case), tone, length)


def _turn(thread: _Thread, style: Style, split: Split, rng: Random) -> Turn:
    tone: Tone = style.tone if style.tone is not None else rng.choice(TONES)
    length: Length = style.length if style.length is not None else rng.choice(LENGTHS)
    kind = _next_kind(thread, rng)
    if kind in ("given", "same", "missing"):
        thread.case = case = _open_case(thread, kind, rng)
        asked = questions.question(case, split, rng)
        return _topic_turn(asked, case, tone, length, rng)
    if kind == "dictate":
        return _dictation(tone, length, split, rng)
    asked = _small_question(kind, thread, split, rng)
    if kind == "quote":
        answer = answers.quote(thread.last_question, tone, rng)
        return Turn(asked, answer, Truth("quote"), tone, length)
    if kind == "number":
        assert thread.case is not None
        thread.case = case = questions.Case(
            thread.case.topic, thread.case.number, thread.case.values, "given"
        )
        return _topic_turn(asked, case, tone, length, rng)
    if kind == "unsafe":
        return Turn(asked, answers.refusal(rng), Truth("unsafe", refusal=True), tone, length)
    if kind in ("thanks", "greeting"):
        return Turn(asked, answers.small_answer(kind, tone, length, rng), Truth(kind), tone, length)
    assert thread.case is not None
    topic = thread.case.topic
    if kind == "recall":
        text = answers.recall_answer(topic.reference, thread.case.number, tone, length, rng)
        return Turn(asked, text, Truth("recall", (thread.case.number,)), tone, length)
    return Turn(
        asked,
        answers.duration_answer(topic, tone, length, rng),
        Truth("duration", (topic.rule,)),
        tone,
        length,
    )


def _dictation(tone: Tone, length: Length, split: Split, rng: Random) -> Turn:
    topic = rng.choice(topics())
    number, values = questions.draw_number(rng), questions.draw_values(topic, rng)
    text = questions.question(questions.Case(topic, number, values, "given"), split, rng)
    opener = pick(_TURNS["dictate"]["cores" if split == "train" else "held_out"], rng)
    return Turn(f"{opener} {text}", answers.quote(text, tone, rng), Truth("quote"), tone, length)


def _next_kind(thread: _Thread, rng: Random) -> str:
    case = thread.case
    if case is None:
        first_turns = {
            "given": 0.76,
            "missing": 0.07,
            "unsafe": 0.06,
            "greeting": 0.04,
            "dictate": 0.07,
        }
        return rng.choices(list(first_turns), list(first_turns.values()))[0]
    if case.mention == "missing":
        return rng.choices(["number", "given", "thanks"], [0.8, 0.15, 0.05])[0]
    follow_ups = {
        "given": 0.38,
        "same": 0.17,
        "recall": 0.16,
        "duration": 0.14,
        "thanks": 0.08,
        "unsafe": 0.04,
        "quote": 0.13,
    }
    if case.topic.name in _NOT_A_DURATION:
        del follow_ups["duration"]
    return rng.choices(list(follow_ups), list(follow_ups.values()))[0]


def _open_case(thread: _Thread, mention: str, rng: Random) -> questions.Case:
    if mention == "same":
        assert thread.case is not None
        kin = [
            topic
            for topic in topics()
            if topic.reference == thread.case.topic.reference and topic != thread.case.topic
        ]
        topic = rng.choice(kin)
        return questions.Case(topic, thread.case.number, questions.draw_values(topic, rng), "same")
    topic = rng.choice(topics())
    return questions.Case(
        topic,
        questions.draw_number(rng),
        questions.draw_values(topic, rng),
        "missing" if mention == "missing" else "given",
    )


def _small_question(kind: str, thread: _Thread, split: Split, rng: Random) -> str:
    row = _TURNS[kind]
    core = pick(row["cores" if split == "train" else "held_out"], rng)
    values = {
        "target": rng.choice(_TURNS["unsafe"]["targets"]),
        "goods": rng.choice(_TURNS["unsafe"]["goods"]),
        "victim": rng.choice(_TURNS["unsafe"]["victims"]),
        "kind": thread.case.topic.reference if thread.case else "",
        "number": thread.case.number if thread.case else "",
    }
    return questions.punctuated(fill(core, values), rng)
