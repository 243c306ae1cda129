"""Starts the server: fingerprint, registry, then vLLM in this process."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import importlib
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from steersman_vectors.engine_contract import EngineSteering
from steersman_vectors.errors import OperatorError
from steersman_vectors.model_dir import read_shape, resolve_model_dir
from steersman_vectors.registry.connection import identity
from steersman_vectors.registry.documents import of_kind
from steersman_vectors.registry.embedded import check_not_served, open_registry
from steersman_vectors.registry.local_copy import LocalCopy
from steersman_vectors.registry.reader import RegistryReader
from steersman_vectors.registry.snapshot import RegistrySnapshot

from ..access.settings import ADMIN_KEY_ENV, access_settings, is_loopback
from ..cli.output import print_warning, print_warnings
from ..cli.progress import fingerprint_of
from ..engine.vllm_api import parse_serve_args, run_server, traces_endpoint
from ..intent.load import load_classifier
from ..quality.logprob_gate import LOGPROB_SHARE
from ..quality.sampler import QUALITY_SAMPLE
from ..readout.slots import ReadoutSlot, with_layers
from ..settings import ServerSettings
from ..tracing.installed import PROTOCOL_ENV, check_endpoint, check_installed
from .arguments import (
    api_keys,
    check_public,
    check_reachable,
    check_shadows,
    complete,
    plugin_allowlist,
    with_steering,
)
from .library import publish, read_library


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Steersman's own options of `serve`; the rest is vLLM's."""

    model: str
    data_dir: Path
    steering: EngineSteering
    vllm_args: Sequence[str] = ()
    redis_url: str | None = None
    """None: a private Valkey in the data directory."""
    library: Path | None = None
    """Vectors to publish first."""
    try_it: bool = False
    open_routes: Sequence[str] = ()
    """Routes of vLLM's that operators may use."""
    public_routes: Sequence[str] = ()
    """Routes that need no key."""
    intents: Path | None = None
    """The intent classifier."""
    max_body_mib: int = 16
    quality_sample: float = QUALITY_SAMPLE
    """Share of requests whose answers are judged."""
    quality_shadow: float = 0.0
    """Share of requests of which the steered ones are run unsteered too."""
    readout: tuple[ReadoutSlot, ...] = ()
    """Vectors to read out; the first block of each is found at the start."""
    quality_logprob_share: float = LOGPROB_SHARE
    """Share of time in which one of them asks for log-probabilities."""


def serve(options: ServeOptions) -> None:
    """Runs until the server ends. Raises `SteersmanError` when it cannot start."""
    model_dir = resolve_model_dir(options.model)
    shape = read_shape(model_dir)
    check_public(options.public_routes)
    check_shadows(options.quality_shadow, options.quality_sample)
    if options.intents is not None:
        load_classifier(options.intents)  # half a second; the server would say it minutes later
    if options.steering.layers != "global":  # which those are, vLLM's view of the config tells
        options.steering.layer_indices(shape.num_layers)
    copy = options.data_dir / "registry-copy" / _copy_name(options.redis_url)
    if options.redis_url is not None:
        _check_registry(options.redis_url, LocalCopy(copy))
    else:
        check_not_served(options.data_dir)
    vectors = [] if options.library is None else read_library(options.library, shape)
    _before_vllm()
    # The folder, not the name: what is fingerprinted is served, whatever the hub has by now.
    given = parse_serve_args([str(model_dir), *options.vllm_args])
    given.served_model_name = given.served_model_name or [options.model]
    callers = api_keys(given.api_key, os.environ.pop("VLLM_API_KEY", None))
    args = complete(given, options.steering)
    check_endpoint(traces_endpoint(args), os.environ.get(PROTOCOL_ENV))
    check_installed(traces_endpoint(args))
    if args.uds is None:
        check_port_is_free(args.host, args.port)
    digest = fingerprint_of(options.model).digest
    on_loopback = args.uds is not None or is_loopback(args.host)
    with _registry(options) as url:
        try:
            print_warnings(publish(vectors, url=url, fingerprint=digest))
        except OperatorError as error:
            if error.code != "registry_unavailable" or LocalCopy(copy).load() is None:
                raise
            print_warning(f"{error.message}. Starting from this machine's copy in {copy}")
        _prune(LocalCopy(copy))
        if not on_loopback:
            given_key = bool(callers or os.environ.get(ADMIN_KEY_ENV))
            check_reachable(args.host, args.uds, has_key=given_key or _has_keys(url, copy))
        slots = _readout(options, _snapshot(url, copy), digest, shape.num_layers)
        steering = options.steering.model_copy(
            update={"readout": tuple(s.layer for s in slots if s.layer is not None)}
        )
        args.additional_config = with_steering(args.additional_config, steering)
        ServerSettings(
            registry_url=url,
            fingerprint=digest,
            shape=shape,
            data_dir=options.data_dir,
            registry_copy=copy,
            server_pid=os.getpid(),
            access=access_settings(
                api_keys=callers,
                admin_key=os.environ.pop(ADMIN_KEY_ENV, None),
                on_loopback=on_loopback,
                opened=tuple(options.open_routes),
                public=tuple(options.public_routes),
            ),
            max_body_bytes=options.max_body_mib * 2**20,
            api_processes=args.api_server_count or 1,
            intents=None if options.intents is None else options.intents.absolute(),
            quality_sample=options.quality_sample,
            quality_shadow=options.quality_shadow,
            readout=slots,
            quality_logprob_share=options.quality_logprob_share,
            model_names=tuple(args.served_model_name),
            try_it_url=f"http://{args.host}:{args.port}" if options.try_it else None,
        ).to_environment()
        run_server(args)


