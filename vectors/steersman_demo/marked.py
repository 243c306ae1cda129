"""Pages with blocks that the code writes, each between its two marks."""

from collections.abc import Mapping
from pathlib import Path


def marks(name: str) -> tuple[str, str]:
    """What stands before and after the block of that name."""
    return f"<!-- {name}:begin -->", f"<!-- {name}:end -->"


def with_block(page: str, name: str, text: str) -> str:
    """The page with the text as its block; raises `ValueError` where it has none."""
    begin, end = marks(name)
    before, found, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"the page lacks {begin} or {end}; add both, where the block should be")
    return f"{before}{begin}\n{text}\n{end}{after}"


def put_into(page: Path, texts: Mapping[str, str]) -> None:
    """Replace blocks of the page, by name; SystemExit where it lacks one."""
    whole = page.read_text()
    for name, text in texts.items():
        try:
            whole = with_block(whole, name, text)
        except ValueError as error:
            raise SystemExit(f"{page}: {error}") from None
    page.write_text(whole)
