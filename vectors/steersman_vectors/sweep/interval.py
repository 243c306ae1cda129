"""How far a rate may be off by chance."""

from __future__ import annotations

import math

Z95 = 1.959963984540054
"""Of a normal distribution, 95% are within so many standard deviations."""


def wilson(hits: int, of: int, z: float = Z95) -> tuple[float, float]:
    """Returns both ends of Wilson's score interval for a rate; (0, 1) without any trial.

    (p + z²/2n +- z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n), Wilson 1927.
    """
    if of == 0:
        return 0.0, 1.0
    p, zz = hits / of, z * z
    middle, below = p + zz / (2.0 * of), 1.0 + zz / of
    spread = z * math.sqrt(p * (1.0 - p) / of + zz / (4.0 * of * of))
    low = 0.0 if hits == 0 else (middle - spread) / below
    return low, 1.0 if hits == of else (middle + spread) / below
