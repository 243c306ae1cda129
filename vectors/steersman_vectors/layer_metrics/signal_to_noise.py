"""How strong the mean difference is against the spread of the pairs' strengths.

SNR = ||mean d|| / std(||d||)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def signal_to_noise(differences: NDArray[np.float64]) -> float | None:
    """Returns the ratio for `[pairs, hidden]`; None where all differences have the same norm."""
    spread = float(np.linalg.norm(differences, axis=1).std())
    signal = float(np.linalg.norm(differences.mean(axis=0)))
    return signal / spread if spread > signal * 1e-12 else None
