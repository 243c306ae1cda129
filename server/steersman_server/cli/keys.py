"""`steersman keys`: what clients and operators show to be let in."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from .options import Actor, DataDir, Json, RedisUrl
from .outcome import print_done
from .output import EXIT_CODES, print_json, print_people, printable

CREATE_HELP = """
Make a key of a tenant, or of an operator with a role.

Printed once, on stdout alone; the registry keeps a hash.

Examples:

  KEY=$(steersman keys create --tenant acme)

  steersman keys create --tenant acme --label "staging" --expires 30d --json

  steersman keys create --role operator --label ann --expires 2027-01-01T00:00Z
"""

LIST_HELP = """
List the keys: their ids and what is known of them, never the keys.

Examples:

  steersman keys list

  steersman keys list --tenant acme --json
"""

REVOKE_HELP = """
Make a key useless, on every server within a second.

Examples:

  steersman keys revoke 3f9ac210
"""

keys = typer.Typer(
    help="API keys of tenants, and of operators.", epilog=EXIT_CODES, no_args_is_help=True
)


@keys.command("create", help=CREATE_HELP, epilog=EXIT_CODES)
def create(
    data_dir: DataDir,
    actor: Actor,
    tenant: Annotated[str | None, typer.Option(help="Whose requests it is for.")] = None,
    role: Annotated[
        Literal["viewer", "operator", "admin"] | None,
        typer.Option(
            help="An operator's: viewer looks, operator changes flags, policies and profiles and "
            "pulls the kill switch, admin changes everything."
        ),
    ] = None,
    label: Annotated[str, typer.Option(help="What it is for; shown in lists.")] = "",
    expires: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="30d, 12h, or 2027-01-01T00:00Z. Default: never."),
    ] = None,
    redis_url: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Prints a new key, once."""
    from ..control.policy_views import new_key_json
    from ..control.tenants import create_key
    from .registry_access import Where, run
    from .values import moment

    now = datetime.now(UTC)
    expires_at = None if expires is None else moment("--expires", expires, now, ago=False)
    made = run(
        Where(data_dir, redis_url),
        lambda store: create_key(
            store, actor=printable(actor), tenant=tenant, role=role, label=printable(label),
            expires_at=expires_at,
        ),
    )  # fmt: skip
    if as_json:
        print_json(new_key_json(made, now))
        return
    print(made.secret)
    until = "" if expires_at is None else f", until {expires_at:%Y-%m-%d %H:%M %Z}"
    owner = f"tenant {tenant}" if role is None else f"an operator with role {role}"
    print(f"Key {made.id} of {owner}{until}. It is shown this once: keep it.", file=sys.stderr)


@keys.command("list", help=LIST_HELP, epilog=EXIT_CODES)
def list_keys(
    data_dir: DataDir,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    redis_url: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Prints what is known of the keys, newest last."""
    from ..control.policy_views import key_json
    from ..control.tenants import find_tenant
    from . import tenant_views
    from .registry_access import Where, read_view

    where, now = Where(data_dir, redis_url), datetime.now(UTC)
    snapshot, configuration = read_view(where)
    if tenant is not None:
        find_tenant(configuration, tenant)
    found = [
        key_json(key_id, key, now)
        for key_id, key in sorted(configuration.keys.values(), key=lambda k: k[1].created_at)
        if tenant is None or key.tenant == tenant
    ]
    if as_json:
        print_json({"revision": snapshot.revision, "keys": found})
    elif found:
        print_people(tenant_views.keys_table(found))
    else:
        print_people(f"No keys in {where}. Make one with `steersman keys create`.")


@keys.command("revoke", help=REVOKE_HELP, epilog=EXIT_CODES)
def revoke(
    key_id: Annotated[
        str, typer.Argument(metavar="ID", help="As `keys list` shows it; or the key itself.")
    ],
    data_dir: DataDir,
    actor: Actor,
    redis_url: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Revokes the key; done twice it stays revoked."""
    from ..control.tenants import revoke_key
    from .registry_access import Where, run

    key_id = _id_in(key_id)
    done = run(
        Where(data_dir, redis_url), lambda store: revoke_key(store, key_id, actor=printable(actor))
    )
    print_done(done, {"id": key_id}, f"key {key_id} revoked", as_json=as_json)


def _id_in(text: str) -> str:
    """Returns the id in a key or its beginning, `sk-steer_<id>_...`; other text as it is."""
    parts = text.split("_")
    return parts[1] if parts[0].startswith("sk-steer") and len(parts) > 1 else text