@contextmanager
def _registry(options: ServeOptions) -> Iterator[str]:
    """Gives the URL of the registry: a Redis, or the data directory's own Valkey, started."""
    if options.redis_url is not None:
        yield options.redis_url
        return
    with open_registry(options.data_dir) as registry:
        yield registry.url


def _check_registry(url: str, local: LocalCopy) -> None:
    """Raises `OperatorError` for a Redis that does not answer and was never copied here.

    Before vLLM is imported, which takes longer than this.
    """

    async def ask() -> None:
        async with RegistryReader(url) as reader:
            await reader.revision()

    try:
        asyncio.run(ask())
    except OperatorError:
        if local.load() is None:
            raise


def _readout(
    options: ServeOptions, snapshot: RegistrySnapshot | None, fingerprint: str, num_layers: int
) -> tuple[ReadoutSlot, ...]:
    """Returns the slots of the read-out with their blocks, which the compiled graph holds.

    Raises `OperatorError(invalid_readout)` for a block that is not steered.
    """
    served = None
    if options.steering.layers != "global":
        served = options.steering.layer_indices(num_layers)
    slots = options.readout
    if snapshot is not None:
        slots = with_layers(slots, snapshot, fingerprint, served)
    for slot in slots:
        if slot.layer is None:
            print_warning(
                f"--readout: no vector {slot.vector} yet that this engine serves, so its decoder "
                "block is not known and it is not read out. Publish it and restart, or name the "
                f"block: --readout {slot.vector}:LAYER"
            )
    if served is not None:
        EngineSteering(readout=tuple(s.layer for s in slots if s.layer is not None)).check_readout(
            served
        )
    return slots


def _snapshot(url: str, copy: Path) -> RegistrySnapshot | None:
    """Returns the registry as far as it can be told now: what it says, or its copy here."""

    async def ask() -> RegistrySnapshot:
        async with RegistryReader(url) as reader:
            return await reader.snapshot()

    try:
        return asyncio.run(ask())
    except OperatorError:
        return LocalCopy(copy).load()


def _has_keys(url: str, copy: Path) -> bool:
    """Returns whether the registry has a key for anybody, as far as can be told now."""
    snapshot = _snapshot(url, copy)
    return snapshot is not None and bool(of_kind(snapshot.documents, "key"))


def _prune(local: LocalCopy) -> None:
    """Removes files of vectors that the registry, as last copied, no longer has."""
    kept = local.load()
    if kept is not None:
        local.prune([entry.digest for entry in kept.entries()])


def _copy_name(redis_url: str | None) -> str:
    """Returns the folder name of a registry's copy: another Redis, another history."""
    if redis_url is None:
        return "private"
    return hashlib.sha256(identity(redis_url).encode()).hexdigest()[:16]


def check_port_is_free(host: str, port: int) -> None:
    """Raises `OperatorError(port_in_use)` when another process listens there."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, OverflowError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        raise OperatorError(
            f"cannot listen on {host}:{port}: "
            + ("another process does. " if taken else f"{error}. ")
            + "Choose another with --port (with make: PORT=)",
            code="port_in_use" if taken else "address_unavailable",
        ) from error


def _before_vllm() -> None:
    """Sets what vLLM reads from the environment while it is imported."""
    if not sys.platform.startswith("linux"):
        raise OperatorError("steersman serve runs on Linux only", code="platform_unsupported")
    os.environ["VLLM_PLUGINS"] = plugin_allowlist(os.environ.get("VLLM_PLUGINS"))
    if os.environ.get("VLLM_USE_RUST_FRONTEND", "0") not in ("", "0"):
        raise OperatorError(
            "VLLM_USE_RUST_FRONTEND replaces the server in which steering is decided; unset it",
            code="engine_option_unsupported",
        )
    # vLLM merely warns of an endpoint plugin that it cannot load, and serves without the edge.
    importlib.import_module("steersman_server.app")
