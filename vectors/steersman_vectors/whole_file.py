"""Files that appear whole or not at all, whoever else writes or reads them meanwhile."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4


def write_whole(path: Path, data: bytes, *, durable: bool = False, mode: int = 0o666) -> None:
    """Writes or replaces the file; raises `OSError` and leaves what was there.

    durable: the bytes are on the disk before they are what `path` names. mode: less the umask.
    """
    partial = path.with_name(f".{uuid4().hex}.partial")
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
