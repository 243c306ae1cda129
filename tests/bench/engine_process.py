"""One engine in a process of its own, driven by lines of JSON: what `test_throughput.py` compares.

The engine runs in this very process (no engine core of its own), so that a step's time is the
step's and nothing else's.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import numpy as np

PROMPT_TOKENS = 32
VOCABULARY = 8000


def start(options: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    """Returns the engine and its vectors, by name -> digest; stock vLLM has none."""
    from vllm import LLM

    steered: dict[str, Any] = {}
    if options["layers"] is not None:
        from vllm_steersman import engine_args

        layers = options["layers"]
        steered = engine_args(layers if layers == "all" else tuple(layers))
    llm = LLM(
        options["model"], dtype=options["dtype"], max_model_len=512, skip_tokenizer_init=True,
        max_num_seqs=options["requests"], enforce_eager=options["eager"], disable_log_stats=True,
        enable_prefix_caching=False, **steered,
    )  # fmt: skip
    digests = {}
    if options["layers"] is not None:
        from steersman_vectors.vector import from_differences
        from vllm_steersman import load_vector

        rng = np.random.default_rng(0)
        hidden, depth = options["hidden"], options["depth"]
        chosen = range(depth) if options["layers"] == "all" else options["layers"]
        for name in ("one", "two", "three"):
            drawn = {i: rng.normal(size=hidden) for i in chosen}
            digests[name] = load_vector(llm, from_differences(drawn, name=name, scale="unit"))
    return llm, digests


def run(llm: Any, plans: list[dict[str, Any] | None], tokens: int) -> dict[str, Any]:
    """Decodes `tokens` tokens for all plans at once; returns the decode steps' times in seconds."""
    from vllm import SamplingParams

    rng = np.random.default_rng(1)
    engine = llm.llm_engine
    for i, plan in enumerate(plans):
        extra = None if plan is None else {"steering": plan}
        params = SamplingParams(
            temperature=0.0, max_tokens=tokens, ignore_eos=True, detokenize=False, extra_args=extra
        )
        prompt = rng.integers(3, VOCABULARY, PROMPT_TOKENS).tolist()
        engine.add_request(f"{time.monotonic_ns()}-{i}", {"prompt_token_ids": prompt}, params)
    steps = []
    while engine.has_unfinished_requests():
        started = time.perf_counter()
        engine.step()
        steps.append(time.perf_counter() - started)
    return {"steps": steps[-(tokens - 1) :]}


def main() -> None:
    """Answers each line {"plans": [{"alphas": {name: alpha}, ...} or null], "tokens"}."""
    options = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever vLLM prints goes to stderr
    llm, digests = start(options)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        plans = [None if p is None else _wire(p, digests) for p in command["plans"]]
        print(json.dumps(run(llm, plans, command["tokens"])), file=answers, flush=True)


def _wire(plan: dict[str, Any], digests: dict[str, str]) -> dict[str, Any]:
    terms = [[digests[name], alpha] for name, alpha in plan["alphas"].items()]
    schedule = plan.get("schedule", {"kind": "constant"})
    return {"terms": terms, "schedule": schedule, "scope": "generation"}


if __name__ == "__main__":
    main()
