"""vLLM's arguments, completed for steering. Pure over the parsed namespace and MODEL's folder."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import entry_points
from typing import Any

from steersman_vectors.engine_contract import CONFIG_KEY, WORKER_EXTENSION, EngineSteering
from steersman_vectors.errors import OperatorError

from ..control.access import is_loopback
from ..engine.self_test import LOGPROBS
from .model_options import other_model

LOOPBACK = "127.0.0.1"
OTHER_PLUGIN_GROUPS = (
    "vllm.general_plugins",
    "vllm.io_processor_plugins",
    "vllm.platform_plugins",
    "vllm.stat_logger_plugins",
)


def complete(args: Namespace, steering: EngineSteering, *, has_api_key: bool) -> Namespace:
    """Returns vLLM's serve arguments with steering switched on.

    Raises `OperatorError` when an argument contradicts it, or when the server would answer other
    machines without any key.
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
    done.additional_config = _with_steering(done.additional_config, steering)
    done.host = done.host or LOOPBACK
    if not has_api_key and done.uds is None and not is_loopback(done.host):
        raise OperatorError(
            f"--host {done.host} would answer other machines without any key. Add --api-key KEY, "
            f"or leave --host out to serve on {LOOPBACK} only",
            code="keys_required",
        )
    return done


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


def has_api_key(given: Sequence[str] | None, environment: str | None) -> bool:
    """Returns whether vLLM will ask for a key: it ignores empty ones.

    Raises `OperatorError(keys_required)` for an empty --api-key, which is a variable not set.
    """
    if given and not all(key.strip() for key in given):
        raise OperatorError(
            "--api-key is empty, and vLLM would ask nobody for a key. Give a key, or leave it out",
            code="keys_required",
        )
    return bool(given or (environment or "").strip())


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


def _with_steering(additional: Any, steering: EngineSteering) -> dict[str, Any]:
    config = json.loads(additional) if isinstance(additional, str) else dict(additional or {})
    return {**config, CONFIG_KEY: steering.model_dump(mode="json")}
