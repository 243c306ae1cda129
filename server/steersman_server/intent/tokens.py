"""Token ids of a text, in order and without unknown ones.

`WholeText` asks the tokenizer for each text. `Words` gives the same ids for tokenizers of BERT's
kind in an eighth of the time: it knows the words of the vocabulary, and remembers what the
tokenizer said about the others (up to `STRANGE_CHARS` in a text).
"""

from __future__ import annotations

import json
import re
from string import punctuation
from typing import Any

from tokenizers import Tokenizer

REMEMBERED, REMEMBERED_CHARS = 16_384, 64
"""How many words beyond the vocabulary are remembered, and how long one may be."""
STRANGE_CHARS, STRANGE_WORD = 600, 4
"""Of all words that are not in the vocabulary, each counted once and as so many characters more
than it has: what is beyond is left out.

Taking strange words to pieces is what costs: 0.3 us a character, 1 us of those that are not ASCII;
known words take 0.04 us. A text has this many only in another language or when it is none; the
bound keeps it below 1 ms.
"""
_WORD = re.compile(r"[a-z0-9]+|[^a-z0-9 \t\n\r]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85]")
"""What the tokenizer leaves out and Python may take for a space. About other spaces both agree."""
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
        self._vocabulary: dict[str, int] = {
            word: token
            for word, token in spec["model"]["vocab"].items()
            if word.isascii() and _WORD.fullmatch(word) and token != unknown
        }
        self._remembered: dict[str, tuple[int, ...]] = {}

    def ids(self, text: str) -> list[int]:
        """Returns the text's ids."""
        words = self._words(_CONTROLS.sub("", text))
        found: list[Any] = list(map(self._vocabulary.get, words))
        if None not in found:
            return found
        strange = self._bounded([w for w, token in zip(words, found, strict=True) if token is None])
        pieces = iter(self._pieces(strange))
        ids: list[int] = []
        for token in found:
            if token is None:
                ids += next(pieces)
            else:
                ids.append(token)
        return ids

    def _words(self, text: str) -> list[str]:
        """Returns words and signs of ASCII, and whatever stands between them and is not ASCII."""
        for sign in punctuation:  # half the time of a regular expression that finds the words
            if sign in text:
                text = text.replace(sign, f" {sign} ")
        if text.isascii():
            return text.lower().split()
        return [word.lower() if word.isascii() else word for word in text.split()]

    def _bounded(self, strange: list[str]) -> list[str]:
        """Returns a text's strange words, those beyond `STRANGE_CHARS` cut short or empty."""
        different = dict.fromkeys(strange)
        if sum(map(len, different)) + STRANGE_WORD * len(different) <= STRANGE_CHARS:
            return strange
        within: dict[str, str] = {}
        left = STRANGE_CHARS
        for word in different:
            left -= STRANGE_WORD
            if left <= 0:
                break
            within[word] = word[:left]
            left -= len(word)
        return [within.get(word, "") for word in strange]

    def _pieces(self, words: list[str]) -> list[tuple[int, ...]]:
        """Returns the ids of each word, and remembers those of short words."""
        if len(self._remembered) > REMEMBERED:
            self._remembered = {}
        known = self._remembered
        new = [word for word in dict.fromkeys(words) if word not in known]
        asked = self._ask(new) if new else {}
        known.update((word, ids) for word, ids in asked.items() if len(word) <= REMEMBERED_CHARS)
        return [asked[word] if word in asked else known[word] for word in words]

    def _ask(self, words: list[str]) -> dict[str, tuple[int, ...]]:
        """Returns the words' ids, asked for at once: those of ASCII in a third of the time.

        Nothing about them is left to normalize or to split, so that the model alone is asked.
        """
        ids: dict[str, list[int]] = {word: [] for word in words}
        tokenize = self.tokenizer.model.tokenize
        others = []
        for word in words:
            if word.isascii():
                ids[word] += [piece.id for piece in tokenize(word)]
            else:
                others.append(word)
        if others:
            encoded = self.tokenizer.encode(others, is_pretokenized=True, add_special_tokens=False)
            for token, index in zip(encoded.ids, encoded.word_ids, strict=True):
                if index is not None:
                    ids[others[index]].append(token)
        return {
            word: tuple(token for token in tokens if token != self.unknown)
            for word, tokens in ids.items()
        }


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
