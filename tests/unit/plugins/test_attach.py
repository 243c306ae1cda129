"""Attaching to models: which list holds the blocks, and what the hook does to their output."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from steersman_vectors.errors import OperatorError
from steersman_vectors.extract.blocks import find_blocks
from vllm_steersman import compat
from vllm_steersman.attach import attach, steer, steer_by_norm

HIDDEN, ROWS, TOKENS = 4, 3, 16


class Block(nn.Module):
    """Adds one; returns a bare tensor, or (hidden, residual) as vLLM's fused blocks do."""

    def __init__(self, fused: bool):
        super().__init__()
        self.fused = fused
        self.experts = nn.ModuleList([nn.Identity() for _ in range(3)])

    def forward(self, hidden, residual=None):
        return (hidden + 1, residual) if self.fused else hidden + 1


class Trunk(nn.Module):
    def __init__(self, fused=False, depth=3):
        super().__init__()
        self.layers = nn.ModuleList([Block(fused) for _ in range(depth)])


class Wrapper(nn.Module):
    """A multimodal model: a tower as deep as the language model, and the language model inside."""

    def __init__(self):
        super().__init__()
        self.tower = Trunk()
        self.language_model = Trunk()

    def get_language_model(self):
        return self.language_model


@pytest.fixture(autouse=True)
def no_vllm(monkeypatch):
    monkeypatch.setattr(compat, "is_absent_layer", lambda m: isinstance(m, nn.Identity))


def test_the_blocks_are_the_outer_list_of_that_length():
    trunk = Trunk()
    assert find_blocks(trunk, 3) is trunk.layers


def test_a_nested_language_model_is_searched_first():
    wrapper = Wrapper()
    assert find_blocks(wrapper, 3) is wrapper.language_model.layers


@pytest.mark.parametrize("model", [Trunk(depth=5), nn.Linear(2, 2)])
def test_a_model_without_one_such_list_is_refused(model):
    with pytest.raises(OperatorError, match="cannot be steered yet"):
        find_blocks(model, 3 if isinstance(model, nn.Linear) else 4)


def test_two_towers_of_equal_depth_are_ambiguous():
    model = nn.Module()
    model.a, model.b = Trunk(), Trunk()
    with pytest.raises(OperatorError, match="exactly"):
        find_blocks(model, 3)


@pytest.mark.parametrize("fused", [False, True])
def test_the_hook_adds_each_tokens_row_to_the_block_output(fused):
    trunk = Trunk(fused)
    buffers = attach(
        trunk.layers, (0, 2), num_rows=ROWS, hidden_size=HIDDEN, max_tokens=TOKENS,
        dtype=torch.float32, device=torch.device("cpu"),
    )  # fmt: skip
    buffers.rows.copy_(torch.randn(2, ROWS, HIDDEN))
    buffers.token_row[:5] = torch.tensor([0, 1, 2, 1, 0])
    buffers.token_gate[:5, 0] = torch.tensor([0.0, 1.0, 0.5, 0.25, 1.0])
    hidden, residual = torch.randn(5, HIDDEN), torch.randn(5, HIDDEN)
    for layer_idx, k in ((0, 0), (1, None), (2, 1)):
        output = trunk.layers[layer_idx](hidden, residual)
        out = output[0] if fused else output
        for t in range(5):
            want = hidden[t] + 1
            if k is not None:
                want = want + buffers.rows[k, buffers.token_row[t]] * buffers.token_gate[t]
            torch.testing.assert_close(out[t], want)
        if fused:
            assert output[1] is residual


def test_buffers_do_not_enter_checkpoints():
    trunk = Trunk()
    before = set(trunk.state_dict())
    attach(
        trunk.layers, (0,), num_rows=ROWS, hidden_size=HIDDEN, max_tokens=TOKENS,
        dtype=torch.float32, device=torch.device("cpu"),
    )  # fmt: skip
    assert set(trunk.state_dict()) == before


def test_blocks_of_other_pipeline_ranks_are_left_alone():
    trunk = Trunk()
    trunk.layers[0] = nn.Identity()
    buffers = attach(
        trunk.layers, (0, 1), num_rows=ROWS, hidden_size=HIDDEN, max_tokens=TOKENS,
        dtype=torch.float32, device=torch.device("cpu"),
    )  # fmt: skip
    assert buffers.layers == (1,)
    assert buffers.rows.shape == (1, ROWS, HIDDEN)


def test_a_zero_gate_leaves_bits_alone_in_half_precision():
    hidden = torch.randn(6, HIDDEN, dtype=torch.bfloat16)
    rows = torch.randn(ROWS, HIDDEN, dtype=torch.bfloat16)
    out = steer(hidden, rows, torch.tensor([1, 2, 1, 0, 2, 1]), torch.zeros(6, 1))
    assert out.dtype == torch.bfloat16
    assert torch.equal(out, hidden)


