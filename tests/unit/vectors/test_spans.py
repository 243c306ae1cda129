"""Turn markers derived from synthetic chat templates, and the turns found with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.chat_template import markers_of_tokenizer
from steersman_vectors.errors import OperatorError
from steersman_vectors.spans import TurnMarkers, steered_turns
from steersman_vectors.turn_markers import Message, derive_markers

BOS, START, END, NEWLINE = 0, 1, 2, 10
SPECIAL = frozenset({BOS, START, END})
ROLES = {"system": [900], "user": [901, 902], "assistant": [903]}


@dataclass(frozen=True)
class Template:
    """ChatML in small: START role NEWLINE content END [NEWLINE]."""

    blank_after_header: bool = True
    blank_after_end: bool = True
    bos: bool = True

    def __call__(
        self, messages: Sequence[Message], add_generation_prompt: bool, arguments: object = None
    ) -> list[int]:
        ids = [BOS] if self.bos else []
        for message in messages:
            ids += [*self.header(message["role"]), *encode(message["content"]), END]
            ids += [NEWLINE] if self.blank_after_end else []
        return ids + (self.header("assistant") if add_generation_prompt else [])

    def header(self, role: str) -> list[int]:
        return [START, *ROLES[role], *([NEWLINE] if self.blank_after_header else [])]


def encode(text: str) -> list[int]:
    return [100 + ord(character) % 500 for character in text]


def derive(template: Template) -> TurnMarkers:
    return derive_markers(
        template, is_special=SPECIAL.__contains__, is_blank=lambda token: token == NEWLINE
    )


TEMPLATES = st.builds(Template, st.booleans(), st.booleans(), st.booleans())
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(sorted(ROLES)), "content": st.text("abc ?", max_size=6)}
    ),
    max_size=6,
)


@given(TEMPLATES, MESSAGES)
def test_exactly_the_assistant_turns_are_steered(template: Template, messages: list) -> None:
    expected, at = [], 1 if template.bos else 0
    for message in messages:
        start = at + len(template.header(message["role"]))
        end = start + len(encode(message["content"]))
        if message["role"] == "assistant":
            expected.append((start - 1, end))
        at = end + (2 if template.blank_after_end else 1)
    prompt = template(messages, True)
    turns = steered_turns("assistant", prompt, derive(template))
    assert turns == (*expected, (len(prompt) - 1, None))


def test_a_replayed_conversation_is_steered_where_it_was_generated() -> None:
    template = Template()
    markers = derive(template)
    question: list[Message] = [{"role": "user", "content": "a b"}]
    asked = template(question, True)
    generated_from = steered_turns("assistant", asked, markers)[-1][0]
    replayed = template([*question, {"role": "assistant", "content": "abc"}], True)
    assert steered_turns("assistant", replayed, markers)[0] == (generated_from, len(asked) + 3)


def test_a_prefill_is_an_open_turn_from_its_own_header() -> None:
    template = Template()
    header = template([{"role": "user", "content": "a"}], True)
    turns = steered_turns("assistant", [*header, *encode("abc")], derive(template))
    assert turns == ((len(header) - 1, None),)


def test_the_other_scopes_need_no_template() -> None:
    assert steered_turns("generation", [5, 6, 7], None) == ((2, None),)
    assert steered_turns("all", [5, 6, 7], None) == ((0, None),)
    with pytest.raises(OperatorError, match="Use scope 'generation'"):
        steered_turns("assistant", [5, 6, 7], None)


def same_for_all_roles(
    messages: Sequence[Message], add_generation_prompt: bool, arguments: object
) -> list[int]:
    return [t for m in messages for t in (START, *encode(m["content"]), END)] + [START]


def test_a_template_that_does_not_tell_roles_apart_is_refused() -> None:
    with pytest.raises(OperatorError) as caught:
        derive_markers(
            same_for_all_roles, is_special=SPECIAL.__contains__, is_blank=lambda _: False
        )
    assert caught.value.code == "chat_template_unsupported"


class FailingTokenizer:
    chat_template = "{{ raise_exception() }}"
    all_special_ids = (0,)

    def apply_chat_template(self, *args: object, **kwargs: object) -> list[int]:
        raise TypeError("no such filter")


def test_a_tokenizer_without_a_usable_template_says_why() -> None:
    with pytest.raises(OperatorError, match="no such filter"):
        markers_of_tokenizer(FailingTokenizer())
    with pytest.raises(OperatorError, match="has no chat template"):
        markers_of_tokenizer(object())
    with pytest.raises(OperatorError, match="without a tokenizer"):
        markers_of_tokenizer(None)
