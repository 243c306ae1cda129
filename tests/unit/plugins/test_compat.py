"""Versions: verified, overridden, refused."""

from __future__ import annotations

import pytest

from steersman_vectors.errors import OperatorError
from vllm_steersman import compat


@pytest.mark.parametrize("version", compat.VERIFIED_VERSIONS)
def test_a_verified_version_passes(monkeypatch, version):
    monkeypatch.setattr(compat, "vllm_version", lambda: version)
    compat.check_version()


def test_an_unknown_version_refuses_to_start_and_names_the_override(monkeypatch):
    monkeypatch.setattr(compat, "vllm_version", lambda: "9.9.9")
    with pytest.raises(OperatorError, match=r"STEERSMAN_ALLOW_VLLM=9\.9\.9"):
        compat.check_version()


def test_the_override_is_for_one_version_only(monkeypatch):
    monkeypatch.setattr(compat, "vllm_version", lambda: "9.9.9")
    monkeypatch.setenv(compat.OVERRIDE_ENV, "9.9.8")
    with pytest.raises(OperatorError):
        compat.check_version()
    monkeypatch.setenv(compat.OVERRIDE_ENV, "9.9.9")
    compat.check_version()
