"""`steersman tenants backoff list, show, clear`: who is backed off, why; and back again."""

from __future__ import annotations

import typer

from . import tenant_options as options
from .options import Actor, DataDir, Json, RedisUrl
from .outcome import print_done
from .output import EXIT_CODES, print_json, print_people, printable

LIST_HELP = """
List the tenants that want automatic back-offs, or are backed off.

Examples:

  steersman tenants backoff list

  steersman tenants backoff list --json
"""

SHOW_HELP = """
Show what a tenant is backed off to, since when and on what evidence.

Examples:

  steersman tenants backoff show acme
"""

CLEAR_HELP = """
Restore a tenant's steering, in one step to what it was.

Nothing else does: a server only ever takes steps down.

Examples:

  steersman tenants backoff clear acme
"""

backoff = typer.Typer(
    help="Automatic back-off: list, show, clear.", epilog=EXIT_CODES, no_args_is_help=True
)


@backoff.command("list", help=LIST_HELP, epilog=EXIT_CODES)
def list_backoffs(data_dir: DataDir, redis_url: RedisUrl = None, as_json: Json = False) -> None:
    """Prints all tenants that it concerns."""
    from ..control.backoff import listed
    from . import backoff_views
    from .registry_access import Where, read_view

    where = Where(data_dir, redis_url)
    snapshot, now = read_view(where)
    found = listed(now)
    if as_json:
        print_json({"revision": snapshot.revision, "backoffs": found})
    elif found:
        print_people(backoff_views.list_table(found))
    else:
        print_people(
            f"No tenant in {where} wants back-offs. One does with `steersman tenants update NAME "
            "--backoff max_degenerate_rate=0.05`."
        )


@backoff.command("show", help=SHOW_HELP, epilog=EXIT_CODES)
def show(
    name: options.Name, data_dir: DataDir, redis_url: RedisUrl = None, as_json: Json = False
) -> None:
    """Prints where one tenant stands."""
    from ..control.backoff import find
    from . import backoff_views
    from .registry_access import Where, read_configuration

    found = find(read_configuration(Where(data_dir, redis_url)), name)
    if as_json:
        print_json(found)
    else:
        print_people(backoff_views.facts(found))


@backoff.command("clear", help=CLEAR_HELP, epilog=EXIT_CODES)
def clear(
    name: options.Name,
    data_dir: DataDir,
    actor: Actor,
    redis_url: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Ends a back-off."""
    from ..control.backoff import clear_backoff
    from .registry_access import Where, run

    done = run(
        Where(data_dir, redis_url),
        lambda store: clear_backoff(store, name, actor=printable(actor)),
    )
    print_done(done, {"tenant": name}, f"tenant {name} is not backed off", as_json=as_json)
