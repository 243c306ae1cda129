"""vLLM's arguments, completed for steering. Pure over the parsed namespace and MODEL's folder."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import entry_points
from typing import Any

from steersman_vectors.engine_contract import CONFIG_KEY, WORKER_EXTENSION, EngineSteering
from steersman_vectors.errors import OperatorError

from ..access.routes import GENERATION_ROUTES, RouteClass, classify
from ..access.settings import is_loopback
from ..engine.self_test import LOGPROBS
from .model_options import other_model

LOOPBACK = "127.0.0.1"
OTHER_PLUGIN_GROUPS = (
    "vllm.general_plugins",
    "vllm.io_processor_plugins",
    "vllm.platform_plugins",
    "vllm.stat_logger_plugins",
)


def complete(args: Namespace, steering: EngineSteering) -> Namespace:
    """Returns vLLM's serve arguments with steering switched on, and its own keys switched off.

    Raises `OperatorError` when an argument contradicts it.
    """
    done = Namespace(**vars(args))
    if done.worker_extension_cls not in ("", None, WORKER_EXTENSION):
        raise OperatorError(
            f"--worker-extension-cls {done.worker_extension_cls} is in the place that steering "
            "needs; vLLM takes one only. Remove it, or mix your class and "
            f"{WORKER_EXTENSION} into one that subclasses both",
            code="engine_option_unsupported",
        )
    unsupported = [*_without_edge(done), *_without_self_test(done), *other_model(done)]
    if unsupported:
        raise OperatorError(
            "cannot serve with " + "; ".join(unsupported), code="engine_option_unsupported"
        )
    done.worker_extension_cls = done.worker_extension_cls or WORKER_EXTENSION
    done.additional_config = with_steering(done.additional_config, steering)
    done.host = done.host or LOOPBACK
    # The gate knows these keys, and all others; vLLM's own check would refuse a tenant's.
    done.api_key = None
    return done


def check_reachable(host: str, uds: str | None, *, has_key: bool) -> None:
    """Raises `OperatorError(keys_required)` for a server that other machines reach without keys.

    has_key: whether there is any key, of a caller or of an operator.
    """
    if not has_key and uds is None and not is_loopback(host):
        raise OperatorError(
            f"--host {host} would answer other machines, and there is no key for anybody. Make one "
            "with `steersman keys create`, set STEERSMAN_ADMIN_KEY, add --api-key KEY, or leave "
            f"--host out to serve on {LOOPBACK} only",
            code="keys_required",
        )


def check_public(routes: Sequence[str]) -> None:
    """Raises `OperatorError(engine_option_unsupported)` for a route that needs to know its caller.

    Nobody may generate, or operate, without a key where there are keys.
    """
    for route in routes:
        known = classify(route, opened=GENERATION_ROUTES)
        if known in (RouteClass.TENANT, RouteClass.ADMIN):
            raise OperatorError(
                f"--public-route {route}: this route needs to know whose request it is. Routes "
                "such as /metrics or /openapi.json can be public",
                code="engine_option_unsupported",
            )


def check_shadows(shadow: float, sample: float) -> None:
    """Raises `OperatorError(engine_option_invalid)` for more shadows than answers looked at."""
    if shadow > sample:
        raise OperatorError(
            f"--quality-shadow {shadow:g} is more than --quality-sample {sample:g}: a shadow is "
            "compared with an answer that is looked at. Give a larger --quality-sample, or fewer "
            "shadows",
            code="engine_option_invalid",
        )


def _without_edge(args: Namespace) -> Iterator[str]:
    """Yields options under which requests do not pass the place where steering is decided."""
    if getattr(args, "grpc", False) or getattr(args, "headless", False):
        yield "--grpc or --headless, which have no HTTP server: steering is decided there"
    if getattr(args, "data_parallel_multi_port_external_lb", False):
        yield (
            "--data-parallel-multi-port-external-lb, which starts servers without steering: start "
            "one `steersman serve` for each rank instead"
        )


def _without_self_test(args: Namespace) -> Iterator[str]:
    """Yields options under which the boot self-test cannot see what it must."""
    if 0 <= args.max_logprobs < LOGPROBS:
        yield (
            f"--max-logprobs {args.max_logprobs}: the boot self-test compares the first "
            f"{LOGPROBS}. Give more, or leave it out"
        )


def api_keys(given: Sequence[str] | None, environment: str | None) -> tuple[str, ...]:
    """Returns the keys of --api-key, or that of VLLM_API_KEY.

    Raises `OperatorError(keys_required)` for an empty --api-key, which is a variable not set.
    """
    if given and not all(key.strip() for key in given):
        raise OperatorError(
            "--api-key is empty, which would be nobody's key. Give a key, or leave it out",
            code="keys_required",
        )
    own = (environment or "").strip()
    return tuple(given) if given else ((own,) if own else ())


def plugin_allowlist(current: str | None) -> str:
    """Returns `VLLM_PLUGINS` with steersman in it, and with all that would be loaded without.

    NOTE: vLLM loads endpoint plugins only when they are named, and naming one switches every other
    plugin off that is not named too.
    """
    names: Iterable[str]
    if current is not None:
        names = [name for name in current.split(",") if name]
    else:
        names = {p.name for group in OTHER_PLUGIN_GROUPS for p in entry_points(group=group)}
    return ",".join(sorted({*names, "steersman"}))


def with_steering(additional: Any, steering: EngineSteering) -> dict[str, Any]:
    """Returns vLLM's `additional_config` with the engine's steering options in it."""
    config = json.loads(additional) if isinstance(additional, str) else dict(additional or {})
    return {**config, CONFIG_KEY: steering.model_dump(mode="json")}
