from __future__ import annotations

import pytest

from tests.redis_server import redis_server
from tests.unit.server.control.admin_server import admin_server


@pytest.fixture(scope="module")
def admin(tmp_path_factory):
    """The admin API, on a registry of its own for each module of tests."""
    folder = tmp_path_factory.mktemp("admin")
    with redis_server(folder / "redis") as redis, admin_server(redis, folder / "data") as running:
        yield running
