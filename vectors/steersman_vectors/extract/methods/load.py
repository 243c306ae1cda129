"""Methods by name."""

from __future__ import annotations

from typing import assert_never

from .contract import Method, MethodName


def method_named(name: MethodName) -> Method:
    """Returns the method; scikit-learn is loaded where it needs it."""
    match name:
        case "mean":
            from .mean import mean_difference

            return mean_difference
        case "pca":
            from .pca import pca_of_differences

            return pca_of_differences
        case "probe":
            from .probe import logistic_probe

            return logistic_probe
        case _:
            assert_never(name)
