"""Assistant turns under the chat templates in use, against the characters of the rendered text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from steersman_vectors.chat_template import markers_of_tokenizer
from steersman_vectors.errors import OperatorError
from steersman_vectors.spans import steered_turns
from tests.tiny_model import TEXT

FOLDER = Path(__file__).parents[2] / "chat_templates"


@dataclass(frozen=True)
class Family:
    """A template's special tokens, and what it can do."""

    special: tuple[str, ...]
    added: tuple[str, ...] = ()
    """Tokens of their own that are not special, as Qwen's `<think>`."""
    bos: str | None = None
    eos: str | None = None
    tools: bool = True
    system: bool = True
    json_arguments: bool = False
    """Whether calls carry their arguments as JSON text."""
    newlines_merge: bool = True
    """Whether its tokenizer has one token for two newlines before a word, as most now have."""


CHATML = ("<|im_start|>", "<|im_end|>")
DEEPSEEK = tuple(
    f"<\uff5c{name}\uff5c>"
    for name in (
        *("begin▁of▁sentence", "end▁of▁sentence", "User", "Assistant", "tool▁calls▁begin"),
        *("tool▁calls▁end", "tool▁call▁begin", "tool▁call▁end", "tool▁sep", "tool▁outputs▁begin"),
        *("tool▁outputs▁end", "tool▁output▁begin", "tool▁output▁end"),
    )
)
QWEN = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
LLAMA3 = Family(
    ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    bos="<|begin_of_text|>",
)
WORDS = r"\s*[\r\n]+| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+"
FAMILIES = {
    "llama3": LLAMA3,
    "llama3 with newlines apart": replace(LLAMA3, newlines_merge=False),
    "qwen2": Family(CHATML, QWEN),
    "qwen3": Family(CHATML, QWEN),
    "gemma": Family(("<bos>", "<start_of_turn>", "<end_of_turn>"), bos="<bos>", tools=False),
    "mistral": Family(
        (
            *("<s>", "</s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
            *("[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"),
        ),
        bos="<s>",
        eos="</s>",
    ),
    "phi4_mini": Family(
        (
            *("<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|endoftext|>"),
            *("<|tool_response|>", "<|tool_call|>", "<|/tool_call|>"),
        ),
        eos="<|endoftext|>",
    ),
    "deepseek_v31": Family(
        DEEPSEEK, ("<think>", "</think>"), DEEPSEEK[0], DEEPSEEK[1], json_arguments=True
    ),
    "deepseek_r1": Family(
        DEEPSEEK, ("<think>", "</think>"), DEEPSEEK[0], DEEPSEEK[1], json_arguments=True
    ),
    "gpt_oss": Family(
        ("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|call|>", "<|return|>")
    ),
}
REPLAYS_DIFFER = {"deepseek_r1", "llama3 with newlines apart"}
"""A replayed prompt never starts with the prompt that the turn was generated from."""
MODEL_WRITES_HEADER = {"gpt_oss"}
"""The model writes the channel itself, so a turn starts before its content."""
families = pytest.mark.parametrize("name", FAMILIES)
with_tools = pytest.mark.parametrize("name", [n for n, f in FAMILIES.items() if f.tools])


@cache
def tokenizer_of(name: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of 320 tokens and the family's own."""
    family = FAMILIES[name]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if family.newlines_merge:
        words = pre_tokenizers.Split(Regex(WORDS), "isolated")
        bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, bytes_only])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([*TEXT, "\n\n", "a\n", "assistant\n\n"], trainer)
    tokenizer.add_special_tokens(list(family.special))
    tokenizer.add_tokens([AddedToken(text, special=False) for text in family.added])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=family.bos,
        eos_token=family.eos,
        chat_template=(FOLDER / f"{name.split()[0]}.jinja").read_text(),
    )


@cache
def markers_of(name: str):
    return markers_of_tokenizer(tokenizer_of(name))


def render(name: str, messages: list[dict], *, generate: bool = True, **arguments) -> list[int]:
    ids = tokenizer_of(name).apply_chat_template(
        messages, add_generation_prompt=generate, return_dict=False, **arguments
    )
    return list(ids)


def tokens_of(name: str, messages: list[dict], text: str, *, generate: bool = True):
    """`[start, end)` of a message's text in the tokens, from the characters of the rendering."""
    tokenizer = tokenizer_of(name)
    whole = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=generate)
    assert whole.count(text) == 1, whole
    encoded = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
    assert encoded["input_ids"] == render(name, messages, generate=generate)
    first, last = whole.index(text), whole.index(text) + len(text)
    inside = [i for i, (a, b) in enumerate(encoded["offset_mapping"]) if a < last and b > first]
    return inside[0], inside[-1] + 1


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def said(text: str) -> dict:
    return {"role": "assistant", "content": text}


def call(name: str, city: str) -> dict:
    arguments = f'{{"city": "{city}"}}' if FAMILIES[name].json_arguments else {"city": city}
    function = {"name": "weather", "arguments": arguments}
    made = {"id": "call00001", "type": "function", "function": function}
    return {"role": "assistant", "content": "", "tool_calls": [made]}


def result(text: str) -> dict:
    return {"role": "tool", "name": "weather", "tool_call_id": "call00001", "content": text}


