"""`steersman kill-switch`: everybody is served unsteered, now; also with Redis dead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Actor, DataDir, Json, RedisUrl
from .output import EXIT_CODES, print_json, print_people, print_warning, printable

if TYPE_CHECKING:
    from .registry_access import Where

ON_HELP = """
Serve everybody unsteered, from the next request on.

Writes the file DATA_DIR/kill-switch, which the servers on this data directory
look at with every request, and sets the registry's switch, which reaches all
servers on the registry. With --redis-url only the registry's, unless
--data-dir is given too; with --local only the file.

Examples:

  steersman kill-switch on --reason "incident 42"

  steersman kill-switch on --redis-url redis://redis.internal:6379/0

  steersman kill-switch on --local --data-dir /var/lib/steersman
"""

OFF_HELP = """
Steer again: removes the file, and ends the registry's switch.

Examples:

  steersman kill-switch off

  steersman kill-switch off --local
"""

STATUS_HELP = """
Say whether the switch is on, and where.

Examples:

  steersman kill-switch status --json
"""

EXIT_INCOMPLETE = 4

Local = Annotated[bool, typer.Option("--local", help="Only the file; the registry is left alone.")]

kill_switch = typer.Typer(
    help="The kill switch: everybody is served unsteered.", epilog=EXIT_CODES, no_args_is_help=True
)


@kill_switch.command("on", help=ON_HELP, epilog=EXIT_CODES)
def switch_on(
    context: typer.Context,
    data_dir: DataDir,
    actor: Actor,
    reason: Annotated[str, typer.Option(help="Shown to operators, and in the audit.")] = "",
    local: Local = False,
    redis_url: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Switches steering off."""
    from .kill_places import Places
    from .registry_access import Where

    where = Where(data_dir, redis_url)
    places = Places(where, file=_with_file(context, where, local=local), registry=not local)
    _print_changed(places.set(printable(reason), printable(actor)), as_json=as_json)


@kill_switch.command("off", help=OFF_HELP, epilog=EXIT_CODES)
def switch_off(
    context: typer.Context,
    data_dir: DataDir,
    actor: Actor,
    local: Local = False,
    redis_url: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Switches steering on again."""
    from .kill_places import Places
    from .registry_access import Where

    where = Where(data_dir, redis_url)
    places = Places(where, file=_with_file(context, where, local=local), registry=not local)
    _print_changed(places.clear(printable(actor)), as_json=as_json)


@kill_switch.command("status", help=STATUS_HELP, epilog=EXIT_CODES)
def status(
    context: typer.Context, data_dir: DataDir, redis_url: RedisUrl = None, as_json: Json = False
) -> None:
    """Prints whether it is on; exits with 4 when that cannot be known."""
    from .kill_places import Places
    from .registry_access import Where

    where = Where(data_dir, redis_url)
    found = Places(where, file=_with_file(context, where, local=False), registry=True).status()
    if as_json:
        print_json(found)
    else:
        for place in ("file", "registry"):
            if found[place] is not None:
                print_people(_status_line(place, found[place]))
    if found["on"] is None:
        raise typer.Exit(EXIT_INCOMPLETE)


def _with_file(context: typer.Context, where: Where, *, local: bool) -> bool:
    """Returns whether the data directory is meant: by name, or because no Redis is."""
    source = context.get_parameter_source("data_dir")
    named = source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")
    return local or where.redis_url is None or named


def _print_changed(done: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(done)
    else:
        for line in done["done"]:
            print_people(printable(line))
        for line in done["failed"] + done["warnings"]:
            print_warning(line)
    if not done["complete"]:
        raise typer.Exit(EXIT_INCOMPLETE)


def _status_line(place: str, found: dict[str, Any]) -> str:
    what = f"{place} {found['where']}"
    if found["on"] is None:
        return printable(f"{what}: unknown: {found['error']}")
    state = "ON, everybody is served unsteered" if found["on"] else "off"
    why = f": {found['reason']}" if found["on"] and found["reason"] else ""
    return printable(f"{what}: {state}{why}")
