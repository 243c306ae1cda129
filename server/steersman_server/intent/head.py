"""The linear head: class probabilities of an embedded text.

    p = softmax((W x + b) / T)

One class may stand for everything that has no label (`OTHER`): texts outside of the scope, as far
as there were any in training. It is never given as a label; its share is missing from the others'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OTHER = ""
"""The class of texts without a label."""
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Head:
    """Weights `[classes, dimensions]`, bias `[classes]`, already divided by the temperature."""

    classes: tuple[str, ...]
    """In the order of the rows; `OTHER` may be one of them."""
    weight: Floats
    bias: Floats

    def probabilities(self, x: Floats) -> Floats:
        """Returns `[..., classes]` for `[..., dimensions]`."""
        logits = x @ self.weight.T + self.bias
        logits -= logits.max(axis=-1, keepdims=True)
        raised = np.exp(logits)
        shares: Floats = raised / raised.sum(axis=-1, keepdims=True)
        return shares


def best_of(classes: tuple[str, ...], shares: Sequence[float]) -> tuple[str, float]:
    """Returns the label with the highest probability, and that; never `OTHER`."""
    share, label = max((s, c) for s, c in zip(shares, classes, strict=True) if c != OTHER)
    return label, share
