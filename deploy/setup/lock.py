"""Writes requirements/*.lock: the full closure of each engine, of the build and of the tools.

`make lock` runs it with any fit Python. It makes a throw-away environment with uv, which resolves
from metadata alone (no gigabytes of CUDA wheels, no GPU) and for Python 3.11 to 3.13 in one file.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "requirements"
UV = "uv==0.13.8"
PYTORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
LEFT_OUT_ON_CPU = ("torchaudio", "torchcodec", "torchvision")

HEADER = """\
# {title}
# Made by `make lock` with {uv}; do not edit.
# Holds for Python 3.11 to 3.13 on Linux, x86_64 and aarch64.
# Install with `pip install --no-deps -r` this file: it is a full closure.
"""
CPU_NOTE = """\
# torch is in cpu-torch.lock: its CPU build comes from whatever pip is configured with, whose wheel
# need not be the very file of PyTorch's index, and pip takes hashes for all packages or for none.
# torchvision, torchaudio, torchcodec are left out: PyPI's are CUDA builds and break transformers.
"""
TORCH_NOTE = """\
# In a file of its own and without a hash: cpu.lock says why.
# Not on PyPI: install.sh falls back to PyTorch's CPU index.
"""


def fail(what: str, remedy: str) -> NoReturn:
    """Says what failed and what to do, and ends the program."""
    print(f"\nerror: {what}\n  remedy: {remedy}", file=sys.stderr)
    sys.exit(1)


def run(command: list[str], env: dict[str, str] | None = None) -> str:
    """Returns the command's standard output; fails with the end of what it said."""
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-12:])
        fail(
            f"{' '.join(command[:4])} ... failed:\n{said}",
            "see the lines above: a version nobody offers, or an index out of reach",
        )
    return done.stdout


def pip_settings(python: Path) -> dict[str, str]:
    """Returns pip's configuration by bare name; the environment wins, as it does in pip."""
    lines = run([str(python), "-m", "pip", "config", "list"]).splitlines()
    pairs = [line.split("=", 1) for line in lines if "=" in line]
    pairs.sort(key=lambda pair: pair[0].startswith(":env:"))
    return {name.split(".")[-1]: value.strip("'\"") for name, value in pairs}


class Workshop:
    """A throw-away environment: pip fetches, uv resolves, both on the index of pip's configuration.

    Extra indexes are not asked: a mirror that holds one wheel of a release would hide the others.
    """

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "venv", with_pip=True)
        self.folder = folder
        self.python = folder / "venv/bin/python"
        self.pip = [str(self.python), "-m", "pip", "--disable-pip-version-check"]
        run([*self.pip, "install", "--quiet", UV])
        settings = pip_settings(self.python)
        self.options: list[str] = []
        if "index-url" in settings:
            self.options += ["--default-index", settings["index-url"]]
        self.env = dict(os.environ)
        if "cert" in settings:
            self.env["SSL_CERT_FILE"] = settings["cert"]

    def resolve(self, *arguments: str) -> str:
        """Returns the lock text that uv makes of requirement files and options."""
        uv = [str(self.folder / "venv/bin/uv"), "--quiet", "pip", "compile", "--no-header"]
        fixed = ["--generate-hashes", "--no-build", "--no-annotate", "--python-version", "3.11"]
        return run([*uv, *fixed, *self.options, *arguments], self.env)

    def closure(self, source: str, *options: str) -> str:
        """Returns one lock for all Pythons and both machines.

        For such a lock uv reads the metadata of one wheel of a release. Where wheels disagree
        (intel-openmp) it misses what only Linux needs, so each machine is resolved alone as well
        and what is missing is asked for by name.
        """
        lock = self.resolve(source, "--universal", *options)
        missing = []
        for machine in ("x86_64", "aarch64"):
            alone = self.resolve(source, f"--python-platform={machine}-manylinux_2_36", *options)
            where = f"sys_platform == 'linux' and platform_machine == '{machine}'"
            missing += [f"{pin} ; {where}" for pin in pins(alone) if name(pin) not in names(lock)]
        if missing:
            more = self.file("missing.txt", missing)
            lock = self.resolve(source, more, "--universal", *options)
        return lock

    def file(self, called: str, lines: Iterable[str]) -> str:
        """Returns the path of a file with these lines."""
        path = self.folder / called
        path.write_text("".join(f"{line}\n" for line in lines))
        return str(path)

    def wheel(self, requirement: str, fallback_index: str | None = None) -> Path:
        """Returns the wheel of one requirement, from where pip looks or else from the fallback."""
        into = Path(tempfile.mkdtemp(dir=self.folder))
        command = [*self.pip, "download", "--quiet", "--no-deps", "--dest", str(into), requirement]
        missing = subprocess.run(command, capture_output=True, check=False).returncode
        if missing and fallback_index:
            run([*command, "--index-url", fallback_index])
        elif missing:
            run(command)
        (wheel,) = into.glob("*.whl")
        return wheel


