"""The model that read-outs read answers with: loaded when the first answer is read, or never."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

from ..errors import CallerError
from ..extract.contract import ActivationSource, OpenSource, Read, SpanStates
from ..extract.reading import ModelTokenizer
from ..message import Message
from ..model_dir import TEXT_CONFIG_KEYS, read_config, read_json, read_max_tokens, read_shape
from ..pairs.pair import Example

BATCH_TOKENS = 4096
"""Of one forward pass, padding included."""


class SourceOnDemand:
    """An `ActivationSource` that opens another when it is first read. A context manager."""

    def __init__(self, open_source: OpenSource, model_dir: Path, layers: Sequence[int]) -> None:
        """Opens nothing; layers: those that are read."""
        self.layers = tuple(sorted(layers))
        self.hidden_size = read_shape(model_dir).hidden_size
        self.max_tokens = read_max_tokens(model_dir)
        self._open, self._model_dir = open_source, model_dir
        self._stack = ExitStack()
        self._opened: ActivationSource | None = None

    def read(self, reads: Sequence[Read]) -> Iterator[tuple[int, SpanStates]]:
        """As `ActivationSource.read`; loads the model the first time, if there is anything."""
        if not reads:
            return iter(())
        if self._opened is None:
            self._opened = self._stack.enter_context(
                self._open(
                    self._model_dir, layers=self.layers, dtype="auto", batch_tokens=BATCH_TOKENS
                )
            )
        return self._opened.read(reads)

    def __enter__(self) -> SourceOnDemand:
        """Returns itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Lets the model go."""
        self._opened = None
        self._stack.close()


class PromptTokens:
    """`PromptIds` by the model's own chat template; its tokenizer is loaded when first asked."""

    def __init__(self, model_dir: Path) -> None:
        self._model_dir = model_dir
        self._tokenizer: ModelTokenizer | None = None
        self._known: dict[tuple[Message, ...], tuple[int, ...]] = {}

    def __call__(self, messages: tuple[Message, ...]) -> tuple[int, ...]:
        """Returns the prompt with the generation header; raises `CallerError(chat_refused)`."""
        if self._tokenizer is None:
            self._tokenizer = ModelTokenizer(self._model_dir)
        if messages not in self._known:
            self._known[messages] = self._tokenizer.header(Example(messages, None))
        return self._known[messages]


def end_tokens_of(model_dir: Path) -> frozenset[int]:
    """Returns the tokens that end an answer, as the model's configs have them; perhaps none."""
    config = read_config(model_dir)
    parts: list[object] = [config, *(config.get(key) for key in TEXT_CONFIG_KEYS)]
    with suppress(CallerError):  # many models have none
        parts.append(read_json(model_dir / "generation_config.json"))
    found: set[int] = set()
    for part in parts:
        said = part.get("eos_token_id") if isinstance(part, Mapping) else None
        found |= {token for token in (said if isinstance(said, list) else [said])
                  if isinstance(token, int)}  # fmt: skip
    return frozenset(found)
