"""Turn markers of a real tokenizer and its chat template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import OperatorError
from .spans import TurnMarkers, unsupported
from .turn_markers import Message, derive_markers


def markers_of_tokenizer(tokenizer: Any, chat_template: str | None = None) -> TurnMarkers:
    """Returns the turn markers of `chat_template`, or of the tokenizer's own when None.

    Raises `OperatorError(chat_template_unsupported)` when there is no template or its assistant
    turns cannot be told from the others.
    """
    if tokenizer is None:
        raise unsupported("the engine was started without a tokenizer")
    if chat_template is None and not getattr(tokenizer, "chat_template", None):
        raise unsupported("the tokenizer has no chat template")

    def render(
        messages: Sequence[Message], add_generation_prompt: bool, arguments: Mapping[str, Any]
    ) -> list[int]:
        try:
            ids = tokenizer.apply_chat_template(
                list(messages),
                chat_template=chat_template,
                add_generation_prompt=add_generation_prompt,
                tokenize=True,
                return_dict=False,
                **arguments,
            )
        except OperatorError:
            raise
        except Exception as error:  # templates run arbitrary Jinja and raise what they like
            raise unsupported(f"rendering it failed ({type(error).__name__}: {error})") from error
        return list(ids)

    special = set(tokenizer.all_special_ids)
    added = set(getattr(tokenizer, "added_tokens_decoder", {}))
    return derive_markers(
        render,
        is_special=lambda token: token in special or token in added,
        is_blank=lambda token: token not in special and not tokenizer.decode([token]).strip(),
    )
