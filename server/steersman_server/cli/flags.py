"""`steersman flags`: steering switched per tenant, rolled out, tried in variants."""

from __future__ import annotations

import typer

from . import flag_changes, flag_looks
from .output import EXIT_CODES

flags = typer.Typer(
    help="Feature flags: set, override, roll out, explain.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
)
flag_changes.register(flags)
flag_looks.register(flags)
