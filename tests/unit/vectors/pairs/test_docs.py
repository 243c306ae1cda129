"""docs/pairs.md says what is so: its lines are read, its codes and keys are all there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from steersman_server.cli.pairs import pairs
from steersman_vectors.errors import CallerError
from steersman_vectors.pairs import check, leakage, lengths, sides
from steersman_vectors.pairs.line import AnswerPair, PromptPair, SetMember, parse_line
from steersman_vectors.pairs.raw_lines import MAX_BYTES, MAX_SHOWN
from steersman_vectors.pairs.read import MAX_LINES
from steersman_vectors.pairs.shingles import LINE_NEAR, PROMPT_NEAR, WINDOW_WORDS
from steersman_vectors.pairs.split import Shares

PAGE = (Path(__file__).parents[4] / "docs" / "pairs.md").read_text()


def test_every_example_is_read_as_the_form_it_stands_under() -> None:
    blocks = re.findall(r"```json\n(.*?)```", PAGE, re.S)
    forms = [{parse_line(line.encode()).form for line in b.splitlines()} for b in blocks]
    assert forms == [{"answers"}, {"prompts"}, {"set"}]


def test_the_page_has_every_key() -> None:
    rows = re.search(r"\| key \|.*?\n\n", PAGE, re.S)
    assert rows is not None
    named = {key for row in re.findall(r"^\| (`.*?) \|", rows[0], re.M)
             for key in re.findall(r"`(\w+)`", row)}  # fmt: skip
    fields = {*AnswerPair.model_fields, *PromptPair.model_fields, *SetMember.model_fields}
    assert named == fields


def test_the_page_has_every_finding() -> None:
    sources = [
        Path(module.__file__ or "").read_text() for module in (check, leakage, lengths, sides)
    ]
    called = re.findall(r"finding\(\n(.*?)\n +\)", "\n".join(sources), re.S)
    codes = {c for call in called for c in re.findall(r'"([a-z]+_[a-z]+)"', call)}
    codes |= {"leakage", "duplicates_exact", "duplicates_near"}
    assert len(codes) == 15
    table = PAGE[PAGE.index("| code |") : PAGE.index("Length is counted")]
    assert {c for row in re.findall(r"^\| (`.*?) \|", table, re.M)
            for c in re.findall(r"`(\w+)`", row)} == codes  # fmt: skip


def test_the_page_has_the_figures_of_the_code() -> None:
    for said in (f"{MAX_LINES:,} lines", f"{MAX_BYTES // 2**20} MiB", f"least {LINE_NEAR} of",
                 f"share {PROMPT_NEAR} of", f"first {WINDOW_WORDS} words"):  # fmt: skip
        assert said in PAGE, said
    assert MAX_SHOWN == 10
    shares = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", PAGE, re.M)
    assert Shares(**{name: float(share) for name, share in shares}) == Shares()
    assert check.ENOUGH == {"train": 20, "calibration": 10, "heldout": 10}
    assert "fewer than 20 (train) or 10 of a side" in PAGE
    with pytest.raises(CallerError):
        Shares(0.6, 0.2, 0.1)


def test_the_options_on_the_page_are_there() -> None:
    helps = "".join(
        CliRunner().invoke(pairs, [name, "--help"], terminal_width=200).stdout
        for name in ("check", "split", "generate")
    )
    for option in set(re.findall(r"--[a-z][a-z-]+", PAGE)):
        assert option in helps, option
