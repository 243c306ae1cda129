"""Fast paths of the detectors agree with their slow twins, on texts that nobody chose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.quality.repetition import (
    NGRAM_UNITS,
    loop_at_end,
    loop_at_end_reference,
    loop_of_characters,
    ngram_share,
    ngram_share_reference,
    run_of_units,
)
from steersman_vectors.quality.scripts import letters_by_script, letters_by_script_reference
from steersman_vectors.quality.units import units_of
from steersman_vectors.quality.window import HEAD_CHARS, TAIL_CHARS, prompt_window, windows

FEW = st.text("abc", max_size=120)


@st.composite
def looping(draw):
    """Draws a text that ends with a block, some times over, and perhaps a part of it."""
    block = draw(st.text("abcd", min_size=1, max_size=12))
    cut = draw(st.integers(0, len(block) - 1))
    return draw(st.text("abcd", max_size=20)) + block * draw(st.integers(1, 8)) + block[:cut]


@given(FEW | looping())
def test_loops_at_the_end(code):
    assert loop_at_end(code) == loop_at_end_reference(code)


@given(st.text("ab", min_size=NGRAM_UNITS, max_size=90) | looping())
def test_shares_of_ngrams(code):
    assert ngram_share(code) == pytest.approx(ngram_share_reference(code))


@given(st.text())
def test_letters_by_script(text):
    assert letters_by_script(text) == letters_by_script_reference(text)


@given(st.text())
def test_equal_units_have_equal_characters_and_no_others(text):
    units = units_of(text)
    names = [units.name(char) for char in units.code]
    assert len(set(names)) == len(set(units.code))
    assert set(units.names) == set(names)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("It's here, it's HERE!", ["it's", "here", "it's", "here"]),
        ("我要 tea", ["我", "要", "tea"]),
        ("| a | b |\n| c | d |", ["| a | b |", "| c | d |"]),
        ("x\n```\nfor i in x:\n```\ny", ["x", "for i in x:", "y"]),
        ('{"a": true, "b": true}', ['{"a": true, "b": true}']),
    ],
)
def test_what_a_unit_is(text, names):
    units = units_of(text)
    assert [units.name(char) for char in units.code] == names


@pytest.mark.parametrize(("text", "runs"), [
    ("no " * 5, False), ("no " * 6, True), ("0 " * 50, False), ("哈" * 15, False),
    ("哈" * 16, True),
    ("<td></td>\n" * 11, False), ("<td></td>\n" * 12, True),
])  # fmt: skip
def test_runs(text, runs):
    assert run_of_units(units_of(text)) is runs


def test_loops_without_units():
    assert loop_of_characters('{"a": [' + "true, " * 60)
    assert not loop_of_characters('{"a": [' + "true, " * 20)
    assert not loop_of_characters("0, " * 200)


@given(st.integers(0, 30_000))
def test_the_windows_are_bounded_and_miss_no_end(length):
    text = "".join(chr(0x4E00 + number % 20_000) for number in range(length))
    seen = windows(text)
    assert sum(map(len, seen)) == min(length, HEAD_CHARS + TAIL_CHARS)
    assert text.startswith(seen[0])
    assert text.endswith(seen[-1])
    assert len(prompt_window(text)) <= 4001
