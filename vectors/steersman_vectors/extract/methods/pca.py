"""PCA of differences: the direction in which the pairs' differences vary most.

d_i = positive_i - negative_i; v = first principal component of d (centred), its sign by the pairs:
mean(d) . v > 0. What all differences share is what centring takes out, so where the behaviour is
equally strong in every pair this finds something else; the mean difference finds it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import CallerError
from .contract import Options, Sides, along, no_contrast
from .principal import principal_components


def pca_of_differences(sides: Sides, options: Options) -> NDArray[np.float64]:
    """Returns the first component at the length of the means' distance along it; see `Method`."""
    if not sides.paired:
        raise CallerError(
            "--method pca needs pairs, whose differences mean something: got two sets of prompts. "
            "Use --method mean or probe",
            code="pairs_needed",
            param="method",
        )
    found = principal_components(sides.positive - sides.negative, 1, seed=options.seed)
    if not len(found.directions):
        raise no_contrast(sides.layer_idx)
    return along(found.directions[0], sides)
