"""Files beside a version: the data of its recipe, what calibration found, its report. Pure.

They are content-addressed as vectors are, but no request needs them, so servers never fetch them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import CallerError
from . import layout
from .stored import as_digest, as_object, as_text
from .transaction import Change

MAX_FILE_BYTES = 32 * 2**20
MAX_BYTES = 64 * 2**20
"""Of all files of one version: they are written in one step, through one connection."""
MAX_FILES = 64
CALIBRATION = "calibration"
REPORT = "report"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that belongs to a version."""

    name: str
    """The file's name, for people."""
    digest: str
    """`sha256:<hex>` of its bytes."""
    size: int
    """In bytes."""


Attached = Mapping[str, Attachment]
"""By role: `extract.pairs`, `calibration.facts`, `calibration`, `report`."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is to be attached, with its bytes."""

    attachment: Attachment
    data: bytes


Uploads = Mapping[str, Upload]


def check_sizes(uploads: Uploads) -> None:
    """Returns when the registry takes these files; raises `CallerError(data_too_large)`."""
    total = sum(upload.attachment.size for upload in uploads.values())
    for role, upload in uploads.items():
        if upload.attachment.size > MAX_FILE_BYTES:
            raise _too_large(
                f"{role} ({upload.attachment.name}) has {upload.attachment.size / 2**20:.1f} MiB",
                f"at most {MAX_FILE_BYTES >> 20} MiB a file",
            )
    if total > MAX_BYTES:
        raise _too_large(
            f"the files have {total / 2**20:.1f} MiB together", f"at most {MAX_BYTES >> 20} MiB"
        )
    if len(uploads) > MAX_FILES:
        raise _too_large(f"{len(uploads)} files", f"at most {MAX_FILES}")


def attach(field: str, before: bytes | None, uploads: Uploads) -> Change | None:
    """Returns the change that attaches these files; others of the version stay.

    field: of the version, `<fingerprint>/<name>/<version>`. The bytes are written apart.
    """
    there = {} if before is None else dict(decode(field.encode(), before))
    after = {**there, **{role: upload.attachment for role, upload in uploads.items()}}
    if after == there:
        return None
    value = encode(after)
    was = "" if before is None else before.decode()
    writes = (("HSET", layout.ATTACHED, field, value),)
    return Change("vector.attach", field, was, value, writes)


def encode(attached: Attached) -> str:
    """Returns a value of `attached`."""
    files = {
        role: {"name": file.name, "digest": file.digest, "size": file.size}
        for role, file in attached.items()
    }
    return json.dumps({"files": files}, sort_keys=True, separators=(",", ":"))


def decode(field: bytes, value: bytes) -> dict[str, Attachment]:
    """Returns what is attached to the version at `field`; raises `registry_corrupt`."""
    try:
        return {as_text(role): _file(each) for role, each in as_object(value)["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise layout.corrupt(f"{layout.ATTACHED} field {field!r}", str(error)) from error


def _file(stored: Mapping[str, object]) -> Attachment:
    size = stored["size"]
    if type(size) is not int or size < 0:
        raise ValueError(f"got {size!r}, expected a size in bytes")
    return Attachment(as_text(stored["name"]), as_digest(stored["digest"]), size)


def _too_large(got: str, expected: str) -> CallerError:
    return CallerError(
        f"the registry does not keep this much beside a vector: {got}, expected {expected}. "
        "Add --no-data to keep the hashes alone, and keep the files yourself",
        code="data_too_large",
    )
