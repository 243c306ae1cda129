"""`steersman vectors import, list, show`, and the group that all vector commands are in."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from . import (
    vector_calibrate,
    vector_changes,
    vector_checks,
    vector_export,
    vector_extract,
    vector_push,
    vector_rebuild,
    vector_report,
    vector_sweep,
)
from .options import Actor, DataDir, Json, OnlyModel, RedisUrl
from .output import EXIT_CODES, print_json, print_people, print_warnings

HELP = """
The registry of steering vectors, each bound to its exact base model.

Works whether or not a server is running on the data directory.
"""

IMPORT_HELP = """
Register the vector in FILE under NAME, bound to the base model MODEL.

FILE is native safetensors; a GGUF control vector; .svec JSON; a tensor of
torch.save, [layers + 1, hidden] in hidden_states order, or [hidden] in a file
layer_<l>.pt; or a folder of such files. direction.<l>, directions.<l>, row l+1
and layer_<l>.pt are all added after decoder block l (zero-based). Files are
read without running code. Importing the same bytes again changes nothing.

Examples:

  steersman vectors import empathy.safetensors --name empathy --model ./my-model

  steersman vectors import formal.gguf --name formal --model ./my-model --scale unit

  steersman vectors import ./caa-folder --name calm --model ./my-model

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


Model = Annotated[str, typer.Option(help="A model folder, or a name in the local hub cache.")]
vectors = typer.Typer(help=HELP, epilog=EXIT_CODES, no_args_is_help=True)


@vectors.command("import", help=IMPORT_HELP, epilog=EXIT_CODES)
def import_vector(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Safetensors, GGUF, .svec, .pt, or a folder.")
    ],
    name: Annotated[str, typer.Option(help="The name that requests will use.")],
    model: Model,
    data_dir: DataDir,
    actor: Actor,
    scale: Annotated[
        ScaleOption | None,
        typer.Option(help="What alpha means. Default: the file's own; raw for other formats."),
    ] = None,
    redis_url: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Imports the vector and prints where it ended up."""
    from . import vector_import
    from .registry_access import Where

    source = vector_import.Source(file, name, model, None if scale is None else scale.value)
    imported = vector_import.run(source, Where(data_dir, redis_url), actor)
    if as_json:
        print_json(vector_import.as_json(imported))
    else:
        print_people(vector_import.as_text(imported))
        print_warnings(imported.registered.warnings)


@vectors.command("list", help=LIST_HELP, epilog=EXIT_CODES)
def list_vectors(
    data_dir: DataDir,
    model: OnlyModel = None,
    all_versions: Annotated[
        bool, typer.Option("--all", help="Every version, not only the newest.")
    ] = False,
    redis_url: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Prints the registered vectors."""
    from ..control.json_views import list_json
    from . import vector_views
    from .registry_access import Where, read_snapshot, select_fingerprints

    where = Where(data_dir, redis_url)
    snapshot = read_snapshot(where)
    chosen = vector_views.choose(
        snapshot, select_fingerprints(snapshot, model), all_versions=all_versions
    )
    if as_json:
        print_json(list_json(snapshot, chosen))
    elif chosen:
        print_people(vector_views.list_table(snapshot, chosen))
    else:
        print_people(f"No vectors in {where}. Register one with `steersman vectors import`.")


@vectors.command("show", help=SHOW_HELP, epilog=EXIT_CODES)
def show_vector(
    name: Annotated[str, typer.Argument(metavar="NAME", help="name, name@version or name@alias")],
    data_dir: DataDir,
    model: OnlyModel = None,
    redis_url: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Prints one version's card."""
    from steersman_vectors.names import parse_ref

    from ..control import operations
    from ..control.json_views import show_json
    from . import vector_views
    from .registry_access import Where, chooser, look, read_snapshot

    where, ref = Where(data_dir, redis_url), parse_ref(name)
    choose = chooser(model, where)
    if not where.exists:  # finds nothing, and creates no data directory either
        choose(read_snapshot(where), ref)
    shown = look(where, lambda store: operations.show(store, ref, choose))
    if as_json:
        print_json(show_json(shown))
    else:
        print_people(*vector_views.show_parts(shown.snapshot, shown.entry, shown.attached))


vector_push.register(vectors)
vector_rebuild.register(vectors)
vector_changes.register(vectors)
vector_checks.register(vectors)
vector_export.register(vectors)
vector_extract.register(vectors)
vector_sweep.register(vectors)
vector_report.register(vectors)
vector_calibrate.register(vectors)
