"""How hypothesis searches, and how tests are shared out to several processes.

`HYPOTHESIS_PROFILE=deep make test` looks thirty times longer.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import settings

# No deadline: a busy machine is slow, not wrong.
settings.register_profile("patient", deadline=None)
settings.register_profile("deep", deadline=None, max_examples=3000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "patient"))

TOGETHER = (
    (
        "tests/e2e/test_routes",
        "tests/e2e/test_tenant",
        "tests/e2e/test_backoff",
        "tests/e2e/test_watched",
        "tests/e2e/test_metrics.py::test_two_",
        "tests/e2e/test_metrics.py::test_one_of_two_",
        "tests/e2e/test_top.py::test_with_keys",
    ),
    (
        "tests/e2e/test_openai_client",
        "tests/e2e/test_operator",
        "tests/e2e/test_metrics",
        "tests/e2e/test_quality",
        "tests/e2e/test_traces",
        "tests/e2e/test_top",
    ),
    ("tests/e2e/test_demo", "tests/e2e/test_pairs"),
    (
        "tests/engine/test_calibrate",
        "tests/engine/test_capture",
        "tests/engine/test_judges",
        "tests/engine/test_offline",
    ),
    ("tests/engine/",),
    ("tests/engine_v2/",),
)
"""How the names begin of tests that share a server or engines: one process runs them all. The first
that fits holds."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Shares out those and, elsewhere, files: nothing is booted twice.

    NOTE: by names, because pytest-xdist 3.8's own marks for groups do nothing under pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            shared = (names[0] for names in TOGETHER if nodeid.startswith(names))
            return next(shared, nodeid.partition("::")[0])

    config.option.loadscopereorder = False  # as collected: what boots first, small files last
    return Scheduling(config, log)
