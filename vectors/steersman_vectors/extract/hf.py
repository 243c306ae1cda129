"""Activations by Hugging Face forwards: the reference that the serving engine is compared with.

The states are taken by hooks on the decoder blocks, because the last of `output_hidden_states` has
passed the final norm. The head is never computed, and blocks above the last one that is read are
not even kept.

Rows are padded on the right and no mask is given: a causal model's token sees nothing to its right,
so the padding changes no state, and attention keeps its fast causal path.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import CallerError, OperatorError
from ..model_dir import NO_TOKEN_LIMIT, read_config, read_shape
from .batches import by_length
from .blocks import find_blocks
from .contract import ActivationSource, Dtype, Read, SpanStates

_DECODERS = ("ForCausalLM", "ForConditionalGeneration", "LMHeadModel", "ForImageTextToText")
_PAD = 0
"""Any token does: nothing reads its states."""


class HuggingFaceSource:
    """Reads states off a loaded model; see `ActivationSource`.

    One forward at a time; what is held beside the model is one batch's states.
    """

    def __init__(
        self, model: nn.Module, layers: Sequence[int], *, batch_tokens: int, device: torch.device
    ) -> None:
        config: Any = model.config
        config = config.get_text_config()
        blocks = find_blocks(model, int(config.num_hidden_layers))
        self.layers = tuple(sorted(layers))
        self.hidden_size = int(config.hidden_size)
        self.max_tokens = int(getattr(config, "max_position_embeddings", 0) or NO_TOKEN_LIMIT)
        self._blocks = [blocks[i] for i in self.layers]
        self._batch_tokens = batch_tokens
        self._device = device
        del blocks[self.layers[-1] + 1 :]  # nothing above is wanted
        self._model = model.to(device).eval()

    def read(self, reads: Sequence[Read]) -> Iterator[tuple[int, SpanStates]]:
        """Yields (index in `reads`, what was read there), batch after batch, the longest first.

        Raises `CallerError(too_long)` before anything is read, and `OperatorError(out_of_memory)`.
        """
        lengths = [len(read.token_ids) for read in reads]
        check_lengths(lengths, self.max_tokens)
        return self._batches(reads, by_length(lengths, self._batch_tokens))

    def _batches(
        self, reads: Sequence[Read], batches: list[list[int]]
    ) -> Iterator[tuple[int, SpanStates]]:
        for batch in batches:
            try:
                states = self._forward([reads[i] for i in batch])
            except torch.OutOfMemoryError as error:
                raise OperatorError(
                    f"the device ran out of memory on a batch of {self._batch_tokens} tokens. Use "
                    "a smaller --batch-tokens; what was read so far is kept",
                    code="out_of_memory",
                ) from error
            yield from zip(batch, states, strict=True)

    @torch.inference_mode()
    def _forward(self, reads: Sequence[Read]) -> list[SpanStates]:
        ids = _padded([read.token_ids for read in reads]).to(self._device)
        where = _Spans.of(reads, ids.shape[1], self._device)
        seen: list[tuple[Tensor, Tensor]] = []

        def hook(_block: nn.Module, _inputs: Any, output: Any) -> None:
            seen.append(where.take(output[0] if isinstance(output, tuple) else output))

        handles = [block.register_forward_hook(hook) for block in self._blocks]
        try:
            self._model(input_ids=ids, use_cache=False)
        finally:
            for handle in handles:
                handle.remove()
        mean = torch.stack([m for m, _ in seen], dim=1).cpu().numpy()
        norm = torch.stack([n for _, n in seen], dim=1).cpu().numpy()
        ends = np.cumsum([len(read.spans) for read in reads])[:-1]
        parts = zip(np.split(mean, ends), np.split(norm, ends), strict=True)
        return [SpanStates(mean=m, norm=n) for m, n in parts]


class _Spans:
    """The spans of a batch: where their positions are in `[rows * width, hidden]`."""

    def __init__(self, positions: Tensor, lengths: Tensor) -> None:
        self._positions = positions
        self._lengths = lengths

    @classmethod
    def of(cls, reads: Sequence[Read], width: int, device: torch.device) -> _Spans:
        spans = [(row * width, span) for row, read in enumerate(reads) for span in read.spans]
        positions = [at + i for at, (start, end) in spans for i in range(start, end)]
        lengths = [end - start for _, (start, end) in spans]
        return cls(torch.tensor(positions, device=device), torch.tensor(lengths, device=device))

    def take(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns fp32 (mean `[spans, hidden]`, mean norm `[spans]`) of x `[rows, width, hidden]`.

        Segments are summed in order, on any device: the same batch gives the same bits.
        """
        chosen = x.flatten(0, 1)[self._positions].float()
        norm = torch.linalg.vector_norm(chosen, dim=-1)
        if len(self._lengths) == len(self._positions):
            return chosen, norm
        return (
            torch.segment_reduce(chosen, "mean", lengths=self._lengths, axis=0),
            torch.segment_reduce(norm, "mean", lengths=self._lengths, axis=0),
        )


