"""Whatever bytes lie under our keys: they are read as we write them, or named as damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from steersman_vectors.errors import OperatorError
from steersman_vectors.registry import layout
from steersman_vectors.registry.entry import Retirement

from .samples import FP_A, vector

CARD = vector().card
NOW = datetime.now(UTC)
ENTRY = layout.encode_entry(digest=FP_A, card=CARD, created_at=NOW, actor="ann").encode()
RETIREMENT = layout.encode_retirement(Retirement(NOW, "ann", "too terse")).encode()
VERSION_FIELD = layout.version_field(FP_A, "calm", 3).encode()
ALIAS_FIELD = layout.alias_field(FP_A, "calm", "prod").encode()
LOGGED = {
    b"kind": b"alias.set", b"subject": b"x", b"actor": b"ann", b"before": b"", b"after": b"3",
    b"at": NOW.isoformat().encode(),
}  # fmt: skip

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
WRONG_NUMBERS = [
    b"", b"0", b"-1", b"+1", b"01", b" 1", b"1 ", b"1_0", b"1.0", b"x", b"\xff", "\uff11".encode(),
    "\u00b2".encode(), str(2**31).encode(), b"9" * 40, b"9" * 5000,
]  # fmt: skip
DEEP = [b"[" * 100_000, b'{"a":' * 100_000]


def refused(decode: Callable[..., Any], *args: Any) -> None:
    with pytest.raises(OperatorError) as caught:
        decode(*args)
    assert caught.value.code == "registry_corrupt"
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 1000


def read_or_refused(decode: Callable[..., Any], *args: Any) -> Any:
    """Returns what was decoded; None when it was refused as it should be."""
    try:
        return decode(*args)
    except OperatorError:
        refused(decode, *args)
        return None


def test_what_was_written_is_read() -> None:
    entry = layout.decode_entry(VERSION_FIELD, ENTRY)
    assert (entry.version, entry.card, entry.created_at) == (3, CARD, NOW)
    key, retired = layout.decode_retirement(VERSION_FIELD, RETIREMENT)
    assert (key, retired.reason) == ((FP_A, "calm", 3), "too terse")
    assert layout.decode_alias(ALIAS_FIELD, b"3 2") == ((FP_A, "calm", "prod"), (3, 2))
    assert layout.decode_newest("x", layout.encode_newest(3, FP_A).encode()) == (3, FP_A)
    assert layout.decode_log(b"7-0", LOGGED).revision == 7
    assert [layout.decode_revision(v) for v in (None, b"0", b"7")] == [0, 0, 7]


def test_times_of_another_zone_are_read_in_utc() -> None:
    stored = json.loads(ENTRY)
    stored["created_at"] = "2026-01-01T02:30:00+02:30"
    entry = layout.decode_entry(VERSION_FIELD, json.dumps(stored).encode())
    assert entry.created_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert entry.created_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize("number", WRONG_NUMBERS)
def test_numbers_are_those_that_we_write(number: bytes) -> None:
    field = VERSION_FIELD[: VERSION_FIELD.rindex(b"/") + 1] + number
    refused(layout.decode_entry, field, ENTRY)
    refused(layout.decode_retirement, field, RETIREMENT)
    refused(layout.decode_alias, ALIAS_FIELD, number)
    refused(layout.decode_alias, ALIAS_FIELD, b"3 " + number)
    refused(layout.decode_newest, "x", number + b" " + FP_A.encode())
    if number not in (b"0", str(2**31).encode()):
        refused(layout.decode_revision, number)
        refused(layout.decode_log, number + b"-0", LOGGED)


@pytest.mark.parametrize("field", [b"", b"x", b"//", b"///", b"\xff/v/1", b"a/v/1", b"\x1b/v/1"])
def test_fields_are_those_that_we_write(field: bytes) -> None:
    refused(layout.decode_entry, field, ENTRY)
    refused(layout.decode_retirement, field, RETIREMENT)
    refused(layout.decode_alias, field, b"1")


@pytest.mark.parametrize("value", [*DEEP, b"", b"[]", b"1", b"null", b'"x"', b"{}", b"\xff"])
def test_json_is_an_object_of_ours(value: bytes) -> None:
    refused(layout.decode_entry, VERSION_FIELD, value)
    refused(layout.decode_retirement, VERSION_FIELD, value)


WRONG_TIMES = [0, None, "", "now", "2026-01-01", "2026-01-01T00:00:00", "0001-01-01T00:00:00+23:00"]


@pytest.mark.parametrize(
    "wrong",
    [
        *({"actor": value} for value in (3, None, [], "\ud800")),
        *({"digest": value} for value in (3, None, "x", "../../x", FP_A + "\n", FP_A.upper())),
        *({"created_at": value} for value in WRONG_TIMES),
        *({"card": value} for value in (None, [], {}, "x", {**CARD.model_dump(), "more": 1})),
        *({"card": {**CARD.model_dump(), "quality": {"x": [bad]}}} for bad in (1e999, "\ud800")),
        {"card": {**CARD.model_dump(), "recipe": {"\ud800": 1}}},
        {"card": {**CARD.model_dump(), "description": "\ud800"}},
    ],
)
def test_an_entry_of_wrong_parts_is_refused(wrong: dict[str, Any]) -> None:
    refused(layout.decode_entry, VERSION_FIELD, json.dumps(json.loads(ENTRY) | wrong).encode())


@pytest.mark.parametrize(
    "wrong",
    [
        *({"at": value} for value in WRONG_TIMES),
        *({part: value} for part in ("actor", "reason") for value in (3, None, [], "\ud800")),
    ],
)
def test_a_retirement_of_wrong_parts_is_refused(wrong: dict[str, Any]) -> None:
    stored = json.loads(RETIREMENT) | wrong
    refused(layout.decode_retirement, VERSION_FIELD, json.dumps(stored).encode())


@pytest.mark.parametrize(
    "logged",
    [{}, {b"\xff": b""}, LOGGED | {b"more": b""}, LOGGED | {b"at": b"2026-01-01"},
     LOGGED | {b"actor": b"\xff"}],
)  # fmt: skip
def test_a_log_entry_of_wrong_parts_is_refused(logged: dict[bytes, bytes]) -> None:
    refused(layout.decode_log, b"7-0", logged)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(field: bytes, value: bytes) -> None:
    read_or_refused(layout.decode_entry, field, value)
    read_or_refused(layout.decode_entry, VERSION_FIELD, value)
    read_or_refused(layout.decode_retirement, VERSION_FIELD, value)
    read_or_refused(layout.decode_alias, field, value)
    read_or_refused(layout.decode_alias, ALIAS_FIELD, value)
    read_or_refused(layout.decode_newest, repr(field), value)
    read_or_refused(layout.decode_revision, value)
    read_or_refused(layout.decode_log, field, {field: value})
    read_or_refused(layout.decode_log, b"7-0", LOGGED | {b"actor": value, b"at": field})


@given(st.sampled_from(["digest", "created_at", "actor", "card"]), JSON)
@example("card", {})
def test_an_entry_with_any_part_is_read_or_refused(part: str, value: Any) -> None:
    stored = json.dumps(json.loads(ENTRY) | {part: value}).encode()
    entry = read_or_refused(layout.decode_entry, VERSION_FIELD, stored)
    if entry is not None:
        again = layout.encode_entry(
            digest=entry.digest, card=entry.card, created_at=entry.created_at, actor=entry.actor
        )
        assert layout.decode_entry(VERSION_FIELD, again.encode()) == entry


@given(st.sampled_from(sorted(CARD.model_dump())), JSON)
def test_a_card_with_any_part_is_read_or_refused(part: str, value: Any) -> None:
    card = {**CARD.model_dump(mode="json"), part: value}
    stored = json.dumps(json.loads(ENTRY) | {"card": card}).encode()
    entry = read_or_refused(layout.decode_entry, VERSION_FIELD, stored)
    if entry is not None:
        json.dumps(entry.card.model_dump(mode="json"), allow_nan=False).encode()


@given(st.sampled_from(["at", "actor", "reason"]), JSON)
def test_a_retirement_with_any_part_is_read_or_refused(part: str, value: Any) -> None:
    stored = json.dumps(json.loads(RETIREMENT) | {part: value}).encode()
    read = read_or_refused(layout.decode_retirement, VERSION_FIELD, stored)
    if read is not None:
        layout.encode_retirement(read[1]).encode()
        assert str(read[1]).encode()
