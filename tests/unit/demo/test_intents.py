"""The demo's intent classifier: data, card and page are in step; no phrasing is on both sides."""

from __future__ import annotations

import json
from pathlib import Path

from steersman_demo.intents import data, page
from steersman_server.intent.examples import digest, read_examples
from steersman_server.intent.load import DEMO, load_card

ROOT = Path(__file__).parents[3]
FILES = {split: data.HERE / "data" / name for split, name in data.FILES.items()}


def test_the_files_are_what_the_generator_makes() -> None:
    for split, path in FILES.items():
        assert [json.loads(line) for line in path.read_text().splitlines()] == data.rows(split)


def test_no_text_and_no_phrasing_is_on_both_sides() -> None:
    train, test = (read_examples(path) for path in FILES.values())
    assert {e.text.casefold() for e in train} & {e.text.casefold() for e in test} == set()
    assert {e.group for e in train if e.group} & {e.group for e in test if e.group} == set()


def test_the_card_was_made_from_the_files() -> None:
    card = load_card(DEMO)
    train, test = (read_examples(path) for path in FILES.values())
    assert card.held_out is not None
    assert card.training_sha256 == digest(train)
    assert card.held_out.data_sha256 == digest(test)


def test_the_page_says_what_the_card_says() -> None:
    whole = (ROOT / "docs/intents.md").read_text()
    shown = whole.split(page.BEGIN, 1)[1].split(page.END, 1)[0].strip()
    assert shown == page.block(load_card(DEMO))
