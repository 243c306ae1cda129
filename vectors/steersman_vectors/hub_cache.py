"""Files of a Hugging Face cache: what their names promise about their content.

A snapshot's files are links into `blobs`, and a large file's blob is named by its sha256. The name
is what the hub sent; the content is what is on this disk.
"""

from __future__ import annotations

import re
from pathlib import Path

from .errors import CallerError

_SHA256 = re.compile(r"[0-9a-f]{64}")


def check_blob(path: Path, sha256: str) -> None:
    """Raises `CallerError(model_damaged)` for a file of the cache that is not what it is named."""
    blob = path.resolve()
    named = blob.parent.name == "blobs" and _SHA256.fullmatch(blob.name)
    if named and blob.name != sha256:
        raise CallerError(
            f"{path} is damaged: the hub names it {blob.name}, its content has the sha256 "
            f"{sha256}. Download it again: `{_download(path, blob)}`",
            code="model_damaged",
        )


def _download(path: Path, blob: Path) -> str:
    """Returns the command that replaces a file; `path` lies in `snapshots/<commit>/`."""
    repo = blob.parent.parent.name.removeprefix("models--").replace("--", "/")
    return f"hf download {repo} {path.name} --force-download"
