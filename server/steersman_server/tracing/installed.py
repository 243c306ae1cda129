"""Whether spans can be sent at all, told before the engine starts."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from steersman_vectors.errors import OperatorError

NEEDED = {
    "opentelemetry.sdk.trace": "opentelemetry-sdk",
    "opentelemetry.exporter.otlp.proto.grpc": "opentelemetry-exporter-otlp",
    "opentelemetry.exporter.otlp.proto.http": "opentelemetry-exporter-otlp",
}
"""Module -> the distribution that has it. vLLM's own wheels require both."""


def check_installed(endpoint: str | None, find: Callable[[str], object] = find_spec) -> None:
    """Raises `OperatorError(tracing_unavailable)` where an endpoint is given and nobody can send.

    Imports no more than the namespace packages above those modules.
    """
    if endpoint is None:
        return
    missing = sorted({name for module, name in NEEDED.items() if not _is_there(module, find)})
    if missing:
        raise OperatorError(
            f"--otlp-traces-endpoint {endpoint} needs packages that are not installed: "
            f"{', '.join(missing)}. Run `pip install {' '.join(missing)}`, or leave the option out",
            code="tracing_unavailable",
        )


def _is_there(module: str, find: Callable[[str], object]) -> bool:
    try:
        return find(module) is not None
    except ModuleNotFoundError:  # of a package above it
        return False
