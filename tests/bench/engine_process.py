"""One engine in a process of its own, driven by lines of JSON: what `throughput.py` compares."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from itertools import count, islice
from typing import Any

import numpy as np

from steersman_vectors.engine_contract import (
    RPC_LOAD,
    RPC_LOADED,
    RPC_READOUT,
    RPC_UNLOAD,
    intake_of,
    note_loaded,
)
from steersman_vectors.formats import native
from steersman_vectors.vector import from_differences

CONTEXT, PROMPT_TOKENS = 512, 32
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

            layers, (slots, every) = options["layers"], options["readout"] or (0, 8)
            at = () if layers == "all" else tuple(layers[:slots])
            steering = engine_args(
                layers if layers == "all" else tuple(layers), readout=at, readout_every=every
            )
        self.llm = LLM(
            options["model"], dtype=options["dtype"], load_format="dummy", max_model_len=CONTEXT,
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
        if options["readout"]:
            read = list(self.digests.values())[: options["readout"][0]]
            self.llm.collective_rpc(RPC_READOUT, args=(read,))

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

    def add(self, plan: dict[str, Any] | None) -> str:
        """Adds a request that never ends on its own."""
        from vllm import SamplingParams

        params = SamplingParams(
            temperature=0.0, max_tokens=CONTEXT - PROMPT_TOKENS, ignore_eos=True,
            detokenize=False, extra_args=None if plan is None else {"steering": plan},
        )  # fmt: skip
        name = f"request-{next(self.names)}"
        prompt = self.rng.integers(3, PROMPT_VOCABULARY, PROMPT_TOKENS).tolist()
        self.llm.llm_engine.add_request(name, {"prompt_token_ids": prompt}, params)
        return name

    def add_together(self, plans: list[dict[str, Any] | None]) -> list[str]:
        """Adds a request for each plan; none is scheduled before all are there."""
        self.llm.sleep(level=0)
        names = [self.add(plan) for plan in plans]
        self.llm.wake_up(tags=["scheduling"])
        return names

    def run(self, plans: list[dict[str, Any] | None], every: int | None) -> Iterator[float]:
        """Decodes for all plans at once, without end; yields the time of each decode step.

        every: steps after which one request goes and another comes, in the first of them. Where
        requests are steered, each newcomer is by a vector that nobody has used before. It is
        loaded while others run, as the server does; asking for it is in the step's time.
        """
        engine = self.llm.llm_engine
        running = self.add_together(plans)
        plan = plans[0]
        tickets, digests = [], []
        if every and plan is not None:
            self.draw(1)
            tickets.append(self.start_load())
        try:
            while len(engine.step()) < len(plans):
                pass  # all prefilled
            for k in count():
                arrival = every and k % every == 0
                if arrival and plan is not None:
                    self.draw(1)
                started = time.perf_counter()
                if arrival:
                    engine.abort_request([running.pop(0)])
                    if plan is not None:
                        digests.append(self.loaded(tickets.pop()))
                        plan = plan | {"terms": [[digests[-1], plan["terms"][0][1]]]}
                        tickets.append(self.start_load())
                    running.append(self.add(plan))
                engine.step()
                yield time.perf_counter() - started
        finally:
            engine.abort_request(running)
            while engine.has_unfinished_requests():
                engine.step()
            digests += [self.loaded(ticket) for ticket in tickets]
            for digest in digests:
                self.llm.collective_rpc(RPC_UNLOAD, args=(digest,))

    def wire(self, plan: dict[str, Any] | None) -> dict[str, Any] | None:
        if plan is None:
            return None
        terms = [[self.digests[name], alpha] for name, alpha in plan["alphas"].items()]
        schedule = plan.get("schedule", {"kind": "constant"})
        return {"terms": terms, "schedule": schedule, "scope": "generation"}


def main() -> None:
    """Does the next steps of a run, as often as it is told to; answers with their times.

    A line is {"run": its name, "plans": [{"alphas": {name: alpha}, ...} or null], "new_every",
    "steps": how many, "end": whether that is all of the run}.
    """
    options = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever vLLM prints goes to stderr
    engine = Engine(options)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    name, run = "", engine.run([], None)
    for line in sys.stdin:
        command = json.loads(line)
        if command["run"] != name:
            run.close()
            plans = [engine.wire(plan) for plan in command["plans"]]
            name, run = command["run"], engine.run(plans, command["new_every"])
        steps = list(islice(run, command["steps"]))
        if command["end"]:
            run.close()
            name = ""
        print(json.dumps({"steps": steps}), file=answers, flush=True)


if __name__ == "__main__":
    main()
