"""How much of what the differences do is one direction.

    explained_k = s_k^2 / sum(s^2), s: singular values of the centred differences D - mean(D)

of the first ten components.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..extract.methods.principal import principal_components

COMPONENTS = 10


def explained_variance(differences: NDArray[np.float64], *, seed: int = 0) -> list[float]:
    """Returns the shares of PC1 ... PC10 of `[pairs, hidden]`, falling; fewer of few pairs."""
    found = principal_components(differences, COMPONENTS, seed=seed)
    return [float(share) for share in found.explained]
