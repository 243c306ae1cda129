"""The engine side of Steersman: a vLLM plugin that adds steering vectors to the residual stream.

For offline use, three names are enough:

    from vllm import LLM, SamplingParams
    from vllm_steersman import engine_args, load_vector, plan_args
    llm = LLM("MODEL", **engine_args(layers="all"))
    digest = load_vector(llm, "empathy.safetensors")
    params = SamplingParams(extra_args=plan_args({digest: 0.42}))
"""

from .offline import engine_args, load_vector, plan_args

__all__ = ["engine_args", "load_vector", "plan_args"]
