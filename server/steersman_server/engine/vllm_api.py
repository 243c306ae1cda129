"""All that the server imports of vLLM: its command line, its run, its sampling parameters.

NOTE: vLLM documents few of these names. The plugin's `compat.py` refuses versions that they were
not verified on, and `tests/e2e` runs all of them.
"""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Sequence
from copy import copy
from typing import Any

from pydantic import ValidationError

from steersman_vectors.errors import OperatorError

from .asked import EngineLoad

RpcArgument = bytes | str | list[str | None]


def parse_serve_args(argv: Sequence[str]) -> Namespace:
    """Returns the arguments of `vllm serve`; a wrong one ends the process with its usage.

    Raises `OperatorError(engine_option_invalid)` for a --config file that cannot be read.
    """
    from vllm.entrypoints.serve.utils.api_utils import cli_env_setup
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    cli_env_setup()
    parser = _cli_args().make_arg_parser(FlexibleArgumentParser(prog="steersman serve"))
    try:
        args: Namespace = parser.parse_args(list(argv))
    except (OSError, ValueError) as error:
        raise OperatorError(
            f"vLLM cannot read these options: {error}", code="engine_option_invalid"
        ) from error
    return args


def run_server(args: Namespace) -> None:
    """Runs vLLM's server to its end.

    Raises `OperatorError` for what keeps it from starting and can be told in a line:
    engine_option_invalid, engine_start_failed.
    """
    from vllm.entrypoints.cli.serve import ServeSubcommand

    args.model = args.model_tag
    try:
        _cli_args().validate_parsed_serve_args(args)
        ServeSubcommand.cmd(args)
    except ValidationError as error:
        said = "; ".join(e["msg"].removeprefix("Value error, ") for e in error.errors())
        raise OperatorError(
            f"vLLM does not start with these options: {said}", code="engine_option_invalid"
        ) from error
    except RuntimeError as error:
        if "Engine core initialization failed" not in str(error):
            raise
        raise OperatorError(
            "the engine did not start; the first error in the log above tells why",
            code="engine_start_failed",
        ) from error


def _cli_args() -> Any:
    """Returns the module of vLLM's serve arguments."""
    try:
        from vllm.entrypoints.launchers import cli_args
    except ModuleNotFoundError:  # until 0.28
        from vllm.entrypoints.openai import cli_args
    return cli_args


def one_greedy_token(logprobs: int) -> Any:
    """Returns sampling parameters for one greedy token with that many log-probabilities."""
    from vllm import SamplingParams

    return SamplingParams(temperature=0.0, max_tokens=1, logprobs=logprobs, detokenize=False)


def gives_deltas(sampling_params: Any) -> bool:
    """Returns whether each output of a request holds what was added since the last one."""
    return bool(sampling_params.output_kind.name == "DELTA")


def asks_for_logprobs(sampling_params: Any) -> bool:
    """Returns whether the client asked for log-probabilities of the tokens of its answer."""
    return sampling_params.logprobs is not None or bool(sampling_params.logprob_token_ids)


def asking_for_logprobs(sampling_params: Any) -> Any:
    """Returns sampling params under which the engine sums up its tokens' log-probabilities.

    NOTE: a copy. vLLM's routes look at their own afterwards, and tell the client what is in them.
    """
    if asks_for_logprobs(sampling_params):
        return sampling_params
    asking = copy(sampling_params)
    asking.logprobs = 0
    return asking


def one_answer_as_it_comes(sampling_params: Any) -> Any:
    """Returns a copy for one answer, of which each output holds what was added."""
    from vllm.sampling_params import RequestOutputKind

    one = copy(sampling_params)
    one.n = 1
    one.output_kind = RequestOutputKind.DELTA
    one.prompt_logprobs = None
    return one


def plain_prompt(prompt: Any) -> Any | None:
    """Returns a prompt to be run again, now; None for one of which vLLM keeps parts elsewhere.

    NOTE: images and sound are in caches that both processes must agree on, request by request.
    """
    if not isinstance(prompt, dict) or prompt.get("type") != "token":
        return None
    return {key: value for key, value in prompt.items() if key != "arrival_time"}


def is_handed_over(sampling_params: Any) -> bool:
    """Returns whether the request's key-value cache comes from another server or goes to one."""
    return "kv_transfer_params" in (sampling_params.extra_args or {})


LOWEST_PRIORITY = 2**63 - 1
"""vLLM computes lower numbers first."""
REPEATED = (
    *("lora_request", "tokenization_kwargs", "prompt_text"),
    *("reasoning_ended", "reasoning_parser_kwargs"),
)
"""Arguments of `generate` that say what is computed, and not when or for whom."""


def engine_load(engine_client: Any) -> EngineLoad:
    """Returns how busy the engine is, from what this process has at hand."""
    config = engine_client.vllm_config
    return EngineLoad(
        unfinished=engine_client.output_processor.get_num_unfinished_requests(),
        places=config.scheduler_config.max_num_seqs * len(data_parallel_ranks(engine_client)),
        by_priority=config.scheduler_config.policy == "priority",
    )


def knows_logprobs(engine_client: Any) -> bool:
    """Returns whether what the engine calls logprobs are such, and not logits."""
    mode = str(getattr(engine_client.vllm_config.model_config, "logprobs_mode", "raw_logprobs"))
    return mode.endswith("logprobs")


async def ask_workers(
    engine_client: Any, method: str, args: Sequence[RpcArgument], timeout_s: float
) -> list[Any]:
    """Returns the answers of all workers, of every data-parallel engine in the order of ranks.

    NOTE: the client's own `collective_rpc` asks all engines, but answers for the first one only.
    """
    core = engine_client.engine_core
    asked = (
        core._call_utility_async("collective_rpc", method, timeout_s, tuple(args), None, engine=e)
        for e in core.core_engines
    )
    per_engine = await asyncio.gather(*asked)
    return [answer for answers in per_engine for answer in answers]


def data_parallel_ranks(engine_client: Any) -> list[int | None]:
    """Returns the ranks that a request can be sent to; [None] where there is one engine only."""
    parallel = engine_client.vllm_config.parallel_config
    one_of_many_servers = parallel.local_engines_only
    size = int(
        parallel.data_parallel_size_local if one_of_many_servers else parallel.data_parallel_size
    )
    return list(range(size)) if size > 1 else [None]


def traces_endpoint(args: Namespace) -> str | None:
    """Returns where spans are sent, --otlp-traces-endpoint; None where nobody wants any."""
    endpoint: str | None = args.otlp_traces_endpoint
    return endpoint


def vllm_version() -> str:
    """Returns the version of vLLM that runs."""
    from vllm import __version__

    return str(__version__)


def served_chat_template(args: Namespace) -> str | None:
    """Returns the chat template given with --chat-template, or None for the tokenizer's own."""
    try:
        from vllm.renderers.chat_utils import load_chat_template
    except ModuleNotFoundError:  # until 0.31
        from vllm.entrypoints.chat_utils import load_chat_template

    template: str | None = load_chat_template(args.chat_template)
    return template
