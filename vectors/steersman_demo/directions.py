"""Style directions from contrasting system prompts, read off the residual stream.

v_l = mean of x_l where the system prompt asks for the behaviour, minus the mean of x_l over both
sides, at the last prompt token, where the model decides how its answer begins. Mean-centred, so
alpha 1 leads from the middle to the behaviour and alpha -1 to its opposite.
"""

from collections.abc import Sequence
from random import Random

import torch
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from steersman_demo.corpus import conversation, system_prompts
from steersman_demo.corpus.case import Style
from steersman_demo.sample import left_padded

Chat = list[dict[str, str]]

CONTRASTS: dict[str, tuple[Style, Style]] = {
    "empathy": (Style(tone="warm"), Style(tone="cold")),
    "concise": (Style(length="concise"), Style(length="verbose")),
}
"""Vector name to (behaviour, opposite)."""


def contrast_chats(name: str, count: int, seed: int = 0) -> tuple[list[Chat], list[Chat]]:
    """`count` training conversations, each once under either system prompt of the contrast."""
    toward: list[Chat] = []
    away: list[Chat] = []
    for index in range(count):
        rng = Random(f"contrast/{name}/{seed}/{index}")
        chat = [message for message in conversation(rng).messages() if message["role"] != "system"][
            :-1
        ]
        for chats, style in zip((toward, away), CONTRASTS[name], strict=True):
            chats.append([{"role": "system", "content": system_prompts.styled(style, rng)}, *chat])
    return toward, away


def centred_difference(toward: Tensor, away: Tensor) -> Tensor:
    """`[hidden]` from the centre of both sides to the behaviour; sides are `[pairs, hidden]`."""
    return toward.mean(0) - torch.cat([toward, away]).mean(0)


@torch.inference_mode()
def last_token_states(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    chats: Sequence[Chat],
    batch_rows: int = 64,
) -> Tensor:
    """Block outputs at the last prompt token, fp32 `[layers, chats, hidden]`."""
    batches = []
    for first in range(0, len(chats), batch_rows):
        rows = [
            tokenizer.apply_chat_template(chat, add_generation_prompt=True)["input_ids"]
            for chat in chats[first : first + batch_rows]
        ]
        batches.append(_block_outputs(model, left_padded(rows, tokenizer.pad_token_id)))
    return torch.cat(batches, dim=1)


def _block_outputs(model: LlamaForCausalLM, inputs: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Block outputs at the last position, fp32 `[layers, rows, hidden]`.

    Read by hooks: the last of `output_hidden_states` has passed the final norm.
    """
    ids, mask, positions = inputs
    seen: list[Tensor] = []
    handles = [
        block.register_forward_hook(
            lambda _module, _inputs, output: seen.append(output[:, -1].float())
        )
        for block in model.model.layers
    ]
    try:
        model.model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return torch.stack(seen)
