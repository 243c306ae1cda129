"""Engines are found by the entry points of installed packages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.sweep.engines import find_engine

MADE_UP = """[steersman.engines]
made-up = made_up_engine:open_engine
absent = no_such_package:open_engine
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A made-up distribution with an engine that is there, and one that is not."""
    info = tmp_path / "made_up-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: made-up\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(MADE_UP)
    (tmp_path / "made_up_engine.py").write_text("def open_engine(): return 'open'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "made_up_engine", raising=False)


@pytest.mark.usefixtures("installed")
def test_it_is_found_by_name() -> None:
    assert find_engine("made-up")() == "open"  # type: ignore[call-arg, comparison-overlap]
    with pytest.raises(CallerError, match=r"expected one of those installed: .*made-up") as caught:
        find_engine("other")
    assert caught.value.code == "unknown_engine"
    with pytest.raises(OperatorError, match="no_such_package") as missing:
        find_engine("absent")
    assert missing.value.code == "engine_missing"
