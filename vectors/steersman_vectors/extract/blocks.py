"""Where the decoder blocks of a model are, in vLLM's modules and in Hugging Face's alike."""

from __future__ import annotations

from torch import nn

from ..errors import OperatorError


def find_blocks(model: nn.Module, num_layers: int) -> nn.ModuleList:
    """Returns the decoder blocks of the language model.

    The blocks are the one ModuleList with as many entries as the config has layers; a wrapper with
    a language model inside is searched there first. Raises `OperatorError(model_unsupported)`.
    """
    inner = getattr(model, "get_language_model", None)
    own = getattr(model, "language_model", None)
    roots = [inner()] if callable(inner) else [own] if isinstance(own, nn.Module) else []
    for root in [*roots, model]:
        lists = [
            (name, m)
            for name, m in root.named_modules()
            if isinstance(m, nn.ModuleList) and len(m) == num_layers
        ]
        outer = [m for name, m in lists if not any(name.startswith(f"{o}.") for o, _ in lists)]
        if len(outer) == 1:
            return outer[0]
    raise OperatorError(
        f"cannot find the {num_layers} decoder blocks of {type(model).__name__}: expected exactly "
        "one list of that length. This architecture cannot be steered yet",
        code="model_unsupported",
    )
