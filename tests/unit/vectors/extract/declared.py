"""The entry points of pyproject.toml, as an installed distribution would declare them."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[4]


def distribution(folder: Path, entries: dict[str, dict[str, str]] | None = None) -> Path:
    """Writes the metadata of a distribution that declares `entries`; default: pyproject.toml's."""
    if entries is None:
        entries = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    info = folder / "made_up-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: made-up\nVersion: 1.0\n")
    lines = []
    for group, names in entries.items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in names.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder
