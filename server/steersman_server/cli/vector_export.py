"""`steersman vectors export`: a registered vector as a file."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steersman_vectors.errors import CallerError
from steersman_vectors.whole_file import write_whole

from .options import DataDir, Json, OnlyModel, RedisUrl
from .output import EXIT_CODES, print_json, print_people, printable

if TYPE_CHECKING:
    from steersman_vectors.registry.entry import VectorEntry
    from steersman_vectors.vector import SteeringVector

    from .registry_access import Where

EXPORT_HELP = """
Write a registered vector to FILE.

native keeps the whole card, and `steersman vectors push` reads it. gguf is
for llama.cpp and repeng, svec for activation-steering and AISteer360: both
hold what alpha 1 adds, without presets, scope and schedule.

Examples:

  steersman vectors export empathy --out empathy.safetensors

  steersman vectors export empathy@prod --out empathy.gguf

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
        force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
        model: OnlyModel = None,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from steersman_vectors.formats.writer import export

        from ..control.json_views import entry_json
        from .registry_access import Where

        _check_out(out, force=force, as_json=as_json)
        chosen = str(file_format) if file_format is not None else _format_of(out)
        entry, vector = _read(Where(data_dir, redis_url), name, model)
        exported = export(vector, chosen)
        notes = list(exported.notes)
        if entry.retired is not None:
            notes.append(printable(f"{entry} is {entry.retired}"))
        if out == STDOUT:
            sys.stdout.buffer.write(exported.data)
            sys.stdout.buffer.flush()
            for note in notes:
                print(f"note: {note}", file=sys.stderr)
            return
        _write(out, exported.data)
        if as_json:
            written = {"file": str(out), "format": chosen, "bytes": len(exported.data)}
            print_json({**entry_json(entry), **written, "notes": notes})
        else:
            size = f"{len(exported.data)} bytes"
            print_people(f"{entry}: written to {printable(str(out))} ({chosen}, {size})")
            print_people(*(f"  note    {note}" for note in notes))


def _read(where: Where, name: str, model: str | None) -> tuple[VectorEntry, SteeringVector]:
    from steersman_vectors.names import parse_ref
    from steersman_vectors.registry.store import RegistryStore

    from ..control import operations
    from .registry_access import chooser, read_snapshot, run

    ref, choose = parse_ref(name), chooser(model, where)

    async def operation(store: RegistryStore) -> tuple[VectorEntry, SteeringVector]:
        entry = choose(await store.snapshot(), ref)
        return entry, await operations.read_vector(store, entry)

    if not where.exists:  # finds nothing, and creates no data directory either
        choose(read_snapshot(where), ref)
    return run(where, operation)


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
    if out.exists() and not force:
        raise CallerError(
            f"--out: {out} exists; expected a new file. Add --force to replace it",
            code="file_exists",
            param="out",
        )


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
