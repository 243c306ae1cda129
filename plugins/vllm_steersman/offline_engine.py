"""The offline engine of sweeps, judges and calibration: `vllm.LLM` with the plugin, in one stream.

The entry point `vllm` of the group `steersman.engines`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from steersman_vectors.errors import CallerError
from steersman_vectors.fingerprint import fingerprint
from steersman_vectors.sweep.contract import Answer, Ask, Given, Weighed
from steersman_vectors.vector import SteeringVector

from . import compat
from .offline import engine_args, load_vector
from .offline_prompts import Prompts
from .offline_stream import Job, Stream
from .orphan import OFFLINE_ENV

MAX_MODEL_LEN = 4096
"""Tokens of prompt and answer together, unless the caller or the model says less."""
NO_LIMIT = -1


class VllmEngine:
    """`OfflineEngine` on a `vllm.LLM`."""

    def __init__(self, llm: Any, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self.layers = compat.steered_layers(llm)
        self._llm = llm
        self._prompts = Prompts(llm)
        self._stream = Stream(llm)

    def load(self, vector: SteeringVector) -> str:
        """Makes a vector resident and returns its digest.

        Raises `CallerError`: `vector_model_mismatch`, and whatever the workers refuse.
        """
        made_for = vector.card.fingerprint
        if made_for not in (None, self.fingerprint):
            raise CallerError(
                f"vector {vector.card.name!r} belongs to another base model: it was made for "
                f"{made_for}, the engine runs {self.fingerprint}. Extract it again for this model",
                code="vector_model_mismatch",
            )
        return load_vector(self._llm, vector)

    def answer(self, asks: Sequence[Ask]) -> Iterator[tuple[int, Answer]]:
        """Yields (index, answer) as they are finished; all are checked before the first runs."""
        return self._stream.run([self._job(i, ask) for i, ask in enumerate(asks)], _answer)

    def weigh(self, given: Sequence[Given]) -> Iterator[tuple[int, Weighed]]:
        """Yields (index, log-probabilities) as they are finished; all are checked first."""
        read = partial(_weighed, given)
        return self._stream.run([self._weight(i, one) for i, one in enumerate(given)], read)

    def _job(self, index: int, ask: Ask) -> Job:
        prompt = self._prompts.ids(ask.messages)
        plan = self._prompts.plan(ask.dose, prompt)
        params = compat.sampling_params(
            self._llm,
            plan,
            temperature=ask.temperature,
            max_tokens=ask.max_tokens,
            seed=ask.seed,
            logprobs=0,
        )
        return Job(index, prompt, params, (prompt, repr(ask.dose), ask.seed or 0, index))

    def _weight(self, index: int, given: Given) -> Job:
        prompt = self._prompts.ids(given.messages)
        # NOTE: turns are those of the prompt alone: the last is open, and the answer is its
        # content, whatever an answer's tokens look like.
        plan = self._prompts.plan(given.dose, prompt)
        shown = self._prompts.checked((*prompt, *given.answer))
        top = min(given.top, self._prompts.vocabulary)
        params = compat.sampling_params(
            self._llm, plan, temperature=0.0, max_tokens=1, prompt_logprobs=top
        )
        return Job(index, shown, params, (shown, repr(given.dose), 0, index))


def _answer(_index: int, output: Any) -> Answer:
    (said,) = output.outputs
    ids = tuple(said.token_ids)
    return Answer(
        text=said.text,
        finish_reason=said.finish_reason,
        token_ids=ids,
        logprobs=tuple(at[token].logprob for at, token in zip(said.logprobs, ids, strict=True)),
    )


def _weighed(given: Sequence[Given], index: int, output: Any) -> Weighed:
    answer, top = given[index].answer, given[index].top
    # The entry at a position is the distribution that its own token was drawn from.
    positions = output.prompt_logprobs[len(output.prompt_token_ids) - len(answer) :]
    return Weighed(
        logprobs=tuple(at[token].logprob for at, token in zip(positions, answer, strict=True)),
        top=tuple(
            {token: entry.logprob for token, entry in at.items() if entry.rank <= top}
            for at in positions
        ),
    )


@contextmanager
def open_engine(
    model_dir: Path,
    *,
    layers: Sequence[int] | None,
    max_num_seqs: int,
    dtype: str = "auto",
    max_model_len: int | None = None,
) -> Iterator[VllmEngine]:
    """Boots vLLM on the checkpoint in `model_dir`; it is let go at the end of the block.

    Args:
        model_dir: A Hugging Face checkpoint.
        layers: Decoder blocks that can be steered; None: all.
        max_num_seqs: Requests that run at once.
        dtype: vLLM's; `auto` is what `steersman serve` uses.
        max_model_len: Tokens of prompt and answer together; None: the model's, at most 4,096.

    Raises:
        CallerError: `model_unreadable`, `model_damaged`.
        OperatorError: `engine_start_failed`, and what keeps this model from being steered.
    """
    digest = fingerprint(model_dir).digest
    length = max_model_len or min(MAX_MODEL_LEN, compat.context_length(model_dir))
    os.environ.setdefault(OFFLINE_ENV, str(os.getpid()))  # read by the engine's own process
    options: dict[str, Any] = {
        "dtype": dtype,
        "max_model_len": length,
        "max_num_seqs": max_num_seqs,
        "max_logprobs": NO_LIMIT,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        "seed": 0,
        **compat.offline_options(model_dir, length, max_num_seqs),
        **engine_args(
            "all" if layers is None else tuple(layers),
            token_scale=compat.serves_token_scale(model_dir),
        ),
    }
    llm = compat.start_llm(model_dir, options)
    try:
        yield VllmEngine(llm, digest)
    finally:
        compat.end_llm(llm)
