"""`steersman fingerprint`: which exact base model a folder holds."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json
from .output import EXIT_CODES, print_json, print_people

HELP = """
Print the fingerprint of MODEL: what vectors are bound to.

It covers the weights, the tokenizer, the quantisation and the part of
config.json that decides what the weights compute; no file names, no README,
no generation settings, no chat template. --json prints the manifest that is
hashed.

Examples:

  steersman fingerprint ./my-model

  steersman fingerprint org/model --json
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the root app."""

    @app.command(help=HELP, epilog=EXIT_CODES)
    def fingerprint(
        model: Annotated[str, typer.Argument(help="A model folder, or a name in the hub cache.")],
        as_json: Json = False,
    ) -> None:
        from .progress import fingerprint_of

        found = fingerprint_of(model)
        if as_json:
            print_json({"fingerprint": found.digest, "manifest": found.manifest})
        else:
            print_people(found.digest)
