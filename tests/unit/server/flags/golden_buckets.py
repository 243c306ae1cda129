"""Writes golden_buckets.json from flagd-core alone. Run once; a new run must change nothing.

python tests/unit/server/flags/golden_buckets.py
"""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext

PAGE = Path(__file__).with_suffix(".json")
FLAGS = ["empathy-dose", "tone.v2_b", "ab"]
WEIGHTS = [
    [["on", 10], ["off", 90]],
    [["on", 50], ["off", 50]],
    [["on", 1], ["off", 1], ["third", 1]],
    [["on", 1], ["off", 2**31 - 2]],
]
KEYS = [
    *("acme", "globex", "a", "A", " acme", "acme ", "user@example.com"),
    *("0", "1", "-1", "1.0", "true", "null", "0190b1a7-3c5e-7d11-9f0e-6a2f4c1d8e77"),
    *(
        "Zoë",
        "Zoe\u0308",
        "用户-42",
        "пользователь",
        "مستخدم",
        "🦜",
        "👩\u200d🚀",
        "e" * 300,
        "line\nbreak",
        "\u0000",
    ),
]


def variant(flag: str, key: str, weights: list[list[object]]) -> str:
    variants = {str(name): str(name) for name, _ in weights}
    core = FlagdCore()
    core.set_flags(
        {
            "flags": {
                flag: {
                    "state": "ENABLED",
                    "variants": variants,
                    "defaultVariant": "on",
                    "targeting": {"fractional": weights},
                }
            }
        }
    )
    return core.resolve_string_value(flag, "none", EvaluationContext(key, {})).value


if __name__ == "__main__":
    buckets = [
        {
            "flag": flag,
            "targeting_key": key,
            "weights": weights,
            "variant": variant(flag, key, weights),
        }
        for flag in FLAGS
        for key in KEYS
        for weights in WEIGHTS
    ]
    version = importlib.metadata.version("openfeature-flagd-core")
    lines = ",\n".join(json.dumps(bucket) for bucket in buckets)
    PAGE.write_text(
        f'{{"made_by": "openfeature-flagd-core {version}", "buckets": [\n{lines}\n]}}\n'
    )
