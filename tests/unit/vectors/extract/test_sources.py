"""Sources by name, out of the metadata of installed distributions."""

from __future__ import annotations

from pathlib import Path

import pytest

from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.extract import hf
from steersman_vectors.extract.contract import ENTRY_POINTS
from steersman_vectors.extract.sources import find_source
from tests.unit.vectors.extract.declared import distribution


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {ENTRY_POINTS: {"mine": "json:dumps", "gone": "no_such_package.source:open"}}
    monkeypatch.syspath_prepend(str(distribution(tmp_path, entries)))


@pytest.mark.usefixtures("declare")
def test_found_by_name() -> None:
    import json

    assert find_source("mine") is json.dumps


@pytest.mark.usefixtures("declare")
def test_unknown_ones_are_told_with_those_there_are() -> None:
    with pytest.raises(CallerError, match=r"'yours', expected one of .*mine") as refused:
        find_source("yours")
    assert refused.value.code == "unknown_backend"


@pytest.mark.usefixtures("declare")
def test_packages_that_are_missing() -> None:
    with pytest.raises(OperatorError, match=r"no_such_package.*steersman\[cpu\]") as refused:
        find_source("gone")
    assert refused.value.code == "backend_missing"


def test_ours_is_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(distribution(tmp_path)))
    assert find_source("hf") is hf.open_source