@contextmanager
def open_source(
    model_dir: Path, *, layers: Sequence[int] | None, dtype: Dtype, batch_tokens: int
) -> Iterator[ActivationSource]:
    """Loads the model, on a GPU where there is one; see `OpenSource`."""
    shape = read_shape(model_dir)
    chosen = range(shape.num_layers) if layers is None else layers
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = _load(model_dir, dtype)
    try:
        source = HuggingFaceSource(model, chosen, batch_tokens=batch_tokens, device=device)
    except torch.OutOfMemoryError as error:
        raise OperatorError(
            f"the device has no room for the model at {model_dir}. End what else runs there; read "
            "beside an engine, it is loaded a second time, and `steersman judge` reads the answers "
            "of a sweep after its engine has ended",
            code="out_of_memory",
        ) from error
    del model
    try:
        yield source
    finally:
        del source
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()


def check_lengths(lengths: Sequence[int], max_tokens: int) -> None:
    """Returns when the model takes sequences of these lengths; else `CallerError(too_long)`."""
    wrong = [i for i, length in enumerate(lengths) if not 0 < length <= max_tokens]
    if wrong:
        raise CallerError(
            f"sequence {wrong[0]} has {lengths[wrong[0]]} tokens, expected 1 to {max_tokens}",
            code="too_long",
        )


def _load(model_dir: Path, dtype: Dtype) -> nn.Module:
    """Returns the model without its head, every weight of it out of the checkpoint."""
    from safetensors import SafetensorError
    from transformers import AutoModel

    _check_decoder(model_dir)
    wanted = dtype if dtype == "auto" else getattr(torch, dtype)
    try:
        with _quiet():
            model, loaded = AutoModel.from_pretrained(
                model_dir, dtype=wanted, local_files_only=True, output_loading_info=True
            )
    except (OSError, ValueError, ImportError, KeyError, RuntimeError, SafetensorError) as error:
        raise OperatorError(
            f"Hugging Face's transformers cannot load the model at {model_dir}: {error}. If vLLM "
            "serves it (quantised models, for instance), use --backend vllm",
            code="model_unsupported",
        ) from error
    lacking = sorted(loaded["missing_keys"])
    if lacking:  # transformers draws them at random and only warns
        raise OperatorError(
            f"the model at {model_dir} lacks {len(lacking)} weights, such as {lacking[0]}: states "
            "read off it would mean nothing. Download it again, or use --backend vllm",
            code="model_unreadable",
        )
    return model  # type: ignore[no-any-return]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps transformers' own progress bar, and its report of the head that is left out, away."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _check_decoder(model_dir: Path) -> None:
    """Raises `OperatorError(model_unsupported)` for models whose tokens see what comes later."""
    config = read_config(model_dir)
    named = config.get("architectures") or []
    if config.get("is_encoder_decoder") or (
        named and not any(n.endswith(_DECODERS) for n in named)
    ):
        raise OperatorError(
            f"the model at {model_dir} is no decoder-only language model: got {json.dumps(named)}, "
            "expected one that generates text from left to right",
            code="model_unsupported",
        )


def _padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """Returns `[rows, longest]` int64, padded on the right."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[_PAD] * (width - len(row))] for row in rows])
