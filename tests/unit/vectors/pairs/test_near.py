"""Near duplicates against a comparison of all with all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.pairs import near
from steersman_vectors.pairs.near import (
    NearIndex,
    by_hash,
    jaccard,
    near_earlier,
    near_earlier_reference,
)
from steersman_vectors.pairs.shingles import (
    PROMPT_NEAR,
    WINDOW_CHARS,
    WINDOW_WORDS,
    line_shingles,
    prompt_shingles,
)

from .samples import line_of

sets = st.lists(
    st.frozensets(st.sampled_from("abcdefghijklmnop"), max_size=14), min_size=1, max_size=40
)
thresholds = st.sampled_from([0.3, 0.5, 2 / 3, 0.75, 0.8, 0.9, 1.0])


@given(sets, thresholds)
def test_as_the_reference_finds_them(texts: list[frozenset[str]], threshold: float) -> None:
    found = near_earlier(texts, threshold)
    assert [other is not None for other in found] == near_earlier_reference(texts, threshold)
    for index, other in enumerate(found):
        assert other is None or jaccard(texts[index], texts[other]) >= threshold


@given(sets, thresholds)
def test_whatever_the_order_of_members(texts: list[frozenset[str]], threshold: float) -> None:
    index = NearIndex(texts.__getitem__, threshold, by_hash)
    found = [index.find_or_add(at) is not None for at in range(len(texts))]
    assert found == near_earlier_reference(texts, threshold)


def test_the_time_for_files_of_one_mould_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand texts of which each pair shares 3 of 5 words: all are candidates of all."""
    compared = 0

    def counted(one: frozenset[str], other: frozenset[str]) -> float:
        nonlocal compared
        compared += 1
        return jaccard(one, other)

    monkeypatch.setattr(near, "jaccard", counted)
    texts = [frozenset({"a", "b", "c", str(i)}) for i in range(1000)]
    assert near_earlier(texts, 0.7) == [None] * 1000
    assert compared <= 1000 * near.MAX_COMPARED


def pair(prompt: str, positive: str = "yes", negative: str = "no", **more: str) -> dict[str, str]:
    return {"prompt": prompt, "positive": positive, "negative": negative, **more}


def test_what_differs_beyond_the_window_differs() -> None:
    head = " ".join(f"w{i}" for i in range(WINDOW_WORDS))
    one, other = (line_shingles(line_of(pair(f"{head} {end}"))) for end in ("left", "right"))
    assert jaccard(one, other) == 0
    long = "x" * (WINDOW_CHARS + 5)
    prompts = [line_of(pair(long + end)).sides[0] for end in "ab"]
    assert jaccard(*map(prompt_shingles, prompts)) == 0


def test_texts_without_words_have_shingles() -> None:
    line = line_of(pair("🙂", "🙃", "🙁"))
    assert line_shingles(line)
    assert prompt_shingles(line.sides[0])


def test_prompts_with_another_noun_are_not_near_but_those_with_another_ending_are() -> None:
    def nearness(one: str, other: str) -> float:
        sides = [line_of(pair(text)).sides[0] for text in (one, other)]
        return jaccard(*map(prompt_shingles, sides))

    assert nearness("What is the capital of France?", "What is the capital of Spain?") < PROMPT_NEAR
    one = "How do I get back into my account when the password is lost?"
    assert nearness(one, "how do I get back into my account when the password is lost") == 1
    assert nearness(one, one.replace("lost", "gone")) >= PROMPT_NEAR
    assert nearness("我想知道我的包裹什么时候能够送到家里来呢", "我想知道你的发票") < PROMPT_NEAR
