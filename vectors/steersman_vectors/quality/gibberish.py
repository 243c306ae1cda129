"""Whether an answer has the shape of no language: broken characters, or words that none has.

Conservative. Sentences of right words that mean nothing are not seen, and of languages without a
list of common words (`languages.py`) only what no language has.
"""

from __future__ import annotations

import re

from .languages import COMMON, PROMPT_HITS, language_of

REPLACED_SHARE, REPLACED_AT_LEAST = 0.003, 3
"""Of characters that are U+FFFD, private or control: tokens that make no text."""
SYMBOLS_SHARE, SYMBOLS_AT_LEAST = 0.7, 60
"""Of characters that are neither letters, digits nor space."""
SYMBOLS_DISTINCT, DENSITY, ARROWS = 6, 0.85, 0x2190
"""Different ones; characters in all that are no space; from there on: arrows, boxes, emoji."""
ODD_SHARE, ODD_WORDS = 0.25, 12
"""Shapes that words do not have, for each word; words that are needed to say so."""
JOINED_SHARE, JOINED_WORDS = 0.05, 6
"""Of words that have grown together, as in `forOh`; different joints that are needed."""
SALAD_WORDS, SALAD_SHARE, SALAD_SHARE_UNMARKED = 30, 0.04, 0.15
"""Words without the commonest ones: no sentences. Share of those that there must be; the same
where there is hardly a full stop or a comma either. English prose has about 0.4."""
UNMARKED = 0.05
"""Marks for each word, below which there are hardly any."""
CONTROL_TOKENS = 2
"""Of the chat template in the text, as in `<|im_start|>`: what no client may see."""
LIST_MARKS = 0.25
"""Commas and lines for each word, from which words are a list and no sentences."""
_REPLACED = re.compile("[\ufffd\ue000-\uf8ff\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_CONTROL_TOKEN = re.compile(r"<\|[a-z_]{2,30}\|>")
_SYMBOL = re.compile(r"[^\w\s]")
_RULER = re.compile(r"[-=_.*#~─═━…•·|+]{3,}")
_JOINED = re.compile(r"\b[A-Z]?[a-z']*(?:I?[A-Z][a-z']+)+I?\b")
_JOINT = re.compile(r"[a-z'I][A-Z]")
_QUOTED = re.compile(r"`[^`\n]*`")
_ODD = (
    re.compile(r"[a-z][A-Z]+[a-z]+[A-Z]"),  # a capital twice within a word
    re.compile(r"\b[A-Za-z]{2,}[0-9]+[A-Za-z]+[0-9]\w*"),
    re.compile(r"([a-z])\1\1\1+"),
)
_LETTERS = "bcdfghjklmnpqrstvwxz"
_CONSONANTS = str.maketrans(dict.fromkeys(_LETTERS + _LETTERS.upper(), "c"))
_CLUSTER = re.compile(rf"[{_LETTERS}{_LETTERS.upper()}]{{6,}}|\b[{_LETTERS}]{{5}}\b")


def is_gibberish(
    prompt_words: list[str], text: str, prose: str, words: list[str], structured: int
) -> bool:
    """Returns whether an answer is of no language.

    prose: its lines that are neither table, code nor JSON, of which there are `structured`.
    words: of the prose, in lower case.
    """
    return (
        _replaced(text) or _control_tokens(prompt_words, text)
        or _symbols(text, words) or _odd_words(prose, words)
        or _joined_words(prose, words)
        or (structured == 0 and _no_sentences(prompt_words, prose, words))
    )  # fmt: skip


def _replaced(text: str) -> bool:
    if text.isprintable() and text.isascii():
        return False
    count = len(_REPLACED.findall(text))
    return count >= REPLACED_AT_LEAST and count >= REPLACED_SHARE * len(text)


def _control_tokens(prompt_words: list[str], text: str) -> bool:
    if "<|" not in text:
        return False
    asked = "template" in prompt_words or "token" in prompt_words or "tokens" in prompt_words
    return not asked and len(_CONTROL_TOKEN.findall(text)) >= CONTROL_TOKENS


def _symbols(text: str, words: list[str]) -> bool:
    if sum(map(len, words)) > (1.0 - SYMBOLS_SHARE) * len(text):
        return False
    dense = "".join(text.split())
    if len(dense) < DENSITY * len(text):  # pictures made of characters are mostly space
        return False
    dense = _RULER.sub("", dense)
    symbols = [char for char in _SYMBOL.findall(dense) if ord(char) < ARROWS]
    enough = len(symbols) >= max(SYMBOLS_AT_LEAST, SYMBOLS_SHARE * len(dense))
    return enough and len(set(symbols)) >= SYMBOLS_DISTINCT


def _odd_words(prose: str, words: list[str]) -> bool:
    if len(words) < ODD_WORDS:
        return False
    odd = sum(len(pattern.findall(prose)) for pattern in _ODD)
    if "ccccc" in prose.translate(_CONSONANTS):
        odd += len(_CLUSTER.findall(prose))
    return odd >= ODD_SHARE * len(words)


def _joined_words(prose: str, words: list[str]) -> bool:
    """Returns whether many words are several: the model begins sentences where it should go on.

    One capital in a word that begins with one is a name: GitHub.
    """
    if len(_JOINT.findall(prose)) < JOINED_WORDS:
        return False
    found: list[str] = []
    for word in _JOINED.findall(_QUOTED.sub(" ", prose)):
        joints = _JOINT.findall(word)
        if len(joints) > 1 or (joints and word[0].islower()):
            found += joints
    enough = len(found) >= JOINED_SHARE * (len(words) + len(found))
    return enough and len(set(found)) >= JOINED_WORDS


def _no_sentences(prompt_words: list[str], prose: str, words: list[str]) -> bool:
    """Returns whether many words make no sentence, for a prompt that had sentences."""
    if len(words) < SALAD_WORDS or sum(map(str.isascii, words)) < 0.9 * len(words):
        return False
    marks = sum(map(prose.count, ",;\n"))
    if marks >= LIST_MARKS * len(words):
        return False
    unmarked = marks + sum(map(prose.count, ".!?:")) < UNMARKED * len(words)
    share = SALAD_SHARE_UNMARKED if unmarked else SALAD_SHARE
    common = sum(word in COMMON for word in words)
    return common < share * len(words) and language_of(prompt_words, PROMPT_HITS) is not None
