"""Pipeline parallel through its seam: each rank holds some blocks and steers those."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from vllm.model_executor.models.utils import PPMissingLayer

from steersman_vectors.extract.blocks import find_blocks
from steersman_vectors.formats import native
from steersman_vectors.plan import SteeringPlan
from steersman_vectors.vector import from_differences
from vllm_steersman.attach import attach
from vllm_steersman.engine_state import EngineState
from vllm_steersman.resident import ResidentVectors

HIDDEN, DEPTH, REQUESTS, TOKENS = 8, 5, 3, 32


class Block(nn.Module):
    """A block of vLLM's fused kind: the residual stream is hidden + residual."""

    def __init__(self, layer_idx: int):
        super().__init__()
        self.weight = 1.0 + layer_idx / 10

    def forward(self, hidden, residual):
        residual = hidden + residual
        return torch.tanh(residual) * self.weight, residual


class Rank(nn.Module):
    """What one pipeline rank has of the model, steered."""

    def __init__(self, held: range, vectors):
        super().__init__()
        self.layers = nn.ModuleList(
            Block(i) if i in held else PPMissingLayer() for i in range(DEPTH)
        )
        blocks = find_blocks(self, DEPTH)
        buffers = attach(
            blocks, range(DEPTH), num_rows=REQUESTS + 1, hidden_size=HIDDEN, max_tokens=TOKENS,
            dtype=torch.float32, device=torch.device("cpu"),
        )  # fmt: skip
        assert buffers.layers == tuple(held)
        resident = ResidentVectors(HIDDEN, range(DEPTH), local=buffers.layers)
        for vector in vectors:
            resident.load(native.dumps(vector))
        self.state = EngineState(buffers, resident, REQUESTS)

    def forward(self, hidden, residual):
        for layer in self.layers:
            if not isinstance(layer, PPMissingLayer):
                hidden, residual = layer(hidden, residual)
        return hidden, residual


def test_two_pipeline_ranks_steer_as_one():
    rng = np.random.default_rng(0)
    vectors = [
        from_differences({i: rng.normal(size=HIDDEN) for i in layers}, name=name, scale="raw")
        for name, layers in (("early", (0, 1)), ("late", (4,)), ("both", (1, 2, 3)))
    ]
    digests = [native.digest(native.dumps(v)) for v in vectors]
    plans = {
        "a": SteeringPlan(terms=tuple((d, 1.5) for d in digests), turns=((2, 4), (6, None))),
        "b": SteeringPlan(terms=((digests[1], -2.0),), turns=((0, None),)),
    }
    whole = [Rank(range(DEPTH), vectors)]
    split = [Rank(range(2), vectors), Rank(range(2, DEPTH), vectors)]
    order = ["a", "b", "unsteered"]
    computed, scheduled = np.array([0, 3, 0]), np.array([9, 1, 4])
    start = torch.tensor(rng.normal(size=(int(scheduled.sum()), HIDDEN)), dtype=torch.float32)
    answers = []
    for ranks in (whole, split):
        hidden, residual = start, torch.zeros_like(start)
        for rank in ranks:
            for request_id, plan in plans.items():
                rank.state.add(request_id, plan)
            rank.state.step(order, computed, scheduled)
            hidden, residual = rank(hidden, residual)
        answers.append(hidden + residual)
    assert torch.equal(*answers)
    plain = Rank(range(DEPTH), vectors)
    hidden, residual = plain(start, torch.zeros_like(start))
    changed = (hidden + residual != answers[0]).any(dim=1)
    steered = {2, 3, 6, 7, 8, 9}  # of "a" at positions 2, 3, 6 to 8; of "b" its one token
    assert set(changed.nonzero().flatten().tolist()) == steered
