"""Splits: stable, whole, in the shares that were asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError
from steersman_vectors.pairs.pair import Split
from steersman_vectors.pairs.read import read_pairs
from steersman_vectors.pairs.split import SPLITS, Shares, contrast_of, split_of
from steersman_vectors.pairs.split_files import write_splits

from .samples import clean, line_of, pair_values, write


def test_these_prompts_stay_where_they_are() -> None:
    """Golden: a change here moves lines of everybody's files from one split to another."""
    golden = {"Where is my parcel?": "train", "Why?": "train", "你好": "heldout"}
    found = {
        prompt: split_of(line_of({"prompt": prompt, "positive": "a", "negative": "b"}))
        for prompt in golden
    }
    assert found == golden


@given(st.lists(pair_values(), min_size=1, max_size=12), st.data())
def test_a_line_stays_in_its_split_whatever_is_around_it(
    tmp_path_factory: pytest.TempPathFactory, values: list, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("split")
    alone = {line_of(value).sides[0]: split_of(line_of(value)) for value in values}
    some = data.draw(st.lists(st.sampled_from(values), min_size=1))
    contrast = contrast_of(read_pairs(write(folder / "f", *some), near=False))
    assert contrast.paired
    assert contrast.positive_splits == contrast.negative_splits
    for example, split in zip(contrast.positive, contrast.positive_splits, strict=True):
        assert alone[example] == split


@given(pair_values(), st.sampled_from(["system", "answers", "case", "space"]))
def test_one_question_stays_in_one_split(value: dict, change: str) -> None:
    changed = {
        "system": {**value, "system": "be kind"},
        "answers": {**value, "positive": "x", "negative": "y"},
        "case": {**value, "prompt": value["prompt"].casefold()},
        "space": {**value, "prompt": f"  {value['prompt']}\n"},
    }[change]
    assert split_of(line_of(changed)) == split_of(line_of(value))


@given(st.lists(pair_values(), min_size=2, max_size=6), st.text(min_size=1).filter(str.split))
def test_a_group_stays_together(values: list, group: str) -> None:
    try:
        lines = [line_of({**value, "group": group}) for value in values]
    except ValueError:
        return  # half of a surrogate pair
    assert len({split_of(line) for line in lines}) == 1


@given(pair_values(), st.floats(0, 1), st.floats(0, 1))
def test_more_for_the_first_takes_from_the_others_only(value: dict, a: float, b: float) -> None:
    """A line in train stays there when train grows."""
    line, (small, large) = line_of(value), sorted((a, b))
    if split_of(line, Shares(small, (1 - small) / 2, (1 - small) / 2)) == "train":
        assert split_of(line, Shares(large, (1 - large) / 2, (1 - large) / 2)) == "train"


def test_shares_are_kept() -> None:
    splits = [split_of(line_of(value)) for value in clean(1000)]
    counts = [splits.count(split) for split in SPLITS]
    for count, share in zip(counts, (0.6, 0.2, 0.2), strict=True):
        assert abs(count / 1000 - share) < 4 * (share * (1 - share) / 1000) ** 0.5
    only: tuple[tuple[Shares, Split], ...] = (
        (Shares(1, 0, 0), "train"),
        (Shares(0, 1, 0), "calibration"),
        (Shares(0, 0, 1), "heldout"),
    )
    for shares, split in only:
        assert {split_of(line_of(value), shares) for value in clean(200)} == {split}


@pytest.mark.parametrize("given_shares", [(0.5, 0.5, 0.5), (1.2, -0.1, -0.1), (float("nan"), 0, 1)])
def test_shares_that_are_none(given_shares: tuple[float, float, float]) -> None:
    with pytest.raises(CallerError) as error:
        Shares(*given_shares)
    assert error.value.code == "invalid_option"


def test_sets_keep_their_sides(tmp_path: Path) -> None:
    values = [{"prompt": f"{label} {i}", "label": label}
              for i in range(30) for label in ("positive", "negative")][:-7]  # fmt: skip
    contrast = contrast_of(read_pairs(write(tmp_path / "f", *values)))
    assert not contrast.paired
    assert (len(contrast.positive), len(contrast.negative)) == (27, 26)
    assert len(contrast.negative_splits) == 26
    assert all(example.prompt[0].content.startswith("n") for example in contrast.negative)


def test_split_files_split_the_same_way_again(tmp_path: Path) -> None:
    values = clean(100)
    file = write(tmp_path / "f", *values, values[0])
    counts = write_splits(file, tmp_path / "out", Shares())
    assert sum(counts.values()) == 100
    whole = contrast_of(read_pairs(file))
    for split in SPLITS:
        again = contrast_of(read_pairs(tmp_path / "out" / f"{split}.jsonl"))
        assert set(again.positive_splits) == {split}
        of = [e for e, s in zip(whole.positive, whole.positive_splits, strict=True) if s == split]
        assert list(again.positive) == of
    with pytest.raises(CallerError, match="is there already"):
        write_splits(file, tmp_path / "out", Shares())
