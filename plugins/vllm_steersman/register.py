"""The `vllm.general_plugins` entry point: runs once in every process that vLLM starts."""

from __future__ import annotations

from . import compat
from .orphan import end_with_parent


def register() -> None:
    """Installs the seams; they stay inert in an engine that was started without steering.

    Raises `OperatorError(vllm_version_unverified)` on a vLLM that the seams were not verified on.
    """
    compat.check_version()
    compat.install()
    end_with_parent()
