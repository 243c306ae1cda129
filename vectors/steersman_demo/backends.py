"""Where answers come from: the real engine through the plugin, or the Hugging Face reference."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from steersman_demo.sample import MAX_NEW_TOKENS, Answer
from steersman_vectors.schedule import AnySchedule
from steersman_vectors.vector import SteeringVector

Chat = Sequence[dict[str, str]]
Term = tuple[SteeringVector, float]
"""A vector and its alpha."""
Generate = Callable[[Sequence[Chat], Sequence[Term], AnySchedule], list[Answer]]
"""One answer per chat, steered by the sum of the terms under scope `assistant`."""


def vllm_backend(model_dir: Path, layers: tuple[int, ...], temperature: float) -> Generate:
    """Answers from `vllm.LLM` with the Steersman plugin; `layers` are the steerable blocks."""
    from vllm import LLM, SamplingParams

    from vllm_steersman.offline import engine_args, load_vector, plan_args

    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    llm = LLM(
        str(model_dir),
        max_model_len=1024,
        max_num_seqs=128,
        max_num_batched_tokens=4096,
        gpu_memory_utilization=0.3,
        seed=0,
        **engine_args(layers),
    )

    def generate(
        chats: Sequence[Chat], terms: Sequence[Term], schedule: AnySchedule
    ) -> list[Answer]:
        alphas = {load_vector(llm, vector): alpha for vector, alpha in terms}
        # NOTE: no seed per request: on vLLM 0.32's CPU build a seeded request whose prompt is
        # prefilled in chunks takes the engine down.
        params = SamplingParams(
            temperature=temperature,
            max_tokens=MAX_NEW_TOKENS,
            extra_args=plan_args(alphas, schedule=schedule) if alphas else None,
        )
        outputs = llm.chat([list(chat) for chat in chats], params, use_tqdm=False)
        return [
            Answer(out.outputs[0].text.strip(), out.outputs[0].finish_reason) for out in outputs
        ]

    return generate


def hf_backend(model_dir: Path, temperature: float) -> Generate:
    """Answers from Hugging Face forwards with hooks, in the engine's dtype."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from steersman_demo.sample import sample
    from steersman_demo.steering import steering_of

    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.bfloat16).eval()

    def generate(
        chats: Sequence[Chat], terms: Sequence[Term], schedule: AnySchedule
    ) -> list[Answer]:
        return sample(model, tokenizer, chats, steering_of(terms, schedule), temperature)

    return generate
