"""A file of pairs as three files, each line as it was written."""

from __future__ import annotations

from pathlib import Path

from ..errors import CallerError
from ..extract.contract import Progress
from ..whole_file import write_whole
from .pair import Split
from .raw_lines import raw_lines
from .read import read_pairs
from .split import SPLITS, Shares, split_of


def write_splits(
    path: Path, folder: Path, shares: Shares, *, near: bool = True, progress: Progress | None = None
) -> dict[Split, int]:
    """Writes train.jsonl, calibration.jsonl and heldout.jsonl; returns their lines.

    Raises `CallerError`: what `read_pairs` raises, or `out_exists`; then nothing is written.
    """
    there = [name for name in SPLITS if (folder / f"{name}.jsonl").exists()]
    if there:
        raise CallerError(
            f"{folder / there[0]}.jsonl is there already; choose another --out, or remove it",
            code="out_exists",
            param="out",
        )
    pairs = read_pairs(path, near=near, progress=progress)
    split_at = {each.number: split_of(each.line, shares) for each in pairs.lines}
    found: dict[Split, list[bytes]] = {split: [] for split in SPLITS}
    for number, raw in raw_lines(path):
        if number in split_at:
            found[split_at[number]].append(raw.strip() + b"\n")
    folder.mkdir(parents=True, exist_ok=True)
    for split, lines in found.items():
        write_whole(folder / f"{split}.jsonl", b"".join(lines))
    return {split: len(lines) for split, lines in found.items()}
