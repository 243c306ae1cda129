"""Prefix-cache keys of steered blocks: a cached block is reused only where it would be the same.

The key-value entries of a position depend on what was added to it in earlier layers and, through
attention, on every position before. vLLM chains block hashes, so it is enough that each block's own
key tells what is done inside it. Blocks without a steered position keep vLLM's key: they are shared
by all tenants, vectors and alphas.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any

from steersman_vectors.plan import EXTRA_ARGS_KEY, SteeringPlan, clip, decode_plan
from steersman_vectors.schedule import is_constant

from . import compat

_MEMO = "_steersman_plan"


def steering_hash_keys(request: Any, start: int, end: int) -> list[tuple[str, bytes]]:
    """Returns the extra key of the block `[start, end)` of a scheduler-side request, or nothing.

    NOTE: intake has decoded and bound the plan before; here, inside the engine, nothing may fail.
    """
    params = compat.request_sampling_params(request)
    if params is None or not params.extra_args or EXTRA_ARGS_KEY not in params.extra_args:
        return []
    plan: SteeringPlan | None = getattr(request, _MEMO, None)
    if plan is None:
        plan = decode_plan(params.extra_args[EXTRA_ARGS_KEY])
        setattr(request, _MEMO, plan)
    key = block_key(plan, start, end)
    return [] if key is None else [("steering", key)]


def block_key(plan: SteeringPlan, start: int, end: int) -> bytes | None:
    """Returns what is done inside `[start, end)` as 32 bytes, or None when nothing is.

    Equal for two plans only when they add the same delta with the same gates at the same offsets;
    under a constant schedule the distance from the turn start does not matter. Not always then:
    turns that touch, `(0, 4), (4, 8)`, are not the key of `(0, 8)`.
    """
    if not plan.terms:
        return None
    moving = not is_constant(plan.schedule)
    parts = [
        struct.pack("<QQQ", first - start, stop - start, first - turn_start if moving else 0)
        for turn_start, first, stop in clip(plan.turns or (), start, end)
    ]
    if not parts:
        return None
    return hashlib.sha256(plan.digest.encode() + b"".join(parts)).digest()
