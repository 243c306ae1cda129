"""`steersman tenants`: who may be steered by what, and how strongly."""

from __future__ import annotations

import typer

from . import tenant_changes
from . import tenant_options as options
from .backoff import backoff
from .options import DataDir, Json, RedisUrl
from .output import EXIT_CODES, print_json, print_people

LIST_HELP = """
List the tenants.

Examples:

  steersman tenants list

  steersman tenants list --json
"""

SHOW_HELP = """
Show one tenant with its keys, rules and overrides of flags.

Examples:

  steersman tenants show acme
"""

tenants = typer.Typer(
    help="Tenants: vectors allowed, caps, defaults, limits.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
)


@tenants.command("list", help=LIST_HELP, epilog=EXIT_CODES)
def list_tenants(data_dir: DataDir, redis_url: RedisUrl = None, as_json: Json = False) -> None:
    """Prints all tenants."""
    from ..control.policy_views import tenant_json
    from . import tenant_views
    from .registry_access import Where, read_view

    where = Where(data_dir, redis_url)
    snapshot, now = read_view(where)
    found = [tenant_json(name, now.tenants[name], now) for name in sorted(now.tenants)]
    if as_json:
        print_json({"revision": snapshot.revision, "tenants": found})
    elif found:
        print_people(tenant_views.list_table(found))
    else:
        print_people(f"No tenants in {where}. Create one with `steersman tenants create`.")


@tenants.command("show", help=SHOW_HELP, epilog=EXIT_CODES)
def show(
    name: options.Name, data_dir: DataDir, redis_url: RedisUrl = None, as_json: Json = False
) -> None:
    """Prints one tenant."""
    from ..control.policy_views import tenant_json
    from ..control.tenants import find_tenant
    from . import tenant_views
    from .registry_access import Where, read_configuration

    now = read_configuration(Where(data_dir, redis_url))
    found = tenant_json(name, find_tenant(now, name), now)
    if as_json:
        print_json(found)
    else:
        print_people(tenant_views.facts(found))


tenant_changes.register(tenants)
tenants.add_typer(backoff, name="backoff")
