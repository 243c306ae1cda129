"""`steersman vectors`: import vectors into the registry, list and show what it holds."""

from __future__ import annotations

import getpass
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .options import DataDir, Json
from .output import EXIT_CODES, print_json, print_people

HELP = """
Import, list and show steering vectors.

Works whether or not a server is running on the data directory.
"""

IMPORT_HELP = """
Register the vector in FILE under NAME, bound to the base model MODEL.

FILE is native safetensors, or a GGUF control vector, whose direction.<k>
is added after decoder block k (zero-based). Importing the same bytes again
changes nothing.

Examples:

  steersman vectors import empathy.safetensors --name empathy --model ./my-model

  steersman vectors import formal.gguf --name formal --model ./my-model --scale unit

  steersman vectors import terse.gguf --name terse --model org/model --json
"""

LIST_HELP = """
List the registered vectors, newest version each.

Examples:

  steersman vectors list

  steersman vectors list --model ./my-model --all

  steersman vectors list --json
"""

SHOW_HELP = """
Show a vector's card: what it is for, norms per layer, presets with evidence.

NAME is name, name@version or name@alias.

Examples:

  steersman vectors show empathy

  steersman vectors show empathy@2 --model ./my-model --json
"""


class ScaleOption(StrEnum):
    """What one unit of alpha means."""

    RAW = "raw"
    UNIT = "unit"
    RESIDUAL = "residual"


def _actor() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"uid {os.getuid()}"


Model = Annotated[str, typer.Option(help="A model folder, or a name in the local hub cache.")]
OnlyModel = Annotated[
    str | None,
    typer.Option(
        "--model", help="Only vectors of this model: a folder, hub name, or sha256:<prefix>."
    ),
]

vectors = typer.Typer(help=HELP, epilog=EXIT_CODES, no_args_is_help=True)


@vectors.command("import", help=IMPORT_HELP, epilog=EXIT_CODES)
def import_vector(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Native safetensors, or GGUF.")],
    name: Annotated[str, typer.Option(help="The name that requests will use.")],
    model: Model,
    data_dir: DataDir,
    actor: Annotated[
        str, typer.Option(default_factory=_actor, help="Who is recorded as doing this.")
    ],
    scale: Annotated[
        ScaleOption | None,
        typer.Option(help="What alpha means. Default: the file's own; raw for GGUF."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Imports the vector and prints where it ended up."""
    from . import vector_import

    source = vector_import.Source(file, name, model, None if scale is None else scale.value)
    imported = vector_import.run(source, data_dir, actor)
    if as_json:
        print_json(vector_import.as_json(imported))
    else:
        print_people(vector_import.as_text(imported))


@vectors.command("list", help=LIST_HELP, epilog=EXIT_CODES)
def list_vectors(
    data_dir: DataDir,
    model: OnlyModel = None,
    all_versions: Annotated[
        bool, typer.Option("--all", help="Every version, not only the newest.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Prints the registered vectors."""
    from . import vector_views
    from .registry_access import read_snapshot, select_fingerprints

    snapshot = read_snapshot(data_dir)
    chosen = vector_views.choose(
        snapshot, select_fingerprints(snapshot, model), all_versions=all_versions
    )
    if as_json:
        print_json(vector_views.list_json(snapshot.revision, chosen))
    elif chosen:
        print_people(vector_views.list_table(chosen))
    else:
        print_people(f"No vectors in {data_dir}. Register one with `steersman vectors import`.")


@vectors.command("show", help=SHOW_HELP, epilog=EXIT_CODES)
def show_vector(
    name: Annotated[str, typer.Argument(metavar="NAME", help="name, name@version or name@alias")],
    data_dir: DataDir,
    model: OnlyModel = None,
    as_json: Json = False,
) -> None:
    """Prints one version's card."""
    from steersman_vectors.names import parse_ref

    from . import vector_views
    from .registry_access import find_one, read_snapshot, select_fingerprints

    ref = parse_ref(name)
    snapshot = read_snapshot(data_dir)
    entry = find_one(snapshot, ref, select_fingerprints(snapshot, model), data_dir)
    if as_json:
        print_json(vector_views.show_json(snapshot, entry))
    else:
        print_people(*vector_views.show_parts(snapshot, entry))
