"""Values of options, wherever the command is run."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from steersman_server.cli.values import moment, pairs
from steersman_vectors.errors import CallerError

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30d", NOW + timedelta(days=30)),
        ("12h", NOW + timedelta(hours=12)),
        ("90m", NOW + timedelta(minutes=90)),
        ("5s", NOW + timedelta(seconds=5)),
        ("2w", NOW + timedelta(weeks=2)),
        ("2027-01-01", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2027-01-01T00:00Z", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2027-01-01T02:00+02:00", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2027-01-01T08:30", datetime(2027, 1, 1, 8, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_does_not_depend_on_where_it_is_typed(
    monkeypatch: pytest.MonkeyPatch, text: str, expected: datetime
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert moment("--expires", text, NOW, ago=False) == expected
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_span_ago_reaches_back() -> None:
    assert moment("--since", "2h", NOW, ago=True) == NOW - timedelta(hours=2)


@pytest.mark.parametrize("text", ["", "d", "1.5h", "-2h", "2 h", "999999w", "2027-13-01", "2h ago"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(CallerError, match="such as 30d"):
        moment("--since", text, NOW, ago=True)


def test_pairs_split_at_the_first_equals_sign() -> None:
    assert pairs("--label", ["a=b=c", "d="], "x=y") == {"a": "b=c", "d": ""}
    for bad in (["a"], ["=b"], ["a=1", "a=2"]):
        with pytest.raises(CallerError, match="--label"):
            pairs("--label", bad, "x=y")
