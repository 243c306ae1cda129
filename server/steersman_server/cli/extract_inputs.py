"""What extraction is given, checked before an hour of work: files, names, registered vectors."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from steersman_vectors.errors import SteersmanError
from steersman_vectors.names import check_name

from .output import print_warning
from .registry_access import Where, look
from .values import check_new, refused

if TYPE_CHECKING:
    from steersman_vectors.extract.contract import Progress
    from steersman_vectors.extract.methods.contract import Options
    from steersman_vectors.extract.run import Unit
    from steersman_vectors.pairs.read import Pairs
    from steersman_vectors.recipe.data_file import DataFile
    from steersman_vectors.registry.store import RegistryStore
    from steersman_vectors.vector import SteeringVector


def check_out(out: Path, *, force: bool) -> None:
    """Returns when the file may be written; raises `CallerError` before anything else is done."""
    if out.exists() and not out.is_file():
        raise refused("--out", out, "a file, not a folder or a device")
    check_new("--out", out, force=force)
    if not out.absolute().parent.is_dir():
        raise refused("--out", out, "a file in a folder that exists")


def name_of(name: str | None, out: Path) -> str:
    """Returns the vector's name, by default the file's; raises `CallerError(invalid_name)`."""
    return check_name(out.stem if name is None else name, what="vector name (--name)")


def workdir_of(workdir: Path | None, out: Path) -> Path:
    """Returns where the states are kept meanwhile: a folder beside the vector's file."""
    return out.with_name(f"{out.name}.states") if workdir is None else workdir


def options_of(seed: int, probe_c: str) -> Options:
    """Returns what methods are told; raises `CallerError(invalid_option)`."""
    from steersman_vectors.extract.methods.contract import Options

    if probe_c in ("auto", "cv"):
        return Options(seed, probe_cv=probe_c == "cv")
    try:
        value = float(probe_c)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise refused("--probe-c", probe_c, "auto, cv, or a number above 0")
    return Options(seed, probe_c=value)


def read(pairs: Path, negative: Path | None, *, near: bool) -> Pairs:
    """Returns the pairs of a file, or the two sets of prompts of two."""
    from steersman_vectors.pairs.read import read_pairs, read_prompt_sets

    from .progress import counting

    if negative is not None:
        return read_prompt_sets(pairs, negative, near=near)
    with counting("Reading pairs") as progress:
        return read_pairs(pairs, near=near, progress=progress)


def data_of(pairs: Path, negative: Path | None) -> dict[str, DataFile]:
    """Returns the files by the role that they play in the recipe."""
    from steersman_vectors.recipe.data_file import data_files

    if negative is None:
        return data_files(pairs=pairs)
    return data_files(positive=pairs, negative=negative)


def stage(what: str, unit: Unit) -> AbstractContextManager[Progress]:
    """Returns the progress bar of a stage, which counts in that unit."""
    from rich.progress import DownloadColumn

    from .progress import TokensColumn, counting

    match unit:
        case "bytes":
            return counting(what, DownloadColumn())
        case "tokens":
            return counting(what, TokensColumn())
        case "layers" | "models":
            return counting(what)


def registered(where: Where, fingerprint: str, name: str) -> dict[str, SteeringVector]:
    """Returns the registered vectors of that base model, newest version each, by name@version.

    Without those of this very name, which are earlier versions of the same. A registry that cannot
    be read is a warning: the vector does not depend on it.
    """
    if not where.exists:
        return {}

    async def vectors(store: RegistryStore) -> dict[str, SteeringVector]:
        from ..control.operations import read_vector

        snapshot = await store.snapshot()
        newest = [
            max((e for e in versions.values() if e.retired is None), key=lambda e: e.version)
            for (of, other), versions in snapshot.versions.items()
            if of == fingerprint
            and other != name
            and any(e.retired is None for e in versions.values())
        ]
        return {str(entry): await read_vector(store, entry) for entry in newest}

    try:
        return look(where, vectors)
    except SteersmanError as error:
        print_warning(f"not compared with the registered vectors: {error.message}")
        return {}
