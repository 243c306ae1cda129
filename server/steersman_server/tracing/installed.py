"""Whether spans can be sent at all, told before the engine starts."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from urllib.parse import urlsplit

from steersman_vectors.errors import CallerError, OperatorError

NEEDED = {
    "opentelemetry.sdk.trace": "opentelemetry-sdk",
    "opentelemetry.exporter.otlp.proto.grpc": "opentelemetry-exporter-otlp",
    "opentelemetry.exporter.otlp.proto.http": "opentelemetry-exporter-otlp",
}
"""Module -> the distribution that has it. vLLM's own wheels require both."""


PROTOCOLS = ("grpc", "http/protobuf")
PROTOCOL_ENV = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
GRPC_NAMES = ("unix", "unix-abstract", "dns", "ipv4", "ipv6", "vsock", "xds")
"""Schemes of addresses that gRPC resolves by itself."""


def check_endpoint(endpoint: str | None, protocol: str | None) -> None:
    """Raises `CallerError(invalid_option)` for an address that no exporter could send to.

    protocol: from the environment; None: gRPC. The exporters take any text and fail in the
    background, or vLLM ends minutes later.
    """
    if endpoint is None:
        return
    protocol = protocol or PROTOCOLS[0]
    if protocol not in PROTOCOLS:
        raise CallerError(
            f"{PROTOCOL_ENV}: got {protocol[:40]!r}, expected {' or '.join(PROTOCOLS)}",
            code="invalid_option",
            param="otlp-traces-endpoint",
        )
    if not _can_be_sent_to(endpoint, grpc=protocol == "grpc"):
        raise CallerError(
            f"--otlp-traces-endpoint: got {endpoint[:80]!r}, expected "
            + ("http://HOST:4317" if protocol == "grpc" else "http://HOST:4318/v1/traces"),
            code="invalid_option",
            param="otlp-traces-endpoint",
        )


def _can_be_sent_to(endpoint: str, *, grpc: bool) -> bool:
    if grpc and endpoint.partition(":")[0] in GRPC_NAMES:
        return True
    bare = grpc and "://" not in endpoint
    try:
        parts = urlsplit(f"http://{endpoint}" if bare else endpoint)
        port = parts.port  # raises for one that is no port
    except ValueError:
        return False
    named = bool(parts.hostname) and not any(c.isspace() for c in endpoint)
    return named and parts.scheme in ("http", "https") and port != 0 and not (bare and port is None)


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
