"""Activations captured inside vLLM: the stack that serves, quantised models included.

Registered as `vllm` in the entry point group `steersman.activation_sources`. A `Read` travels as a
request for one token, and its sums stay on the device until it has ended (`capture_sums.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np

from steersman_vectors.engine_contract import CAPTURE_KEY, RPC_CAPTURED, RPC_STATUS
from steersman_vectors.errors import CallerError, InternalError, OperatorError
from steersman_vectors.extract.contract import Dtype, Read, SpanStates

from . import compat
from .offline import engine_args

MAX_REQUESTS = 64
"""Sequences of one forward pass."""
AHEAD = 2
"""So many times as many are in the engine at once, so that no step lacks tokens."""


class EngineSource:
    """An `ActivationSource` on a `vllm.LLM` that was started with capture."""

    def __init__(self, llm: Any, ahead: int) -> None:
        (status,) = llm.collective_rpc(RPC_STATUS)
        if not status.get("enabled"):
            raise OperatorError(
                "vLLM runs without the steering plugin, which captures: add 'steersman' to "
                "VLLM_PLUGINS, or unset it",
                code="steering_not_enabled",
            )
        self.layers: tuple[int, ...] = tuple(status["layers"])
        self.hidden_size: int = status["hidden_size"]
        self.max_tokens = compat.max_model_len(llm) - 1  # one is for the token that is asked for
        self._llm = llm
        self._ahead = ahead
        self._keys = map("read-{}".format, count())

    def read(self, reads: Sequence[Read]) -> Iterator[tuple[int, SpanStates]]:
        """As `ActivationSource.read`. What is not taken of it is given up when it is closed."""
        for i, read in enumerate(reads):
            if len(read.token_ids) > self.max_tokens:
                raise CallerError(
                    f"sequence {i} has {len(read.token_ids)} tokens, the engine reads at most "
                    f"{self.max_tokens}: shorten it, or choose a model with a longer context",
                    code="too_long",
                )
        return self._read(reads)

    def _read(self, reads: Sequence[Read]) -> Iterator[tuple[int, SpanStates]]:
        waiting = iter(enumerate(reads))
        running: dict[str, int] = {}
        try:
            while True:
                for i, read in islice(waiting, self._ahead - len(running)):
                    running[self._add(read)] = i
                if not running:
                    return
                outputs = compat.step(self._llm)
                ended = [output.request_id for output in outputs if output.finished]
                for key, states in self._collect(ended, reads, running):
                    yield running.pop(key), states
        finally:
            if running:
                compat.abort(self._llm, list(running))
                compat.run_dry(self._llm)
                self._llm.collective_rpc(RPC_CAPTURED, args=(list(running),))

    def _add(self, read: Read) -> str:
        key = next(self._keys)
        asked = {"key": key, "spans": [list(span) for span in read.spans]}
        params = compat.one_token_params({CAPTURE_KEY: asked})
        compat.add_request(self._llm, key, read.token_ids, params)
        return key

    def _collect(
        self, keys: Sequence[str], reads: Sequence[Read], running: dict[str, int]
    ) -> Iterator[tuple[str, SpanStates]]:
        if not keys:
            return
        (answer,) = self._llm.collective_rpc(RPC_CAPTURED, args=(list(keys),))
        for key in keys:
            captured = answer["captured"][key]
            if captured is None:
                raise InternalError(
                    f"positions of sequence {running[key]} were never computed here; was the "
                    "engine started with prefix caching?",
                    code="capture_incomplete",
                )
            shape = (len(reads[running[key]].spans), len(self.layers))
            mean, norm = (np.frombuffer(data, dtype=np.float32) for data in captured)
            yield key, SpanStates(mean.reshape(*shape, self.hidden_size), norm.reshape(shape))


@contextmanager
def open_source(
    model_dir: Path,
    *,
    layers: Sequence[int] | None,
    dtype: Dtype,
    batch_tokens: int,
    **more: Any,
) -> Iterator[EngineSource]:
    """Opens a model in vLLM; see `OpenSource`. Prompts longer than a batch are read in chunks.

    more: options of `vllm.LLM`, over those chosen here. NOTE: prefix caching must stay off, since
    positions that come out of a cache are never computed; the engine refuses it with capture.
    """
    requests = max(1, min(MAX_REQUESTS, batch_tokens))
    steering = engine_args("all" if layers is None else tuple(layers), capture=True)
    llm = compat.start_llm(
        model_dir,
        {
            "dtype": dtype,
            "max_num_batched_tokens": batch_tokens,
            "max_num_seqs": requests,
            "max_model_len": -1,  # as long as the model and the memory allow
            "enable_chunked_prefill": True,
            "enable_prefix_caching": False,
            "skip_tokenizer_init": True,
            "disable_log_stats": True,
            "enforce_eager": True,  # compiling takes longer than most extractions
            **steering,
            **more,
        },
    )
    try:
        yield EngineSource(llm, AHEAD * requests)
    finally:
        compat.end_llm(llm)
