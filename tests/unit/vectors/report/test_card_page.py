"""The Markdown card, as a CommonMark reader with tables sees it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from steersman_vectors.report import markdown
from steersman_vectors.report.card_page import card_page

from . import samples
from .test_page import HOSTILE, contents, planted

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def inline(source: str) -> list[str]:
    """Returns the kinds of all inline tokens."""
    tokens = READER.parse(source)
    return [child.type for token in tokens for child in token.children or []]


def said(source: str) -> str:
    """Returns what a reader sees of one paragraph."""
    (token,) = [each for each in READER.parse(source) if each.type == "inline"]
    return "".join(child.content for child in token.children or [])


UNSEEN = ["Cs", "Cc", "Cf", "Zs", "Zl", "Zp"]
LETTERS = st.characters(exclude_categories=UNSEEN) | st.just(" ")
WORDS = st.text(LETTERS, min_size=1, max_size=40).filter(str.strip)


@settings(max_examples=300, deadline=None)
@given(WORDS | st.text("|`*_[]()<>#-+=!~&\\$1.: w", min_size=1, max_size=12).filter(str.strip))
def test_any_words_stay_words(words: str) -> None:
    assert said(markdown.plain(words)) == words.strip()
    shown = markdown.table(("a", "b"), [(markdown.plain(words), markdown.code(words))])
    cells = [each for each in READER.parse(shown) if each.type == "inline"]
    assert len(cells) == 4
    assert "".join(child.content for child in cells[2].children or []) == words.strip()
    code = re.sub("</?code>", "", "".join(c.content for c in cells[3].children or []))
    assert code.strip() == words.strip()


@given(st.text(max_size=80))
def test_a_block_ends_where_it_should(words: str) -> None:
    tokens = READER.parse(markdown.block(words, "sh") + "\n\nafter")
    assert tokens[0].type == "fence"
    assert tokens[2].content == "after"


def test_hostile_words_make_no_markup() -> None:
    source = card_page(planted(HOSTILE)).decode()
    html = {
        child.content
        for token in READER.parse(source)
        for child in token.children or []
        if child.type in ("html_inline", "image", "link_open")
    }
    assert html <= {"<code>", "</code>"}
    assert not [token for token in READER.parse(source) if token.type == "html_block"]


@pytest.mark.parametrize("record", [samples.calibration(), samples.failing(), None])
def test_tables_are_whole(record: object) -> None:
    source = card_page(contents(record)).decode()  # type: ignore[arg-type]
    for block in re.findall(r"(?:^\|.*\n?)+", source, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1
        assert "table_open" in [token.type for token in READER.parse(block)]
    assert source == card_page(contents(record)).decode()  # type: ignore[arg-type]


def test_the_card_has_model_doses_evidence_and_limits() -> None:
    record = samples.calibration()
    source = card_page(contents(record)).decode()
    titles = re.findall(r"^## (.*)$", source, re.MULTILINE)
    assert titles == [
        "Base model", "How to dose it", "What it does", "Side effects", "Limits", "How it was made"
    ]  # fmt: skip
    assert samples.MODEL in source
    for name, preset in record.presets.items():
        (row,) = [line for line in source.splitlines() if line.startswith(f"| `{name}`")]
        shown = [float(each) / 100 for each in re.findall(r"[\d.]+(?=%)", row)]
        found = preset.heldout.figures["warm"]
        assert shown == pytest.approx([found.value, found.low, found.high], abs=0.00051)


def test_no_presets_offers_none() -> None:
    source = card_page(contents(samples.failing())).decode()
    assert "**Passed no gate: published without presets.**" in source
    assert "It has no presets" in source
    assert '"low"' not in source
