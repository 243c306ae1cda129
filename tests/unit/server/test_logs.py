"""What we say in the server's log never stands in the way of what we do."""

from __future__ import annotations

from contextlib import suppress

import pytest
import structlog

from steersman_server.logs import Printer, configure_logs


@pytest.fixture
def configured():
    configure_logs()
    yield
    structlog.reset_defaults()


def test_a_line_is_printed(configured, capsys):
    structlog.get_logger("x").warning("registry_stale", age_s=3)
    assert "registry_stale" in capsys.readouterr().out


@pytest.mark.parametrize("broken", ["full", "closed"])
def test_a_line_that_cannot_be_printed_is_lost_and_nothing_else(broken, tmp_path):
    to = (tmp_path / "log").open("w") if broken == "closed" else open("/dev/full", "w", 1)  # noqa: SIM115
    if broken == "closed":
        to.close()
    with pytest.raises((OSError, ValueError)):
        print("x", file=to, flush=True)
    structlog.wrap_logger(Printer(to)).error("full")
    with suppress(OSError):
        to.close()