def conversation(name: str) -> list[dict]:
    """System, two turns, a call with two results, an answer, and a question at the end."""
    family = FAMILIES[name]
    messages = [{"role": "system", "content": "Please be kind."}] if family.system else []
    messages += [user("Where is it? :)"), said("On its way, 3 days more"), user("4 boxes?")]
    messages += [said("Yes: four\n\nof them. Sorry!")]
    if family.tools:
        messages += [user("Is it cold there"), call(name, "Bergen")]
        messages += [
            result("8 below zero"),
            result("rain all day"),
            said("It rains, 7 degrees here"),
        ]
    return [*messages, user("thanks\n")]


@families
def test_the_assistants_text_is_steered_and_nobody_elses(name):
    messages = conversation(name)
    prompt = render(name, messages)
    turns = steered_turns("assistant", prompt, markers_of(name))
    steered = {p for s, e in turns for p in range(s, len(prompt) if e is None else e)}
    ends = {e for _, e in turns}
    for message in messages:
        text = (message["content"] or "").strip()
        if message["role"] == "assistant" and text:
            start, end = tokens_of(name, messages, text)
            assert set(range(start - 1, end)) <= steered, text
            assert end in ends
            if name not in MODEL_WRITES_HEADER:
                assert (start - 1, end) in turns
        elif text:
            start, end = tokens_of(name, messages, text)
            assert steered.isdisjoint(range(start, end)), text
    assert turns[-1] == (len(prompt) - 1, None)
    assert len(turns) == 1 + sum(m["role"] == "assistant" for m in messages)


@families
def test_a_replayed_turn_starts_where_it_started_when_it_was_generated(name):
    messages = conversation(name)
    replayed = render(name, messages)
    turns = steered_turns("assistant", replayed, markers_of(name))
    compared = 0
    for i, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        asked = render(name, messages[:i])
        generated = steered_turns("assistant", asked, markers_of(name))
        assert generated[-1] == (len(asked) - 1, None)
        if replayed[: len(asked)] == asked:
            assert len(asked) - 1 in {start for start, _ in turns}
            assert generated[:-1] == tuple(t for t in turns if t[0] < len(asked) - 1)
            compared += 1
    assert compared >= (0 if name in REPLAYS_DIFFER else 2)


@with_tools
def test_a_call_is_the_assistants_and_its_result_is_not(name):
    messages = [user("Is it cold there"), call(name, "Bergen"), result("7 degrees")]
    prompt = render(name, messages)
    turns = steered_turns("assistant", prompt, markers_of(name))
    called = tokens_of(name, messages, "Bergen")
    told = tokens_of(name, messages, "7 degrees")
    assert turns[0][0] < called[0]
    assert called[1] <= turns[0][1] <= told[0]
    assert turns[1:] == ((len(prompt) - 1, None),)


@families
def test_a_prefill_is_steered_from_its_header(name):
    messages = [user("Where is it? :)")]
    asked = render(name, messages)
    begun = tokenizer_of(name).encode("On its way", add_special_tokens=False)
    start = steered_turns("assistant", asked, markers_of(name))[-1][0]
    turns = steered_turns("assistant", asked + begun, markers_of(name))
    assert len(turns) == 1
    assert turns[0][1] is None
    assert turns[0][0] <= start  # a thought that the prompt opened belongs to the prefill


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("qwen3", {"enable_thinking": False}),
        ("qwen3", {"enable_thinking": True}),
        ("deepseek_v31", {"thinking": True}),
        ("deepseek_v31", {"thinking": False}),
        ("deepseek_r1", {}),
    ],
)
def test_a_thought_that_the_prompt_opens_is_the_prompts(name, arguments):
    prompt = render(name, [user("Where is it? :)")], **arguments)
    assert steered_turns("assistant", prompt, markers_of(name)) == ((len(prompt) - 1, None),)


def test_messages_in_a_row_are_one_turn_where_the_model_writes_their_headers():
    """gpt-oss thinks, calls and answers in one go; replayed, all of it is steered, gaps too."""
    thinks = call("gpt_oss", "Bergen") | {"content": "I must look it up"}
    messages = [user("Is it cold there"), thinks, result("7 degrees")]
    prompt = render("gpt_oss", messages)
    asked = render("gpt_oss", messages[:1])
    turns = steered_turns("assistant", prompt, markers_of("gpt_oss"))
    assert len(turns) == 2
    assert turns[0][0] == len(asked) - 1
    assert turns[0][1] >= tokens_of("gpt_oss", messages, "Bergen")[1]


def test_markers_of_plain_words_are_refused():
    """Llama 2 writes [INST] in words: a user can type them."""
    FAMILIES["llama2"] = Family(("<s>", "</s>"), bos="<s>", eos="</s>")
    with pytest.raises(OperatorError, match="words that a user can type"):
        markers_of("llama2")


def test_a_turn_that_ends_in_an_unknown_way_ends_where_the_next_message_starts():
    """Llama 3 closes a call of a built-in tool with <|eom_id|>; no plain conversation shows it."""
    tokenizer = tokenizer_of("llama3")
    text = (
        "<|start_header_id|>assistant<|end_header_id|>\n\nlook it up<|end_of_call|>"
        "<|start_header_id|>ipython<|end_header_id|>\n\n8 below zero<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    unknown = tokenizer.convert_tokens_to_ids("<|begin_of_text|>")
    before, _, rest = text.partition("<|end_of_call|>")
    called = tokenizer.encode(before, add_special_tokens=False)
    prompt = [*called, unknown, *tokenizer.encode(rest, add_special_tokens=False)]
    turns = steered_turns("assistant", prompt, markers_of("llama3"))
    assert turns[0][1] == len(called)
    assert turns[1:] == ((len(prompt) - 1, None),)