@pytest.mark.parametrize("fused", [False, True])
def test_token_rows_are_scaled_by_the_norm_of_the_residual_stream(fused):
    trunk = Trunk(fused)
    buffers = attach(
        trunk.layers, (1,), num_rows=ROWS, hidden_size=HIDDEN, max_tokens=TOKENS,
        token_scale=True, dtype=torch.float32, device=torch.device("cpu"),
    )  # fmt: skip
    buffers.rows.copy_(torch.randn(1, ROWS, HIDDEN))
    buffers.token_rows.copy_(torch.randn(1, ROWS, HIDDEN))
    buffers.token_row[:3] = torch.tensor([1, 2, 1])
    buffers.token_gate[:3, 0] = torch.tensor([1.0, 0.5, 0.0])
    hidden, residual = torch.randn(3, HIDDEN), torch.randn(3, HIDDEN)
    output = trunk.layers[1](hidden, residual)
    out = output[0] if fused else output
    for t in range(3):
        x = hidden[t] + 1 + (residual[t] if fused else 0)
        row, gate = buffers.token_row[t], buffers.token_gate[t]
        delta = buffers.rows[0, row] + buffers.token_rows[0, row] * x.norm()
        torch.testing.assert_close(out[t], hidden[t] + 1 + gate * delta)
    without = attach(
        Trunk().layers, (1,), num_rows=ROWS, hidden_size=HIDDEN, max_tokens=TOKENS,
        dtype=torch.float32, device=torch.device("cpu"),
    )  # fmt: skip
    assert buffers.nbytes == without.nbytes + buffers.rows.nbytes


def test_a_leading_batch_dimension_of_one_is_fine():
    """vLLM's backend for Hugging Face models runs blocks on `[1, n, hidden]`."""
    hidden, rows = torch.randn(6, HIDDEN), torch.randn(ROWS, HIDDEN)
    token_row, gate = torch.tensor([1, 2, 1, 0, 2, 1, 0, 0]), torch.rand(8, 1)
    flat = steer(hidden, rows, token_row, gate)
    assert torch.equal(steer(hidden[None], rows, token_row, gate), flat[None])
    by_norm = steer_by_norm(hidden, hidden, rows, token_row, gate)
    assert torch.equal(
        steer_by_norm(hidden[None], hidden[None], rows, token_row, gate), by_norm[None]
    )


@pytest.mark.parametrize("shape", [(2, 5, HIDDEN), (5, 2, HIDDEN), (5, HIDDEN + 1), (HIDDEN,)])
def test_a_block_whose_output_is_no_residual_stream_is_refused_by_name(shape):
    """As of Gemma 3n ([lanes, n, hidden]) or hyper-connections ([n, lanes, hidden])."""
    trunk = Trunk()
    attach(
        trunk.layers, (1,), num_rows=ROWS, hidden_size=HIDDEN, max_tokens=TOKENS,
        dtype=torch.float32, device=torch.device("cpu"),
    )  # fmt: skip
    with pytest.raises(OperatorError, match="of type Block returns") as refusal:
        trunk.layers[1](torch.zeros(shape))
    assert refusal.value.code == "model_unsupported"


@pytest.mark.parametrize("token_scale", [False, True])
@pytest.mark.parametrize("name", ["rows", "token_row", "token_gate", "token_rows"])
def test_a_block_that_reads_another_buffer_is_noticed(name, token_scale):
    trunk = Trunk()
    buffers = attach(
        trunk.layers, (0, 2), num_rows=ROWS, hidden_size=HIDDEN, max_tokens=TOKENS,
        token_scale=token_scale, dtype=torch.float32, device=torch.device("cpu"),
    )  # fmt: skip
    assert buffers.hooked() == (0, 2)
    own = getattr(trunk.layers[0], f"steering_{name}")
    other = torch.zeros(ROWS, HIDDEN) if own is None else own.clone()
    setattr(trunk.layers[0], f"steering_{name}", other)
    assert buffers.hooked() == (2,)
    setattr(trunk.layers[0], f"steering_{name}", None)
    assert buffers.hooked() == ((0, 2) if own is None else (2,))


def test_a_block_without_its_hook_or_with_other_rows_is_noticed():
    trunk = Trunk(depth=4)
    buffers = attach(
        trunk.layers, (0, 1, 3), num_rows=ROWS, hidden_size=HIDDEN, max_tokens=TOKENS,
        dtype=torch.float32, device=torch.device("cpu"),
    )  # fmt: skip
    assert buffers.hooked() == (0, 1, 3)
    trunk.layers[0]._forward_hooks.clear()
    trunk.layers[3].steering_rows = torch.zeros(ROWS, HIDDEN)
    assert buffers.hooked() == (1,)


@pytest.mark.parametrize("shape", [(5, HIDDEN), (1, 5, HIDDEN)])
@pytest.mark.parametrize("fused", [False, True])
def test_what_is_kept_is_x_before_the_blocks_own_delta_and_after_those_before(fused, shape):
    """Of the middle block only: the others keep nothing, and all add what they always do."""
    trunk = Trunk(fused)
    buffers = attach(
        trunk.layers, (0, 1, 2), num_rows=ROWS, hidden_size=HIDDEN, max_tokens=TOKENS,
        kept_layers=(1,), dtype=torch.float32, device=torch.device("cpu"),
    )  # fmt: skip
    assert (buffers.kept_layers, buffers.kept.shape) == ((1,), (1, TOKENS, HIDDEN))
    assert buffers.hooked() == (0, 1, 2)
    buffers.rows[:, 1] = torch.tensor([[10.0], [20.0], [30.0]])
    buffers.token_row[:5] = torch.tensor([0, 1, 1, 0, 1])
    buffers.token_gate[:5] = torch.tensor([[0.0], [1.0], [0.5], [0.0], [1.0]])
    x, residual = torch.randn(shape), torch.randn(shape)
    for block in trunk.layers:
        x = block(x, residual)[0] if fused else block(x)
        if block is trunk.layers[0]:
            want = (x + 1 + (residual if fused else 0)).reshape(5, HIDDEN)
    assert torch.equal(buffers.kept[0, :5], want)
    assert not buffers.kept[0, 5:].any()
    buffers.blocks[1].steering_kept = torch.zeros(TOKENS, HIDDEN)
    assert buffers.hooked() == (0, 2), "a hook that keeps x elsewhere is not ours"
