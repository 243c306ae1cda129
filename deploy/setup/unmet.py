"""Prints what the packages in an environment's own folder require and it has not, torch first.

Run by the environment's own Python; pip installs what it prints. What the folder covers is not
looked at: what those packages miss, they missed before.
"""

from __future__ import annotations

import sysconfig
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

# Their builds on PyPI are for CUDA and break `import transformers`.
LEFT_OUT_ON_CPU = {"torchaudio", "torchcodec", "torchvision"}


def is_met(requirement: Requirement) -> bool:
    """Returns whether the environment holds it; a build for another device is as good."""
    try:
        found = Version(metadata.version(requirement.name))
    except metadata.PackageNotFoundError:
        return False
    wanted = SpecifierSet(str(requirement.specifier).replace("+cpu", ""))
    return wanted.contains(found.public, prereleases=True)


def main() -> None:
    """Prints every requirement, without its marker, of each package of which one is unmet."""
    required: dict[str, list[Requirement]] = {}
    for distribution in metadata.distributions(path=[sysconfig.get_path("purelib")]):
        for requirement in map(Requirement, distribution.requires or []):
            name = canonicalize_name(requirement.name)
            applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if applies and name not in LEFT_OUT_ON_CPU:
                required.setdefault(name, []).append(requirement)
    unmet = {name: all_ for name, all_ in required.items() if not all(map(is_met, all_))}
    for name in ["torch"] if "torch" in unmet else sorted(unmet):
        for line in sorted({f"{name}{requirement.specifier}" for requirement in unmet[name]}):
            print(line)


if __name__ == "__main__":
    main()
