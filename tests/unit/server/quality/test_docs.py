"""docs/backoff.md: the table of false and of late steps, simulated anew."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from steersman_server.quality.backoff import surely_above
from steersman_server.quality.window import Counts

PAGE = Path(__file__).parents[4] / "docs" / "backoff.md"
ROW = re.compile(
    r"^\| (\d+)% \| (\d+) \| (?:1 in ([\d,]+)|none in [\d,]+) \| (\d+) \| (\d+) \|$", re.M
)
ANSWERS = 2_000_000
RUNS, LONGEST, MIN_ANSWERS = 400, 1_500, 20
ROWS = [
    (int(limit) / 100, int(size), int(rare.replace(",", "")) if rare else None, int(mid), int(late))
    for limit, size, rare, mid, late in ROW.findall(PAGE.read_text())
]


def enough(answers: int, limit: float) -> int:
    """Returns how many degenerate ones of so many answers lead to a step."""
    return next(k for k in range(answers + 2) if surely_above(limit, Counts(answers, k)))


def test_the_table_is_read():
    assert len(ROWS) == 9


@pytest.mark.parametrize(("limit", "size", "rare", "median", "late"), ROWS)
def test_false_steps(limit, size, rare, median, late):
    """Of a window that always holds so many answers: how often it comes to cross the limit."""
    rng = np.random.default_rng(1)
    total = np.concatenate([[0], np.cumsum(rng.random(ANSWERS) < limit / 2)])
    above = total[size:] - total[:-size] >= enough(size, limit)
    crossed = int((above[1:] & ~above[:-1]).sum())
    expected = 0.0 if rare is None else ANSWERS / rare
    assert abs(crossed - expected) <= 3.0 * max(1.0, expected**0.5) + 0.1 * expected


@pytest.mark.parametrize(("limit", "size", "rare", "median", "late"), ROWS)
def test_late_steps(limit, size, rare, median, late):
    """From an empty window on, which then holds so many answers at most."""
    rng = np.random.default_rng(1)
    total = np.cumsum(rng.random((RUNS, LONGEST)) < 3 * limit, axis=1)
    total = np.concatenate([np.zeros((RUNS, 1), int), total], axis=1)
    needed = np.array([enough(n, limit) for n in range(MIN_ANSWERS, size + 1)])
    at = np.arange(MIN_ANSWERS, LONGEST + 1)
    seen = total[:, at] - total[:, np.maximum(at - size, 0)]
    met = seen >= needed[np.minimum(at, size) - MIN_ANSWERS]
    steps = at[met.argmax(axis=1)]
    assert met.any(axis=1).all()
    assert np.median(steps) == pytest.approx(median, rel=0.2)
    assert np.percentile(steps, 99) == pytest.approx(late, rel=0.3)
