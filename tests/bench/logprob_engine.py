"""One engine in a process of its own: steps with and without a request that asks for logprobs.

    python -m tests.bench.logprob_engine OPTIONS

Prints one JSON object: pairs of median step times of neighbouring turns, in seconds, and what the
question costs that the server asks the workers every few seconds. Options: `model`, a folder with
a config.json; `requests`, `turn` (steps), `turns`, and `more` arguments of `vllm.LLM`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from itertools import count
from statistics import median
from typing import Any

import numpy as np

from steersman_vectors.engine_contract import RPC_STATUS

PROMPT_TOKENS = 16
QUESTIONS = 300


class Batch:
    """A batch that decodes on and on; its last request may be one that asks for logprobs."""

    def __init__(self, options: dict[str, Any]) -> None:
        from vllm import LLM

        from vllm_steersman import engine_args

        self.llm = LLM(
            options["model"], load_format="dummy", skip_tokenizer_init=True,
            max_num_seqs=options["requests"], disable_log_stats=True, enable_prefix_caching=False,
            **options["more"], **engine_args("all"),
        )  # fmt: skip
        self.engine = self.llm.llm_engine
        self.context: int = options["more"]["max_model_len"]
        self.rng = np.random.default_rng(1)
        self.names = count()
        self.llm.sleep(level=0)
        for _ in range(options["requests"] - 1):
            self.add(None)
        self.llm.wake_up(tags=["scheduling"])
        self.last: str | None = None
        self.size: int = options["requests"]

    def add(self, logprobs: int | None) -> str:
        """Adds a request that does not end before the benchmark does."""
        from vllm import SamplingParams

        params = SamplingParams(
            temperature=0.0, max_tokens=self.context - PROMPT_TOKENS, ignore_eos=True,
            detokenize=False, logprobs=logprobs,
        )  # fmt: skip
        name = f"request-{next(self.names)}"
        prompt = self.rng.integers(3, 250, PROMPT_TOKENS).tolist()
        self.engine.add_request(name, {"prompt_token_ids": prompt}, params)
        return name

    def renew(self, logprobs: int | None) -> None:
        """Has one request go and another come; returns when all of the batch decode."""
        if self.last is not None:
            self.engine.abort_request([self.last])
        self.last = self.add(logprobs)
        while len(self.engine.step()) < self.size:
            pass
        self.engine.step()

    def turn(self, logprobs: int | None, steps: int) -> float:
        """Returns the median time of so many steps, in all of which one request asks or none."""
        self.renew(logprobs)
        took = []
        for _ in range(steps):
            started = time.process_time()
            self.engine.step()
            took.append(time.process_time() - started)
        return median(took)

    def question_s(self) -> float:
        """Returns what one of the server's questions to the workers takes, with what it waits."""
        started = time.process_time()
        for _ in range(QUESTIONS):
            self.llm.collective_rpc(RPC_STATUS, args=("brief",))
        return (time.process_time() - started) / QUESTIONS


def main() -> None:
    """Alternates turns: none asks, one does, one does, none asks, and so on."""
    options = json.loads(sys.argv[1])
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever vLLM prints goes to stderr
    batch = Batch(options)
    pairs = []
    for number in range(-1, options["turns"]):  # the first warms up
        order = (None, 0) if number % 2 == 0 else (0, None)
        took = {logprobs: batch.turn(logprobs, options["turn"]) for logprobs in order}
        if number >= 0:
            pairs.append((took[None], took[0]))
    again = [batch.turn(None, options["turn"]) for _ in range(6)]
    noise = [(a, b) for a, b in zip(again[::2], again[1::2], strict=True)]
    told = {"pairs": pairs, "nothing_changed": noise, "question_s": batch.question_s(),
            "step_s": median(none for none, _ in pairs)}  # fmt: skip
    print(json.dumps(told), file=answer, flush=True)


if __name__ == "__main__":
    main()
