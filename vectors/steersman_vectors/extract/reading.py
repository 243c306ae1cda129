"""From examples to the passes over the model that read them: which tokens, and where.

An example is the chat template of its prompt with the generation header, followed by the answer's
tokens. `last` is the last answer token, `answer` the mean over the answer's tokens, `prompt-last`
the last header token, where the model decides how its answer begins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, assert_never, get_args

from ..errors import CallerError, OperatorError
from ..fingerprint import digest_of
from ..pairs.pair import Example
from .contract import Read

Position = Literal["last", "answer", "prompt-last"]
POSITIONS: tuple[Position, ...] = get_args(Position)
Side = Literal["positive", "negative"]
_SHOWN = 60


class ChatTokenizer(Protocol):
    """From a chat, and from an answer to it, to token ids."""

    template_hash: str
    """sha256 of the chat template: `sha256:...`."""

    def header(self, example: Example) -> tuple[int, ...]:
        """Returns the tokens of the prompt with the generation header."""
        ...

    def answer(self, text: str) -> tuple[int, ...]:
        """Returns the tokens of an answer, without any that end the turn."""
        ...


class ModelTokenizer:
    """The tokenizer and the chat template in a model's folder.

    Raises `OperatorError`: `model_unreadable` where there is no tokenizer that loads,
    `chat_template_missing`.
    """

    def __init__(self, model_dir: Path) -> None:
        from transformers import AutoTokenizer

        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(model_dir, local_files_only=True)
        except (OSError, ValueError, ImportError, KeyError) as error:
            raise OperatorError(
                f"cannot load the tokenizer of {model_dir}: {error}. Expected a complete model "
                "folder; download it again if files are missing",
                code="model_unreadable",
            ) from error
        template = getattr(self._tokenizer, "chat_template", None)
        if not template:
            raise OperatorError(
                f"the tokenizer of {model_dir} has no chat template: it says neither where a "
                "prompt ends nor where an answer begins. Put a chat_template.jinja into the "
                "model's folder",
                code="chat_template_missing",
            )
        self.template_hash = digest_of(template)

    def header(self, example: Example) -> tuple[int, ...]:
        """Returns the tokens of the prompt with the generation header.

        Raises `CallerError(chat_refused)` for a chat that the template does not take.
        """
        messages = [message.as_json() for message in example.prompt]
        try:
            ids = self._tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=True, return_dict=False
            )
        except Exception as error:  # templates run arbitrary Jinja and raise what they like
            raise CallerError(
                f"the model's chat template does not take the chat {_named(example)}: {error}. "
                "Write it with the roles that this model knows",
                code="chat_refused",
            ) from error
        return tuple(ids)

    def answer(self, text: str) -> tuple[int, ...]:
        """Returns the tokens of an answer, without any that end the turn."""
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])


@dataclass(frozen=True, slots=True)
class Reading:
    """The reads of both sides, the positive ones first, and which examples they are of."""

    reads: tuple[Read, ...]
    positive: tuple[int, ...]
    """Index among the examples given of each positive read."""
    negative: tuple[int, ...]
    skipped: int = 0
    """Examples left out because they are too long; of pairs: pairs."""

    @property
    def digest(self) -> str:
        """Returns `sha256:...` of every token and span: what the passes will be over."""
        whole = hashlib.sha256(f"{len(self.positive)}\n".encode())
        for read in self.reads:
            whole.update(f"{list(read.token_ids)} {list(read.spans)}\n".encode())
        return f"sha256:{whole.hexdigest()}"


def read_of(example: Example, position: Position, tokenizer: ChatTokenizer) -> Read:
    """Returns the pass over one example; raises `CallerError(no_answer)` where one is needed."""
    header = tokenizer.header(example)
    if position == "prompt-last":
        return Read(header, ((len(header) - 1, len(header)),))
    answer = () if example.answer is None else tokenizer.answer(example.answer)
    if not answer:
        got = "an example without an answer" if example.answer is None else "an empty answer"
        raise CallerError(
            f"--positions {position} reads the answer: got {got} {_named(example)}, expected an "
            "answer on both sides. Use --positions prompt-last for sets of prompts",
            code="no_answer",
            param="positions",
        )
    ids, end = header + answer, len(header) + len(answer)
    match position:
        case "last":
            return Read(ids, ((end - 1, end),))
        case "answer":
            return Read(ids, ((len(header), end),))
        case _:
            assert_never(position)


def read_all(
    positive: Sequence[Example],
    negative: Sequence[Example],
    position: Position,
    tokenizer: ChatTokenizer,
    *,
    paired: bool,
    max_tokens: int,
    skip_too_long: bool = False,
    lines: Mapping[Example, int] | None = None,
) -> Reading:
    """Returns the reads of both sides; a pair is left out whole.

    lines: where examples stand in their file, for messages.

    Raises `CallerError`: `no_examples`, `no_contrast` where both sides of all pairs read the same
    tokens, `no_answer`, and `too_long` unless `skip_too_long`.
    """
    reads = {
        side: [read_of(example, position, tokenizer) for example in examples]
        for side, examples in (("positive", positive), ("negative", negative))
    }
    if paired and reads["positive"] == reads["negative"] and positive:
        raise CallerError(
            f"--positions {position} reads the same tokens on both sides of every pair, so there "
            "is nothing to tell apart: the prompts are the same. Use --positions last or answer",
            code="no_contrast",
            param="positions",
        )
    long = {
        side: [i for i, read in enumerate(found) if len(read.token_ids) > max_tokens]
        for side, found in reads.items()
    }
    if not skip_too_long:
        sides = {"positive": positive, "negative": negative}
        _refuse_long(long, reads, sides, max_tokens, lines or {})
    out = {side: set(found) for side, found in long.items()}
    if paired:
        out = dict.fromkeys(out, out["positive"] | out["negative"])
    kept = {
        side: tuple(i for i in range(len(found)) if i not in out[side])
        for side, found in reads.items()
    }
    _check_enough(kept)
    skipped = len(out["positive"]) if paired else sum(map(len, out.values()))
    chosen = tuple(reads[side][i] for side in ("positive", "negative") for i in kept[side])
    return Reading(chosen, kept["positive"], kept["negative"], skipped)


def _check_enough(kept: dict[str, tuple[int, ...]]) -> None:
    if min(map(len, kept.values())) < 2:
        counts = " and ".join(f"{len(found)} {side}" for side, found in kept.items())
        raise CallerError(
            f"too few examples to make a vector of: got {counts}, expected 2 and more of each. "
            "--split none uses every example of the file, whatever split it falls into",
            code="no_examples",
        )


def _refuse_long(
    long: dict[str, list[int]],
    reads: dict[str, list[Read]],
    examples: dict[str, Sequence[Example]],
    max_tokens: int,
    lines: Mapping[Example, int],
) -> None:
    found = [(side, i) for side, indices in long.items() for i in indices]
    if not found:
        return
    side, i = found[0]
    number = lines.get(examples[side][i])
    where = f"example {i + 1}" if number is None else f"example of line {number}"
    more = f", and {len(found) - 1} more are too long" if len(found) > 1 else ""
    raise CallerError(
        f"the {side} {where} {_named(examples[side][i])} has "
        f"{len(reads[side][i].token_ids)} tokens with its chat template, expected at most "
        f"{max_tokens}{more}. Shorten it, or leave such examples out with --skip-too-long",
        code="too_long",
    )


def _named(example: Example) -> str:
    """Returns the start of the example's last turn, by which a person finds it in the file."""
    text = " ".join(example.prompt[-1].content.split()) if example.prompt else ""
    return f"({text[:_SHOWN] + ('...' if len(text) > _SHOWN else '')!r})"
