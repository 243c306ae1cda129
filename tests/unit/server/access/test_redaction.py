"""Keys in a URL do not reach the access log."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from steersman_server.access.redaction import ACCESS_LOG, redact_access_log, without_keys
from steersman_server.tenants.keys import make_key

NOW = datetime(2026, 5, 1, tzinfo=UTC)
MADE = [make_key(now=NOW, tenant="acme") for _ in range(50)]
MADE += [make_key(now=NOW, role="admin") for _ in range(50)]


def test_only_the_start_of_a_key_is_left():
    for made in MADE:
        start, _, secret = made.secret.partition(f"_{made.id}_")
        shown = without_keys(f"/admin/v1/keys/{made.secret}?a={made.secret}&b=1")
        assert shown == f"/admin/v1/keys/{start}_{made.id}_...?..."
        assert secret not in shown
    assert without_keys("/v1/models?key=sk%2Dsteer_") == "/v1/models?..."
    assert without_keys("/v1/models") == "/v1/models"


def test_the_access_log_is_redacted_once(caplog):
    redact_access_log()
    redact_access_log()
    logger = logging.getLogger(ACCESS_LOG)
    assert len(logger.filters) == 1
    with caplog.at_level(logging.INFO, ACCESS_LOG):
        logger.info('%s - "%s %s HTTP/%s" %d', "::1", "GET", f"/{MADE[0].secret}", "1.1", 200)
    assert MADE[0].secret not in caplog.text
    assert MADE[0].id in caplog.text
