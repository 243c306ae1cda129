"""Which tokens are read, and where; what is refused with which remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.extract.reading import ModelTokenizer, Position, read_all, read_of
from steersman_vectors.message import Message
from steersman_vectors.pairs.pair import Example
from tests.tiny_model import build_tokenizer
from tests.unit.vectors.extract.samples import example


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    build_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> ModelTokenizer:
    return ModelTokenizer(folder)


def text_of(folder: Path, ids: tuple[int, ...]) -> str:
    from transformers import AutoTokenizer

    return str(AutoTokenizer.from_pretrained(folder).decode(list(ids)))


ASKED = Example((Message("system", "Be kind."), Message("user", "Where is it?")), "Here, take 5")
HEADER = (
    "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nWhere is it?<|im_end|>\n"
    "<|im_start|>assistant\n"
)


@pytest.mark.parametrize(
    ("position", "whole", "read"),
    [
        ("answer", HEADER + "Here, take 5", "Here, take 5"),
        ("last", HEADER + "Here, take 5", "5"),
        ("prompt-last", HEADER, "\n"),
    ],
)
def test_tokens_and_span(
    position: Position, whole: str, read: str, folder: Path, tokenizer: ModelTokenizer
) -> None:
    found = read_of(ASKED, position, tokenizer)
    assert text_of(folder, found.token_ids) == whole
    ((start, end),) = found.spans
    assert text_of(folder, found.token_ids[start:end]) == read
    assert end == len(found.token_ids)
    assert position == "answer" or end == start + 1


def test_prompt_last_ignores_the_answer(tokenizer: ModelTokenizer) -> None:
    bare = Example(ASKED.prompt)
    assert read_of(ASKED, "prompt-last", tokenizer) == read_of(bare, "prompt-last", tokenizer)


@pytest.mark.parametrize("position", ["last", "answer"])
@pytest.mark.parametrize("answer", [None, ""])
def test_no_answer(position: Position, answer: str | None, tokenizer: ModelTokenizer) -> None:
    with pytest.raises(CallerError, match=r"'Where.*prompt-last") as refused:
        read_of(example("Where is it?", answer), position, tokenizer)
    assert refused.value.code == "no_answer"


def test_too_long_names_the_line_or_is_left_out_whole(tokenizer: ModelTokenizer) -> None:
    positive = [example("hello", f"yes {i}") for i in range(4)]
    negative = [example("hello", "no" + " no" * 40 * (i == 2)) for i in range(4)]
    longest = len(read_of(positive[0], "last", tokenizer).token_ids) + 2
    with pytest.raises(
        CallerError, match=r"negative example of line 7 \('hello'\).*--skip-too-long"
    ):
        read_all(
            positive,
            negative,
            "last",
            tokenizer,
            paired=True,
            max_tokens=longest,
            lines={negative[2]: 7},
        )
    with pytest.raises(CallerError, match="negative example 3"):
        read_all(positive, negative, "last", tokenizer, paired=True, max_tokens=longest)
    kept = read_all(
        positive, negative, "last", tokenizer, paired=True, max_tokens=longest, skip_too_long=True
    )
    assert kept.positive == kept.negative == (0, 1, 3)
    assert kept.skipped == 1
    assert len(kept.reads) == 6
    alone = read_all(
        positive, negative, "last", tokenizer, paired=False, max_tokens=longest, skip_too_long=True
    )
    assert (alone.positive, alone.negative) == ((0, 1, 2, 3), (0, 1, 3))


def test_nothing_to_tell_apart(tokenizer: ModelTokenizer) -> None:
    sides = [example("hello", "yes")] * 3, [example("hello", "no")] * 3
    with pytest.raises(CallerError, match="--positions last or answer") as refused:
        read_all(*sides, "prompt-last", tokenizer, paired=True, max_tokens=99)
    assert refused.value.code == "no_contrast"
    with pytest.raises(CallerError, match="--split none"):
        read_all(sides[0][:1], sides[1], "last", tokenizer, paired=False, max_tokens=99)


def test_digest_tells_tokens_spans_and_sides(tokenizer: ModelTokenizer) -> None:
    a, b, c = (example("hello", answer) for answer in ("yes", "no", "thanks"))

    def digest(positive: list[Example], negative: list[Example], position: Position) -> str:
        return read_all(positive, negative, position, tokenizer, paired=False, max_tokens=99).digest

    found = [
        digest([a, b], [c, c], "last"), digest([b, a], [c, c], "last"),
        digest([a, b, c], [c, c], "last"), digest([a, b], [c, c, c], "last"),
        digest([a, b], [c, c], "answer"),
    ]  # fmt: skip
    assert len(set(found)) == 5
    assert digest([a, b], [c, c], "last") == found[0]


def test_no_template_and_a_template_that_refuses(tmp_path: Path) -> None:
    build_tokenizer(tmp_path / "bare", chat_template=None)
    with pytest.raises(OperatorError, match=r"chat_template\.jinja") as missing:
        ModelTokenizer(tmp_path / "bare")
    assert missing.value.code == "chat_template_missing"
    build_tokenizer(tmp_path / "picky", chat_template="{{ raise_exception('only users') }}")
    with pytest.raises(CallerError, match="only users") as refused:
        ModelTokenizer(tmp_path / "picky").header(ASKED)
    assert refused.value.code == "chat_refused"
    (tmp_path / "empty").mkdir()
    with pytest.raises(OperatorError, match="cannot load the tokenizer"):
        ModelTokenizer(tmp_path / "empty")
