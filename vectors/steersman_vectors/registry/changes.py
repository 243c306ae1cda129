"""The registry's changes. Pure: from what is there to what is to be written."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import CallerError
from . import layout
from .entry import Retirement
from .transaction import Change


def publish(
    field: str, newest: bytes | None, *, digest: str, entry: str, data: bytes, bring_back: bool
) -> tuple[Change | None, int]:
    """Returns the change that publishes these bytes, and the version they have then.

    No change when the newest version holds them already, unless `bring_back` (it is retired).
    """
    version, newest_digest = layout.decode_newest(field, newest)
    if digest == newest_digest and not bring_back:
        return None, version
    version += 1
    after = layout.encode_newest(version, digest)
    writes = (
        ("SET", layout.blob_key(digest), data),
        ("HSET", layout.VECTORS, f"{field}/{version}", entry),
        ("HSET", layout.NEWEST, field, after),
    )
    before = "" if newest is None else newest.decode()
    return Change("vector.publish", f"{field}/{version}", before, after, writes), version


def point(field: str, before: tuple[int, ...], version: int) -> Change | None:
    """Returns the change that points the alias at `version`, remembering where it pointed."""
    if before[:1] == (version,):
        return None
    return _alias(field, before, (version, *before))


def roll_back(field: str, before: tuple[int, ...], usable: Sequence[int]) -> Change:
    """Returns the change that points the alias at the last version it named before, if usable.

    Raises `CallerError(nothing_to_roll_back)`.
    """
    name = "@".join(field.split("/")[1:])
    if not before:
        raise CallerError(
            f"{name} names no version, so there is nothing to roll back to. Set it with "
            "`steersman vectors promote`",
            code="nothing_to_roll_back",
        )
    for k, version in enumerate(before[1:], start=1):
        if version in usable and version != before[0]:
            return _alias(field, before, before[k:])
    earlier = ", ".join(map(str, before[1:])) or "none"
    raise CallerError(
        f"{name} names version {before[0]} and has named no other that can be used (before: "
        f"{earlier}). Choose a version with `steersman vectors promote`",
        code="nothing_to_roll_back",
    )


def retire(field: str, retired: Retirement) -> Change:
    """Returns the change that refuses a version for new requests."""
    value = layout.encode_retirement(retired)
    return Change("vector.retire", field, "", value, (("HSET", layout.RETIRED, field, value),))


def collect(digests: Sequence[str], data: Sequence[str] = ()) -> Change:
    """Returns the change that removes the bytes of these blobs, and of these files beside them."""
    keys = [*map(layout.blob_key, digests), *map(layout.data_key, data)]
    writes = tuple(("DEL", key) for key in keys)
    return Change("blobs.gc", f"{len(keys)} blobs", " ".join([*digests, *data]), "", writes)


def _alias(field: str, before: tuple[int, ...], after: tuple[int, ...]) -> Change:
    value = layout.encode_alias(after)
    was = layout.encode_alias(before)
    return Change("alias.set", field, was, value, (("HSET", layout.ALIASES, field, value),))
