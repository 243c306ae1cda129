"""The root of the `steersman` command."""

from __future__ import annotations

import errno
import sys
from typing import NoReturn

import typer

from steersman_vectors.errors import CallerError, OperatorError, SteersmanError

from ..logs import configure_logs
from . import audit, decisions, explain, fingerprint, judge, serve, top
from .flags import flags
from .intents import app as intents
from .keys import keys
from .kill_switch import kill_switch
from .output import EXIT_CODES, exit_code, print_error, printable
from .pairs import pairs
from .policies import policies
from .profiles import profiles
from .tenants import tenants
from .vectors import vectors

HELP = """
Activation steering for vLLM in production.

Examples:

  steersman serve ./my-model

  steersman vectors import empathy.gguf --name empathy --model ./my-model

  steersman tenants create acme --allow-vector empathy

  steersman flags set steering off

  steersman top
"""

app = typer.Typer(
    name="steersman",
    help=HELP,
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(vectors, name="vectors")
app.add_typer(pairs, name="pairs")
app.add_typer(intents, name="intents")
app.add_typer(tenants, name="tenants")
app.add_typer(keys, name="keys")
app.add_typer(flags, name="flags")
app.add_typer(policies, name="policies")
app.add_typer(profiles, name="profiles")
app.add_typer(kill_switch, name="kill-switch")
serve.register(app)
fingerprint.register(app)
explain.register(app)
audit.register(app)
decisions.register(app)
judge.register(app)
top.register(app)


@app.callback(invoke_without_command=True)
def root(
    version: bool = typer.Option(False, "--version", help="Print the version.", is_eager=True),
) -> None:
    """Prints the version when asked to; otherwise leaves the rest to the commands."""
    if version:
        from importlib.metadata import version as installed

        print(installed("steersman"))
        raise typer.Exit


def main() -> NoReturn:
    """Runs the command line and exits; expected errors end in one line, never in a traceback."""
    configure_logs()
    try:
        app(prog_name="steersman")
    except SteersmanError as error:
        print_error(error, as_json="--json" in sys.argv)
        sys.exit(exit_code(error))
    except OSError as error:  # a path that is too long, a folder that may not be entered, ...
        refusal = _refusal(error)
        print_error(refusal, as_json="--json" in sys.argv)
        sys.exit(exit_code(refusal))
    sys.exit(0)


def _refusal(error: OSError) -> SteersmanError:
    what = f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OperatorError(f"{printable(what)}. Make room on the disk", code="disk_full")
    return CallerError(f"{printable(what)}. Choose another path", code="path_unusable")


if __name__ == "__main__":
    main()