def metadata_of(wheel: Path) -> str:
    """Returns the METADATA text of a wheel."""
    with zipfile.ZipFile(wheel) as opened:
        path = next(n for n in opened.namelist() if n.endswith(".dist-info/METADATA"))
        return opened.read(path).decode()


def torch_of(engine_wheel: Path) -> str:
    """Returns the torch that the CPU engine pins, such as `torch==2.13.0+cpu`."""
    pinned = re.search(r"^Requires-Dist: (torch==[\d.]+\+cpu)", metadata_of(engine_wheel), re.M)
    if pinned is None:
        fail(f"{engine_wheel.name} pins no +cpu torch", "read its metadata and mend lock.py")
    return pinned.group(1)


def torch_stand_in(workshop: Workshop, torch: str) -> str:
    """Returns a folder with a wheel that has the CPU torch's metadata and fits every Python.

    The real wheel at hand fits one Python only, and a resolver for three would refuse it.
    """
    real = workshop.wheel(torch, PYTORCH_CPU_INDEX)
    release = "-".join(real.name.split("-")[:2])
    folder = workshop.folder / "stand-in"
    folder.mkdir()
    info = f"{release}.dist-info"
    with zipfile.ZipFile(folder / f"{release}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", metadata_of(real))
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return str(folder)


def pins(lock: str) -> set[str]:
    """Returns a lock's `name==version ; marker` lines without their hashes."""
    return {line.rstrip(" \\") for line in lock.splitlines() if re.match(r"[a-z0-9]", line)}


def name(pin: str) -> str:
    """Returns the package of a pin."""
    return pin.split("==")[0]


def names(lock: str) -> set[str]:
    """Returns the packages of a lock."""
    return {name(pin) for pin in pins(lock)}


def write(file: str, title: str, note: str, lock: str) -> None:
    """Writes one lock file and says how long it is."""
    (LOCKS / file).write_text(HEADER.format(title=title, uv=UV) + note + lock)
    print(f"requirements/{file}: {len(pins(lock))} packages")


def main() -> None:
    """Resolves everything first, then writes: a failure leaves the old files as they were."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (cpu_engine,) = project["project"]["optional-dependencies"]["cpu"]
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder))
        torch = torch_of(workshop.wheel(cpu_engine))
        cpu = workshop.closure(
            "pyproject.toml",
            *("--extra", "cpu", "--no-emit-package", "torch"),
            *("--find-links", torch_stand_in(workshop, torch)),
            *("--excludes", workshop.file("excludes.txt", LEFT_OUT_ON_CPU)),
        )
        cuda = workshop.closure("pyproject.toml", "--extra", "cuda")
        # Tools share an environment with either engine, so they take the versions both agree on.
        shared = pins(cpu) & pins(cuda)
        build = workshop.closure(
            workshop.file("build.in", project["build-system"]["requires"]),
            *("--constraints", workshop.file("shared.txt", shared)),
        )
        present = shared | pins(build)
        dev = workshop.closure(
            "pyproject.toml",
            *("--extra", "dev", "--constraints", workshop.file("present.txt", present)),
            *(f"--no-emit-package={name(pin)}" for pin in present if ";" not in pin),
        )
    write("cpu.lock", f"Steersman with {cpu_engine}.", CPU_NOTE, cpu)
    write("cpu-torch.lock", f"The torch of {cpu_engine}.", TORCH_NOTE, f"{torch}\n")
    write("cuda.lock", "Steersman with vLLM on CUDA.", "", cuda)
    write("build.lock", "What builds Steersman's wheel.", "", build)
    write("dev.lock", "Test and check tools, beside either engine and build.lock.", "", dev)


if __name__ == "__main__":
    main()
