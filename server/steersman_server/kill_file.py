"""The kill switch that needs nothing but this machine's disk: a file in the data directory.

While it exists, every request of the servers on this data directory runs unsteered, from the very
next one on: each looks (a microsecond). Redis may be dead, the admin API closed, the CLI missing:
`touch DATA_DIR/kill-switch` works. That something has this name is the switch, whatever is in it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

FILE = "kill-switch"
MAX_REASON = 500


class KillFile:
    """The switch of one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / FILE
        self._path = str(self.path)

    def reason(self) -> str | None:
        """Returns why steering is off; None when it is not."""
        try:
            os.lstat(self._path)  # a link that leads nowhere counts
        except FileNotFoundError:
            return None
        except OSError as error:  # in doubt, off
            return f"{FILE}: {error.strerror}"
        with suppress(OSError):
            text = self.path.read_bytes()[:MAX_REASON].decode(errors="replace").strip()
            return text or f"the file {FILE}"
        return f"the file {FILE}"

    def set(self, reason: str) -> None:
        """Switches steering off on this machine; raises `OSError` when it is not off then.

        On a full disk the file is there, and steering off, without the reason.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.path.write_text(reason)
        except OSError:
            if not os.path.lexists(self._path):
                raise

    def clear(self) -> bool:
        """Switches it on again; returns whether it was off."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        return True
