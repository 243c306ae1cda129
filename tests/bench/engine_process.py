"""One engine in a process of its own, driven by lines of JSON: what `throughput.py` compares."""

from __future__ import annotations

import json
import os
import sys
import time
from itertools import count
from typing import Any

import numpy as np

from steersman_vectors.engine_contract import (
    RPC_LOAD,
    RPC_LOADED,
    RPC_UNLOAD,
    intake_of,
    note_loaded,
)
from steersman_vectors.formats import native
from steersman_vectors.vector import from_differences

PROMPT_TOKENS = 32
PROMPT_VOCABULARY = 250
"""Prompts are drawn from the first token ids, which every profile's model has."""


class Engine:
    """vLLM, its resident vectors, and the time that its decode steps take."""

    def __init__(self, options: dict[str, Any]) -> None:
        from vllm import LLM

        self.options = options
        self.steered = options["layers"] is not None
        steering: dict[str, Any] = {}
        if self.steered:
            from vllm_steersman import engine_args

            layers = options["layers"]
            steering = engine_args(layers if layers == "all" else tuple(layers))
        self.llm = LLM(
            options["model"], dtype=options["dtype"], load_format="dummy", max_model_len=512,
            skip_tokenizer_init=True, max_num_seqs=options["requests"],
            enforce_eager=options["eager"], disable_log_stats=True, enable_prefix_caching=False,
            **options["more"], **steering,
        )  # fmt: skip
        self.rng = np.random.default_rng(1)
        self.names, self.tickets = count(), count()
        self.drawn: list[bytes] = []
        """New vectors, in the native format."""
        names = ("one", "two", "three") if self.steered else ()
        self.draw(len(names))
        self.digests = {name: self.loaded(self.start_load()) for name in names}

    def draw(self, more: int) -> None:
        """Makes so many vectors over the engine's layers."""
        depth, layers = self.options["depth"], self.options["layers"]
        chosen = range(depth) if layers == "all" else layers
        for _ in range(more):
            drawn = {i: self.rng.normal(size=self.options["hidden"]) for i in chosen}
            self.drawn.append(native.dumps(from_differences(drawn, name="drawn", scale="unit")))

    def start_load(self) -> str:
        """Has the workers load a new vector beside their steps; returns its ticket."""
        ticket = f"ticket-{next(self.tickets)}"
        self.llm.collective_rpc(RPC_LOAD, args=(ticket, self.drawn.pop()))
        return ticket

    def loaded(self, ticket: str) -> str:
        """Returns the digest of what was loaded; asks until it is."""
        intake = intake_of(self.llm.llm_engine.input_processor)
        while True:
            digest = note_loaded(intake, self.llm.collective_rpc(RPC_LOADED, args=(ticket,)))
            if digest is not None:
                return digest

    def add(self, plan: dict[str, Any] | None, tokens: int) -> str:
        from vllm import SamplingParams

        params = SamplingParams(
            temperature=0.0, max_tokens=tokens, ignore_eos=True, detokenize=False,
            extra_args=None if plan is None else {"steering": plan},
        )  # fmt: skip
        name = f"request-{next(self.names)}"
        prompt = self.rng.integers(3, PROMPT_VOCABULARY, PROMPT_TOKENS).tolist()
        self.llm.llm_engine.add_request(name, {"prompt_token_ids": prompt}, params)
        return name

    def add_together(self, plans: list[dict[str, Any] | None], tokens: int) -> list[str]:
        """Adds a request for each plan; none is scheduled before all are there."""
        self.llm.sleep(level=0)
        names = [self.add(plan, tokens) for plan in plans]
        self.llm.wake_up(tags=["scheduling"])
        return names

    def decode(self, plans: list[dict[str, Any] | None], tokens: int) -> list[float]:
        """Decodes `tokens` tokens for all plans at once; returns the decode steps' times."""
        self.add_together(plans, tokens)
        steps = []
        while self.llm.llm_engine.has_unfinished_requests():
            started = time.perf_counter()
            self.llm.llm_engine.step()
            steps.append(time.perf_counter() - started)
        return steps[-(tokens - 1) :]

    def decode_with_arrivals(
        self, plans: list[dict[str, Any] | None], tokens: int, every: int
    ) -> list[float]:
        """As `decode`, but every few steps one request goes and another comes.

        Where requests are steered, each newcomer is by a vector that nobody has used before. It is
        loaded while others run, as the server does; asking for it is in the step's time.
        """
        engine = self.llm.llm_engine
        long = 2 * tokens  # nobody ends on its own
        running = self.add_together(plans, long)
        digests = []
        ticket = ""
        if plans[0] is not None:
            self.draw(tokens // every + 1)
            ticket = self.start_load()
        while len(engine.step()) < len(plans):
            pass  # all prefilled
        steps = []
        for k in range(1, tokens):
            started = time.perf_counter()
            if k % every == 0:
                engine.abort_request([running.pop(0)])
                plan = plans[0]
                if plan is not None:
                    digests.append(self.loaded(ticket))
                    plan = plan | {"terms": [[digests[-1], plan["terms"][0][1]]]}
                    ticket = self.start_load()
                running.append(self.add(plan, long))
            engine.step()
            steps.append(time.perf_counter() - started)
        engine.abort_request(running)
        while engine.has_unfinished_requests():
            engine.step()
        if ticket:
            digests.append(self.loaded(ticket))
        for digest in digests:
            self.llm.collective_rpc(RPC_UNLOAD, args=(digest,))
        return steps

    def wire(self, plan: dict[str, Any] | None) -> dict[str, Any] | None:
        if plan is None:
            return None
        terms = [[self.digests[name], alpha] for name, alpha in plan["alphas"].items()]
        schedule = plan.get("schedule", {"kind": "constant"})
        return {"terms": terms, "schedule": schedule, "scope": "generation"}


def main() -> None:
    """Answers each {"plans": [{"alphas": {name: alpha}, ...} or null], "tokens", "new_every"}."""
    options = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever vLLM prints goes to stderr
    engine = Engine(options)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        plans = [engine.wire(plan) for plan in command["plans"]]
        if command["new_every"]:
            steps = engine.decode_with_arrivals(plans, command["tokens"], command["new_every"])
        else:
            steps = engine.decode(plans, command["tokens"])
        print(json.dumps({"steps": steps}), file=answers, flush=True)


if __name__ == "__main__":
    main()
