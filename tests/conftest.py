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

ENGINES = ("tests/e2e/", "tests/engine/", "tests/engine_v2/")
"""Folders whose files share servers or engines, so that one process runs them all."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Shares out those folders and, elsewhere, files: nothing is booted twice.

    NOTE: by names, because pytest-xdist 3.8's own marks for groups do nothing under pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            folders = (folder for folder in ENGINES if nodeid.startswith(folder))
            return next(folders, nodeid.partition("::")[0])

    return Scheduling(config, log)
