"""`steersman vectors rebuild`: vectors made again for another base model, from their recipes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Actor, DataDir, Json, RedisUrl
from .output import (
    EXIT_CODES,
    print_error,
    print_json,
    print_people,
    print_warning,
    print_warnings,
)

if TYPE_CHECKING:
    from .rebuild_inputs import Found, Old
    from .rebuild_run import Rebuilt, Task

REBUILD_HELP = """
Make registered vectors again for a new base model, and show what moved.

Extraction and calibration are repeated as the recipe on the card says: the same
pairs, method, positions, scale and split, layers by the same rule. Pairs and
prompts come from the registry, checked by hash; what is not kept there is
looked for by content with --data. NAME is name, name@version or name@alias of
the old vector. --all-stale takes every name that the new model has no usable
version of: the version that an alias names, else the newest.

Ended at any moment, the same command goes on where it was. At the end it shows
the diff of old and new: cosine and norms per layer, layer metrics, presets, and
what got worse.

Examples:

  steersman vectors rebuild empathy --model ./my-new-model

  steersman vectors rebuild empathy@prod --model ./my-new-model --push --alias canary

  steersman vectors rebuild --all-stale --model ./my-new-model --push --json

  steersman vectors rebuild empathy --model ./my-new-model --no-calibrate --data ./pairs --out empathy-new.safetensors
"""  # noqa: E501


def register(vectors: typer.Typer) -> None:
    """Adds the command to `steersman vectors`."""

    @vectors.command("rebuild", help=REBUILD_HELP, epilog=EXIT_CODES)
    def rebuild(
        model: Annotated[
            str, typer.Option(help="The new base model: a folder, or a name in the hub cache.")
        ],
        data_dir: DataDir,
        actor: Actor,
        names: Annotated[
            list[str] | None, typer.Argument(metavar="[NAME]...", help="The old vectors.")
        ] = None,
        all_stale: Annotated[
            bool, typer.Option("--all-stale", help="All that the new model has no version of.")
        ] = False,
        source: Annotated[
            str | None,
            typer.Option("--from", help="The old base model: a folder, or sha256:<prefix>."),
        ] = None,
        out: Annotated[
            Path | None,
            typer.Option(
                metavar="FILE",
                help="Write the vector here; of several, a folder. Default: NAME.safetensors "
                "here, nothing with --push.",
            ),
        ] = None,
        push: Annotated[bool, typer.Option("--push", help="Register the new vector.")] = False,
        alias: Annotated[
            str | None, typer.Option(help="With --push: point this alias at it.")
        ] = None,
        calibrate: Annotated[
            bool, typer.Option("--calibrate/--no-calibrate", help="Repeat the calibration.")
        ] = True,
        report: Annotated[
            bool | None,
            typer.Option(
                "--report/--no-report",
                help="Make the report again: beside the file, and with --push into the registry. "
                "Default: with --push, if the old version has one.",
                show_default=False,
            ),
        ] = None,
        data: Annotated[
            list[Path] | None,
            typer.Option(
                "--data",
                metavar="DIR",
                help="Look here, by content, for files that the registry has not. May be repeated.",
                exists=True,
                file_okay=False,
            ),
        ] = None,
        layers: Annotated[
            str | None, typer.Option(help="Instead of the recipe's rule, as for extract.")
        ] = None,
        backend: Annotated[
            str | None, typer.Option(help="Instead of the recipe's: hf or vllm.")
        ] = None,
        batch_tokens: Annotated[
            int | None, typer.Option(min=1, help="Instead of the recipe's.")
        ] = None,
        workdir: Annotated[
            Path | None,
            typer.Option(help="Keep what is done here meanwhile. Default: beside the file."),
        ] = None,
        force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from steersman_vectors.extract.again import Changed
        from steersman_vectors.model_dir import read_shape, resolve_model_dir
        from steersman_vectors.names import check_name, parse_ref

        from . import rebuild_inputs as inputs
        from .progress import fingerprint_of
        from .rebuild_run import Task
        from .registry_access import Where, look, read_snapshot, select_fingerprints
        from .values import refused

        refs = tuple(parse_ref(name) for name in names or ())
        if not refs and not all_stale:
            raise refused("NAME", "none", "names of vectors, or --all-stale")
        if alias is not None and not push:
            raise refused("--alias", alias, "--push with it: an alias names a registered version")
        if alias is not None:
            check_name(alias, what="alias (--alias)")
        where = Where(data_dir, redis_url)
        model_dir = resolve_model_dir(model)
        read_shape(model_dir)
        fingerprint = fingerprint_of(model).digest
        of = None if source is None else select_fingerprints(read_snapshot(where), source)
        wanted = inputs.Wanted(refs, all_stale, fingerprint, of)
        found = look(
            where,
            lambda store: inputs.load(store, wanted, tuple(data or ()), calibrated=calibrate),
        )
        places = inputs.places(
            found.olds, out, workdir, push=push, force=force, report=bool(report)
        )
        changed = Changed(layers, backend, batch_tokens)
        task = Task(model, model_dir, fingerprint, where, changed, push, alias, actor, report)
        _run(found, task, places, as_json=as_json)


def _run(
    found: Found, task: Task, places: list[tuple[Path | None, Path]], *, as_json: bool
) -> None:
    """Makes the vectors one after another; one that fails does not keep the rest."""
    from steersman_vectors.errors import SteersmanError

    from . import rebuild_views
    from .output import exit_code
    from .rebuild_run import rebuild

    for line in found.left:
        print_warning(f"left as it is: {line}")
    done: list[Rebuilt] = []
    failed: list[tuple[Old, SteersmanError]] = []
    for old, (out, workdir) in zip(found.olds, places, strict=True):
        try:
            done.append(rebuild(old, task, out, workdir))
        except SteersmanError as error:
            if len(found.olds) == 1:
                raise
            failed.append((old, error))
            print_warning(f"{old.entry}: {error.message}")
            continue
        if not as_json:
            print_people(*rebuild_views.parts(done[-1], task.alias), "")
            if (registered := done[-1].registered) is not None:
                print_warnings(registered.warnings)
    if as_json:
        print_json(
            {
                "fingerprint": task.fingerprint,
                "rebuilt": [rebuild_views.as_json(each) for each in done],
                "failed": [
                    {"vector": str(old.entry), "code": error.code, "message": error.message}
                    for old, error in failed
                ],
                "left": list(found.left),
            }
        )
    elif not found.olds:
        print_people(f"Nothing was made again for {task.fingerprint}.")
    if failed:
        print_error(failed[0][1], as_json=as_json)
        raise typer.Exit(exit_code(failed[0][1]))
