"""What a method is: from the states of both sides at one layer to a direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from ...errors import CallerError

MethodName = Literal["mean", "pca", "probe"]
METHODS: tuple[MethodName, ...] = get_args(MethodName)


@dataclass(frozen=True, slots=True)
class Sides:
    """States at one layer: fp64 `[examples, hidden]` of each side."""

    positive: NDArray[np.float64]
    negative: NDArray[np.float64]
    paired: bool
    """Whether row i of both sides differs in the behaviour alone."""
    layer_idx: int = 0
    """For messages."""

    @property
    def mean_difference(self) -> NDArray[np.float64]:
        """Returns mean(positive) - mean(negative), `[hidden]`."""
        difference: NDArray[np.float64] = self.positive.mean(axis=0) - self.negative.mean(axis=0)
        return difference


@dataclass(frozen=True, slots=True)
class Options:
    """What methods can be told."""

    seed: int = 0
    probe_c: float | None = None
    """Inverse strength of the probe's regularisation, as scikit-learn's C; None: 1 / hidden."""
    probe_cv: bool = False
    """Whether C is chosen by cross-validation instead."""


class Method(Protocol):
    """Finds the direction in which the behaviour lies."""

    def __call__(self, sides: Sides, options: Options, /) -> NDArray[np.float64]:
        """Returns the undivided difference `[hidden]`, from the opposite to the behaviour.

        Its norm goes to the card as `raw_norm`: the norm of the mean difference for `mean`; for
        methods that find a direction alone, the distance of the two sides' means along it.

        Raises `CallerError`: `no_contrast` where there is no difference, `pairs_needed`.
        """
        ...


def along(direction: NDArray[np.float64], sides: Sides) -> NDArray[np.float64]:
    """Returns the direction at the length of the two means' distance along it: u * (u . mean d).

    So the sign is the one that leads from the opposite to the behaviour, whatever came in. Raises
    `CallerError(no_contrast)` where the means do not differ along it.
    """
    norm = float(np.linalg.norm(direction))
    unit = direction / (norm or 1.0)
    distance = float(unit @ sides.mean_difference)
    if not abs(distance) > np.finfo(np.float64).tiny:
        raise no_contrast(sides.layer_idx)
    return unit * distance


def no_contrast(layer_idx: int) -> CallerError:
    """Returns the error for two sides that do not differ."""
    return CallerError(
        f"the states of both sides are the same at layer {layer_idx}: there is nothing to make a "
        "vector of. Look at the pairs with `steersman pairs check`, or try other --positions",
        code="no_contrast",
    )
