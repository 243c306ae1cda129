"""The address of a Valkey on a unix socket, whatever the length of its folder's path."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from urllib.parse import quote

from ..errors import OperatorError

SOCKET_FILE = "valkey.sock"
MAX_SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103
"""`sun_path` without its final zero byte."""
PING_TIMEOUT_S = 0.5


class SocketAddress:
    """How this process reaches the socket in `folder`, until `close`.

    A path that is too long for a socket address is reached through an open folder of /proc; where
    there is no /proc it raises `OperatorError(data_dir_unusable)`.
    """

    def __init__(self, folder: Path) -> None:
        self._fd: int | None = None
        self.path = str(folder / SOCKET_FILE)
        if len(os.fsencode(self.path)) > MAX_SOCKET_PATH_BYTES:
            if sys.platform != "linux":
                raise OperatorError(
                    f"the path of the data directory is too long for a unix socket: {self.path} "
                    f"has more than {MAX_SOCKET_PATH_BYTES} bytes. Choose a shorter --data-dir",
                    code="data_dir_unusable",
                )
            self._fd = os.open(folder, os.O_PATH | os.O_DIRECTORY)
            self.path = f"/proc/{os.getpid()}/fd/{self._fd}/{SOCKET_FILE}"

    @property
    def url(self) -> str:
        """The address as a Redis URL; good until `close`, in this process and its children."""
        return "unix://" + quote(os.fsencode(self.path))

    def answers(self) -> bool:
        """Returns whether a Valkey there answers PING: not while it is still reading its data."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.settimeout(PING_TIMEOUT_S)
                client.connect(self.path)
                client.sendall(b"PING\r\n")
                return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def close(self) -> None:
        """Closes the folder that a long path was reached through."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
