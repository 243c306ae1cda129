"""Token ids of a text, in order and without unknown ones.

`WholeText` asks the tokenizer for each text. `Words` gives the same ids for tokenizers of BERT's
kind in a fifth of the time: it knows the words of the vocabulary, and remembers what the tokenizer
said about the others (up to `STRANGE_CHARS` in a text).
"""

from __future__ import annotations

import json
import re
from itertools import chain
from typing import Any

from tokenizers import Tokenizer

REMEMBERED, REMEMBERED_CHARS = 16_384, 64
"""How many words beyond the vocabulary are remembered, and how long one may be."""
STRANGE_CHARS, STRANGE_WORD = 600, 4
"""Of all words that are not in the vocabulary, each counted once and as so many characters more
than it has: what is beyond is left out.

Taking strange words to pieces is what costs: 1 us a character, ten times as much as known words. A
text has this many only in another language or when it is none; the bound keeps it below 1 ms.
"""
_WORDS = re.compile(r"[a-z0-9]+|[^a-z0-9 \t\n\r]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SPACES = re.compile(r"[ \t\n\r]+")
"""What both sides agree is a space; whatever else Unicode calls one is left to the tokenizer."""
_BERT = {
    "normalizer": {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    },
    "pre_tokenizer": {"type": "BertPreTokenizer"},
}


class WholeText:
    """Any tokenizer. The reference twin of `Words`."""

    def __init__(self, tokenizer: Tokenizer, unknown: int | None) -> None:
        self.tokenizer, self.unknown = tokenizer, unknown

    def ids(self, text: str) -> list[int]:
        """Returns the text's ids."""
        found: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return [each for each in found if each != self.unknown]


class Words(WholeText):
    """A WordPiece tokenizer that lowers case and splits at spaces and punctuation first.

    Such a tokenizer looks at each word alone, so that a text's ids are its words' ids in a row.
    """

    def __init__(self, tokenizer: Tokenizer, unknown: int | None, spec: dict[str, Any]) -> None:
        super().__init__(tokenizer, unknown)
        self._vocabulary = {
            word: (token,)
            for word, token in spec["model"]["vocab"].items()
            if word.isascii() and _WORDS.fullmatch(word) and token != unknown
        }
        self._known: dict[str, tuple[int, ...]] = dict(self._vocabulary)

    def ids(self, text: str) -> list[int]:
        """Returns the text's ids."""
        words = self._bounded(self._words(_CONTROLS.sub("", text)))
        found = [self._known.get(word) for word in words]
        if None not in found:
            return list(chain.from_iterable(found))  # type: ignore[arg-type]
        pairs = list(zip(words, found, strict=True))
        asked = self._ask([word for word, ids in pairs if ids is None])
        return [each for word, ids in pairs for each in (asked[word] if ids is None else ids)]

    def _bounded(self, words: list[str]) -> list[str]:
        """Returns the words without those beyond `STRANGE_CHARS`."""
        strange = set(words).difference(self._vocabulary)
        if sum(map(len, strange)) + STRANGE_WORD * len(strange) <= STRANGE_CHARS:
            return words
        kept: list[str] = []
        seen: set[str] = set()
        left = STRANGE_CHARS
        for word in words:
            if word in strange and word not in seen:
                seen.add(word)
                word = word[: max(0, left - STRANGE_WORD)]
                left -= len(word) + STRANGE_WORD
                strange.discard(word)
            if word and word not in strange:
                kept.append(word)
        return kept

    def _words(self, text: str) -> list[str]:
        """Returns words and signs of ASCII, and whatever stands between spaces and is not ASCII."""
        if text.isascii():
            return _WORDS.findall(text.lower())
        words: list[str] = []
        for chunk in _SPACES.split(text):
            if chunk.isascii():
                words += _WORDS.findall(chunk.lower())
            else:
                words.append(chunk)
        return words

    def _ask(self, words: list[str]) -> dict[str, tuple[int, ...]]:
        """Returns the words' ids, asked for at once, and remembers those of short words."""
        asked = list(dict.fromkeys(words))
        encoded = self.tokenizer.encode(asked, is_pretokenized=True, add_special_tokens=False)
        lists: list[list[int]] = [[] for _ in asked]
        for token, index in zip(encoded.ids, encoded.word_ids, strict=True):
            if index is not None and token != self.unknown:
                lists[index].append(token)
        answer = {word: tuple(ids) for word, ids in zip(asked, lists, strict=True)}
        if len(self._known) - len(self._vocabulary) > REMEMBERED:
            self._known = dict(self._vocabulary)
        self._known.update(
            (word, ids) for word, ids in answer.items() if len(word) <= REMEMBERED_CHARS
        )
        return answer


def tokens_of(tokenizer: Tokenizer, spec: dict[str, Any]) -> WholeText:
    """Returns the fastest exact way for a tokenizer; spec: the object in its tokenizer.json."""
    model = spec["model"]
    name = model.get("unk_token")
    unknown = None if name is None else tokenizer.token_to_id(name)
    if (
        model.get("type") == "WordPiece"
        and all(spec.get(part) == expected for part, expected in _BERT.items())
        and not spec["added_tokens"]
        and max(map(len, model["vocab"])) <= model["max_input_chars_per_word"]
    ):
        return Words(tokenizer, unknown, spec)
    return WholeText(tokenizer, unknown)


def spec_of(data: bytes) -> dict[str, Any]:
    """Returns the object in a tokenizer.json, without special tokens and lengths.

    What a user writes is text, also where it spells `[PAD]`. ValueError when it is no tokenizer.
    """
    spec = json.loads(data)
    if not isinstance(spec, dict) or not isinstance(spec.get("model"), dict):
        raise ValueError("it has no 'model'")
    added = [token for token in spec.get("added_tokens", ()) if not token.get("special")]
    return {**spec, "added_tokens": added, "truncation": None, "padding": None}
