from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError
from steersman_vectors.names import NAME_PATTERN, VectorRef, check_name, parse_ref

NAMES = st.from_regex(NAME_PATTERN, fullmatch=True)
ALIASES = NAMES.filter(lambda name: not name.isdigit())


@given(NAMES, st.none() | st.integers(1, 2**31 - 1) | ALIASES)
def test_a_reference_survives_its_text(name: str, rest: int | str | None) -> None:
    version = rest if isinstance(rest, int) else None
    alias = rest if isinstance(rest, str) else None
    ref = VectorRef(name, version=version, alias=alias)
    assert parse_ref(str(ref)) == ref


@given(st.text())
def test_any_text_is_a_reference_or_a_caller_error(text: str) -> None:
    with suppress(CallerError):
        ref = parse_ref(text)
        assert parse_ref(str(ref)) == ref


@pytest.mark.parametrize(
    "name", ["", "A", "-a", "a-", "a b", "a/b", "a@1", "é", "a\n", "a" * 65, "../a", "a*"]
)
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(CallerError, match="expected 1 to 64 characters"):
        check_name(name)


@pytest.mark.parametrize("text", ["a@0", "a@-1", "a@2147483648", "a@99999999999", "a@٣", "a@1@2"])
def test_versions_that_are_refused(text: str) -> None:
    with pytest.raises(CallerError):
        parse_ref(text)
