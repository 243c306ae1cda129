"""`steersman vectors export`: a registered vector as a file."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steersman_vectors.errors import CallerError
from steersman_vectors.whole_file import write_whole

from .file_names import safe_name
from .options import DataDir, Json, OnlyModel, RedisUrl
from .output import EXIT_CODES, print_json, print_people, printable
from .values import check_new

if TYPE_CHECKING:
    from steersman_vectors.registry.entry import VectorEntry
    from steersman_vectors.vector import SteeringVector

    from .registry_access import Where

EXPORT_HELP = """
Write a registered vector to FILE.

native keeps the whole card, and `steersman vectors push` reads it. gguf is
for llama.cpp and repeng, svec for activation-steering and AISteer360: both
hold what alpha 1 adds, without presets, scope and schedule.
--data DIR also writes what is kept beside it, a folder for each: the data of
its recipe, its calibration, its report.

Examples:

  steersman vectors export empathy --out empathy.safetensors

  steersman vectors export empathy@prod --out empathy.gguf

  steersman vectors export empathy --out empathy.safetensors --data ./empathy-data

  steersman vectors export empathy@2 --out - --format svec > empathy.svec
"""

STDOUT = Path("-")


class FormatOption(StrEnum):
    """What the file is written as."""

    NATIVE = "native"
    GGUF = "gguf"
    SVEC = "svec"


def register(vectors: typer.Typer) -> None:
    """Adds the command to `steersman vectors`."""

    @vectors.command("export", help=EXPORT_HELP, epilog=EXIT_CODES)
    def export_vector(
        name: Annotated[
            str, typer.Argument(metavar="NAME", help="name, name@version or name@alias")
        ],
        out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write; - for stdout.")],
        data_dir: DataDir,
        file_format: Annotated[
            FormatOption | None,
            typer.Option("--format", help="Default: by the ending of FILE, else native."),
        ] = None,
        data: Annotated[
            Path | None,
            typer.Option(
                "--data", metavar="DIR", help="Write the files kept beside it here: ROLE/NAME."
            ),
        ] = None,
        force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
        model: OnlyModel = None,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from steersman_vectors.formats.writer import export

        from ..control.json_views import entry_json
        from .registry_access import Where

        _check_out(out, force=force, as_json=as_json)
        chosen = str(file_format) if file_format is not None else _format_of(out)
        entry, vector, files = _read(Where(data_dir, redis_url), name, model, data=data is not None)
        exported = export(vector, chosen)
        notes = list(exported.notes)
        if entry.retired is not None:
            notes.append(printable(f"{entry} is {entry.retired}"))
        written = {} if data is None else write_files(files, data, force=force)
        if data is not None and not written:
            notes.append("nothing is kept beside it")
        if out == STDOUT:
            sys.stdout.buffer.write(exported.data)
            sys.stdout.buffer.flush()
            for note in notes:
                print(f"note: {note}", file=sys.stderr)
            return
        _write(out, exported.data)
        if as_json:
            about = {"file": str(out), "format": chosen, "bytes": len(exported.data)}
            beside = {role: str(path) for role, path in written.items()}
            print_json({**entry_json(entry), **about, "data": beside, "notes": notes})
        else:
            size = f"{len(exported.data)} bytes"
            print_people(f"{entry}: written to {printable(str(out))} ({chosen}, {size})")
            for role, path in written.items():
                print_people(f"  {role}: {printable(str(path))}")
            print_people(*(f"  note    {note}" for note in notes))


def _read(
    where: Where, name: str, model: str | None, *, data: bool
) -> tuple[VectorEntry, SteeringVector, dict[str, tuple[str, bytes]]]:
    """Returns the version, its vector, and if wanted the (name, bytes) of each file beside it."""
    from steersman_vectors.names import parse_ref
    from steersman_vectors.registry.store import RegistryStore

    from ..control import operations
    from .registry_access import chooser, read_snapshot, run

    ref, choose = parse_ref(name), chooser(model, where)

    async def operation(
        store: RegistryStore,
    ) -> tuple[VectorEntry, SteeringVector, dict[str, tuple[str, bytes]]]:
        entry = choose(await store.snapshot(), ref)
        files = await operations.read_attached(store, entry) if data else {}
        return entry, await operations.read_vector(store, entry), files

    if not where.exists:  # finds nothing, and creates no data directory either
        choose(read_snapshot(where), ref)
    return run(where, operation)


def write_files(
    files: Mapping[str, tuple[str, bytes]], folder: Path, *, force: bool = False
) -> dict[str, Path]:
    """Writes (name, bytes) by role as `folder`/ROLE/NAME, readable by their owner; returns where.

    The folders keep names apart that people and judges know files by. Raises `CallerError`:
    `file_exists`, `file_unwritable`.
    """
    paths = {role: folder / safe_name(role) / safe_name(name) for role, (name, _) in files.items()}
    for path in paths.values():
        check_new("--data", path, force=force, expected="a folder without it")
    for role, path in paths.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(path, files[role][1], mode=0o600)
        except OSError as error:
            raise CallerError(
                f"cannot write {path}: {error.strerror or error}. Expected a folder that can be "
                "written to, with room",
                code="file_unwritable",
                param="data",
            ) from error
    return paths


def _format_of(out: Path) -> str:
    from steersman_vectors.formats.writer import EXPORT_FORMATS

    by_ending = {ending: file_format for file_format, ending in EXPORT_FORMATS.items()}
    return by_ending.get(out.suffix.lower(), "native")


def _check_out(out: Path, *, force: bool, as_json: bool) -> None:
    """Returns when the file may be written; raises `CallerError` before anything else is done."""
    if out == STDOUT:
        if as_json:
            raise CallerError(
                "--json and --out - would both write to stdout: name a file with --out",
                code="output_conflict",
                param="out",
            )
        return
    if out.exists() and not out.is_file():
        raise _unwritable(out, "it is a folder or a device")
    check_new("--out", out, force=force)


def _write(out: Path, data: bytes) -> None:
    """Writes the file whole or not at all."""
    try:
        write_whole(out, data)
    except OSError as error:
        raise _unwritable(out, error.strerror or str(error)) from error


def _unwritable(out: Path, got: str) -> CallerError:
    return CallerError(
        f"--out: cannot write {out}: {got}. Expected a file in a folder that exists",
        code="file_unwritable",
        param="out",
    )
