"""A server's own copy of the registry: it can start and load vectors while Redis is down.

    DATA_DIR/registry-copy/<key>/
        snapshot           a line of JSON: revision, registry, sha256 of the rest; then what the
                           registry holds, a line each: kind, field, value
        blobs/<hex>        native files by the sha256 of their content, checked on every read

Files appear whole or not at all; several processes may write the same ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from ..errors import OperatorError
from ..formats import native
from ..whole_file import write_whole
from . import layout
from .snapshot import History, RegistrySnapshot

FORMAT = 1


class LocalCopy:
    """The copy in one folder; made when first written to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, snapshot: RegistrySnapshot) -> None:
        """Writes the snapshot; raises `OperatorError(data_dir_unusable)`."""
        body = "\n".join(_lines(snapshot)).encode()
        head = {
            "format": FORMAT,
            "revision": snapshot.revision,
            "history": [snapshot.history.registry_id, snapshot.history.changed_at],
            "sha256": hashlib.sha256(body).hexdigest(),
        }
        self._write(self.folder / "snapshot", json.dumps(head).encode() + b"\n" + body)

    def load(self) -> RegistrySnapshot | None:
        """Returns the snapshot last saved; None when there is none, or it is damaged."""
        try:
            head, _, body = (self.folder / "snapshot").read_bytes().partition(b"\n")
            told = json.loads(head)
            if (told["format"], told["sha256"]) != (FORMAT, hashlib.sha256(body).hexdigest()):
                return None
            return _snapshot(told["revision"], History(*told["history"]), body)
        except (OSError, ValueError, KeyError, TypeError, OperatorError):
            return None

    def blob(self, digest: str) -> bytes | None:
        """Returns the native file with this digest; None when it is not here or damaged."""
        try:
            data = self._path(digest).read_bytes()
        except OSError:
            return None
        return data if native.digest(data) == digest else None

    def has(self, digest: str) -> bool:
        """Returns whether there is a file for this digest; it is checked when it is read."""
        return self._path(digest).exists()

    def put(self, digest: str, data: bytes) -> None:
        """Keeps a native file; raises `OperatorError(data_dir_unusable)`."""
        self._write(self._path(digest), data)

    def prune(self, keep: Collection[str]) -> int:
        """Removes the files of all other digests; returns how many."""
        names = {_hex(digest) for digest in keep}
        removed = 0
        with suppress(FileNotFoundError):
            for path in (self.folder / "blobs").iterdir():
                if path.name not in names:
                    path.unlink(missing_ok=True)
                    removed += 1
        return removed

    def _path(self, digest: str) -> Path:
        return self.folder / "blobs" / _hex(digest)

    def _write(self, path: Path, data: bytes) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(path, data, durable=True, mode=0o600)
        except OSError as error:
            raise OperatorError(
                f"cannot write {path}: {error.strerror or error}. The server's copy of the "
                "registry belongs there; make room, or choose another --data-dir",
                code="data_dir_unusable",
            ) from error


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def _lines(snapshot: RegistrySnapshot) -> Iterator[str]:
    for entry in snapshot.entries():
        field = layout.version_field(entry.fingerprint, entry.name, entry.version)
        value = layout.encode_entry(
            digest=entry.digest, card=entry.card, created_at=entry.created_at, actor=entry.actor
        )
        yield f"vector {field} {value}"
        if entry.retired is not None:
            yield f"retired {field} {layout.encode_retirement(entry.retired)}"
    for (fingerprint, name), named in snapshot.aliases.items():
        for alias, versions in named.items():
            field = layout.alias_field(fingerprint, name, alias)
            yield f"alias {field} {layout.encode_alias(versions)}"
    for field, text in sorted(snapshot.documents.items()):
        yield f"document {field} {text}"


def _snapshot(revision: int, history: History, body: bytes) -> RegistrySnapshot:
    found: dict[bytes, list[tuple[bytes, bytes]]] = {
        kind: [] for kind in (b"vector", b"retired", b"alias", b"document")
    }
    for line in body.splitlines():
        kind, field, value = line.split(b" ", 2)
        found[kind].append((field, value))
    return RegistrySnapshot.of(
        revision,
        (layout.decode_entry(f, v) for f, v in found[b"vector"]),
        dict(layout.decode_alias(f, v) for f, v in found[b"alias"]),
        dict(layout.decode_retirement(f, v) for f, v in found[b"retired"]),
        history,
        layout.decode_documents(dict(found[b"document"])),
    )
