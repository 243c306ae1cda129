"""The corpus: deterministic, and its test split really is unseen."""

import re

import pytest

from steersman_demo.corpus import Conversation, conversations
from steersman_demo.corpus.phrase import load
from steersman_demo.corpus.topics import Topic, topics

_CHOICE = re.compile(r"\[([^\[\]]*)\]")


def alternatives(template: str) -> set[str]:
    """Every string that a phrase template can become; slots stay unfilled."""
    match = _CHOICE.search(template)
    if match is None:
        return {template}
    return {
        whole
        for choice in match[1].split("|")
        for whole in alternatives(template[: match.start()] + choice + template[match.end() :])
    }


def core_pattern(core: str) -> re.Pattern[str]:
    """Matches a question that has `core` in it, whatever fills its slots."""
    parts = [re.escape(part) for part in re.split(r"\{\w+\}", core)]
    return re.compile(r".{0,40}?".join(parts), re.IGNORECASE)


def test_same_seed_same_corpus() -> None:
    assert list(conversations(3, 50)) == list(conversations(3, 50))
    assert list(conversations(3, 50)) != list(conversations(4, 50))


def test_example_does_not_depend_on_how_many_are_drawn() -> None:
    assert list(conversations(3, 50))[:10] == list(conversations(3, 10))


@pytest.mark.parametrize("topic", topics(), ids=lambda topic: topic.name)
def test_topics_have_enough_phrasings_and_hold_some_out(topic: Topic) -> None:
    train = {whole for core in topic.cores["train"] for whole in alternatives(core)}
    held_out = {whole for core in topic.cores["test"] for whole in alternatives(core)}
    assert len(topic.cores["train"]) >= 25
    assert len(topic.cores["test"]) >= 6
    assert not {core.lower() for core in train} & {core.lower() for core in held_out}


def test_no_held_out_core_occurs_in_training() -> None:
    patterns = [core_pattern(core) for topic in topics() for core in topic.cores["test"]]
    for example in conversations(11, 2000):
        for turn in example.turns:
            assert not any(pattern.search(turn.question) for pattern in patterns), turn.question


def test_no_held_out_follow_up_occurs_in_training() -> None:
    for name, row in load("turns").items():
        if isinstance(row, dict) and "held_out" in row:
            assert not set(row["cores"]) & set(row["held_out"]), name


def test_the_test_split_uses_held_out_cores_only() -> None:
    topics_by_name = {topic.name: topic for topic in topics()}
    seen = 0
    for example in conversations(5, 400, "test"):
        for turn in example.turns:
            topic = topics_by_name.get(turn.truth.kind)
            if topic is None or re.fullmatch(r"\D*\d{5}\W*", turn.question):
                continue
            patterns = [core_pattern(core) for core in topic.cores["test"]]
            seen += any(pattern.search(turn.question) for pattern in patterns)
            assert any(pattern.search(turn.question) for pattern in patterns), turn.question
    assert seen > 300


def test_style_follows_the_system_prompt_and_is_even_without_one() -> None:
    free: list[tuple[str, str]] = []
    styled = 0
    examples = list(conversations(2, 3000))
    for example in examples:
        styled += example.style.tone is not None or example.style.length is not None
        for turn in example.turns:
            assert example.style.tone in (None, turn.tone)
            assert example.style.length in (None, turn.length)
            if example.style.tone is None and example.style.length is None:
                free.append((turn.tone, turn.length))
    assert 0.45 < styled / len(examples) < 0.55
    assert 0.45 < sum(tone == "warm" for tone, _ in free) / len(free) < 0.55
    assert 0.45 < sum(length == "concise" for _, length in free) / len(free) < 0.55


def test_histories_mix_styles() -> None:
    def mixes(example: Conversation) -> bool:
        return len({turn.tone for turn in example.turns}) > 1

    assert sum(map(mixes, conversations(2, 1000))) > 50


def test_every_fact_of_a_question_is_in_the_question_or_its_history() -> None:
    for example in conversations(8, 1000):
        said = ""
        for turn in example.turns:
            said += turn.question.lower()
            rules = {topic.rule for topic in topics()}
            for fact in turn.truth.facts:
                assert fact in rules or fact.lower() in said, (fact, said)
