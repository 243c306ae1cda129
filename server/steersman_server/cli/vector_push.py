"""`steersman vectors push`: a vector with its recipe's data, in one step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Actor, DataDir, Json, RedisUrl
from .output import EXIT_CODES, print_json, print_people, print_warnings, printable

if TYPE_CHECKING:
    from steersman_vectors.model_dir import ModelShape
    from steersman_vectors.registry.attached import Upload

    from ..control.operations import Registered

PUSH_HELP = """
Register a vector that Steersman made, with what it was made of.

For native files that `extract`, `calibrate`, `rebuild` or `export` wrote, for
the base model on the card; `import` reads other programs' files and binds them
to a model. The files that the recipe names (pairs, prompts, word lists) are
checked against its hashes and kept in the registry, so that `rebuild` works on
any machine. Whoever can read the registry can read them: with --no-data only
names and hashes are kept. Vector, data, calibration, report and alias are
published in one step or not at all.

Examples:

  steersman vectors push empathy.safetensors

  steersman vectors push empathy.safetensors --model ./my-model --alias canary

  steersman vectors push empathy.safetensors --calibration empathy.calibration.json --report empathy.html

  steersman vectors push empathy.safetensors --name empathy-eu --no-data --json
"""  # noqa: E501


def register(vectors: typer.Typer) -> None:
    """Adds the command to `steersman vectors`."""

    @vectors.command("push", help=PUSH_HELP, epilog=EXIT_CODES)
    def push(
        file: Annotated[Path, typer.Argument(metavar="FILE", help="A native vector file.")],
        data_dir: DataDir,
        actor: Actor,
        name: Annotated[str | None, typer.Option(help="Default: the name on the card.")] = None,
        model: Annotated[
            str | None,
            typer.Option(help="Check that the vector is for this model: a folder or hub name."),
        ] = None,
        alias: Annotated[
            str | None, typer.Option(help="Point this alias at the version in the same step.")
        ] = None,
        calibration: Annotated[
            Path | None, typer.Option(metavar="FILE", help="What calibration found, its JSON.")
        ] = None,
        report: Annotated[
            Path | None, typer.Option(metavar="FILE", help="The report, one HTML page.")
        ] = None,
        data: Annotated[
            list[Path] | None,
            typer.Option(
                "--data",
                metavar="DIR",
                help="Look for the recipe's files here too, by content. May be repeated.",
                exists=True,
                file_okay=False,
            ),
        ] = None,
        no_data: Annotated[
            bool, typer.Option("--no-data", help="Keep names and hashes of the data alone.")
        ] = False,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from steersman_vectors.formats import native
        from steersman_vectors.formats.reader import read_file

        from ..control import operations
        from . import push_files
        from .registry_access import Where, run

        content = read_file(file)
        card = native.loads(content).card
        uploads: dict[str, Upload] = {}
        if not no_data:
            uploads = push_files.recipe_uploads(card, file.absolute().parent, data or ())
        uploads |= push_files.record_uploads(card, calibration, report)
        fingerprint, shapes = (None, {}) if model is None else _model(model)
        registered = run(
            Where(data_dir, redis_url),
            lambda store: operations.push(
                store, content, name=name, fingerprint=fingerprint, actor=printable(actor),
                shapes=shapes, uploads=uploads, alias=alias,
            ),
            may_be_first=True,
        )  # fmt: skip
        if as_json:
            print_json(pushed_json(registered, uploads, alias))
            return
        print_people(*pushed_lines(registered, uploads, alias))
        print_warnings(registered.warnings)


def pushed_json(
    registered: Registered, uploads: dict[str, Upload], alias: str | None
) -> dict[str, Any]:
    """Returns the outcome for programs."""
    from ..control import json_views

    files = {role: upload.attachment for role, upload in uploads.items()}
    return {
        **json_views.registered_json(registered),
        "alias": alias,
        "data": json_views.attached_json(files),
    }


def pushed_lines(
    registered: Registered, uploads: dict[str, Upload], alias: str | None
) -> list[str]:
    """Returns the outcome for people."""
    entry = registered.entry
    outcome = "registered" if entry.created else "registered already"
    lines = [f"{entry}: {outcome} for {entry.fingerprint}", f"  digest  {entry.digest}"]
    if alias is not None:
        lines.append(f"  alias   {entry.name}@{alias} -> {entry.version}")
    for role, upload in uploads.items():
        file = upload.attachment
        lines.append(f"  {role}: {printable(file.name)} ({file.size:,} bytes)")
    return lines


def _model(model: str) -> tuple[str, dict[str, ModelShape]]:
    """Returns the fingerprint of the model that the vector must be for, and its shape by that."""
    from steersman_vectors.model_dir import read_shape, resolve_model_dir

    from .progress import fingerprint_of

    shape = read_shape(resolve_model_dir(model))
    fingerprint = fingerprint_of(model).digest
    return fingerprint, {fingerprint: shape}
