"""`steersman tenants create, update, delete`: commands that change tenants."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from steersman_vectors.errors import CallerError

from . import tenant_options as options
from .options import Actor, DataDir, ForModel, Json, RedisUrl
from .outcome import print_done
from .output import EXIT_CODES, print_people, printable

if TYPE_CHECKING:
    from steersman_vectors.registry.store import RegistryStore

    from ..control.documents import Done

CREATE_HELP = """
Create a tenant.

No vector is allowed unless you say so. From the first tenant on, the servers
of this registry ask for keys: make one with `steersman keys create`.

Examples:

  steersman tenants create acme --allow-vector empathy --alpha-cap empathy=0.5

  steersman tenants create globex --allow-vector '*' --dose-cap 1.5 --label tier=gold

  steersman tenants create initech --allow-vector concise --default @default.json
"""

UPDATE_HELP = """
Change what is named; the rest stays.

A repeatable option replaces its whole list; --no-... empties it. What the
tenant's policy cannot do any more is a warning.

Examples:

  steersman tenants update acme --allow-vector empathy --allow-vector concise

  steersman tenants update acme --no-alpha-cap --requests-per-minute 600

  steersman tenants update acme --backoff max_degenerate_rate=0.05
"""

DELETE_HELP = """
Delete a tenant, its keys, its policy and its overrides of flags, in one step.

Asks first; where nobody can be asked, --yes is needed.

Examples:

  steersman tenants delete acme

  steersman tenants delete acme --yes --json
"""


def register(tenants: typer.Typer) -> None:
    """Adds the commands to `steersman tenants`."""

    @tenants.command("create", help=CREATE_HELP, epilog=EXIT_CODES)
    def create(
        name: options.Name,
        data_dir: DataDir,
        actor: Actor,
        allow_vector: options.AllowVector = None,
        alpha_cap: options.AlphaCap = None,
        dose_cap: options.DoseCap = None,
        default: options.Default = None,
        on_unavailable: options.OnUnavailable = None,
        requests_per_minute: options.RequestsPerMinute = None,
        max_concurrent: options.MaxConcurrent = None,
        backoff: options.Backoff = None,
        label: options.LabelOption = None,
        model: ForModel = None,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from ..control.tenants import create_tenant
        from .registry_access import Where, models_of, run

        fields = options.given(
            allow_vector=allow_vector, alpha_cap=alpha_cap, dose_cap=dose_cap, default=default,
            on_unavailable=on_unavailable, requests_per_minute=requests_per_minute,
            max_concurrent=max_concurrent, backoff=backoff, label=label,
        )  # fmt: skip

        async def operation(store: RegistryStore) -> Done:
            return await create_tenant(
                store,
                name,
                fields,
                actor=printable(actor),
                fingerprints=await models_of(store, model),
            )

        done = run(Where(data_dir, redis_url), operation)
        print_done(done, {"name": name}, f"tenant {name} created", as_json=as_json)
        if not as_json:
            print_people(f"Make its key with `steersman keys create --tenant {name}`.")

    @tenants.command("update", help=UPDATE_HELP, epilog=EXIT_CODES)
    def update(
        name: options.Name,
        data_dir: DataDir,
        actor: Actor,
        allow_vector: options.AllowVector = None,
        alpha_cap: options.AlphaCap = None,
        dose_cap: options.DoseCap = None,
        default: options.Default = None,
        on_unavailable: options.OnUnavailable = None,
        requests_per_minute: options.RequestsPerMinute = None,
        max_concurrent: options.MaxConcurrent = None,
        backoff: options.Backoff = None,
        label: options.LabelOption = None,
        no_allow_vector: options.NoVector = False,
        no_alpha_cap: options.NoAlphaCap = False,
        no_dose_cap: options.NoDoseCap = False,
        no_default: options.NoDefault = False,
        no_requests_per_minute: options.NoRate = False,
        no_max_concurrent: options.NoConcurrent = False,
        no_backoff: options.NoBackoff = False,
        no_label: options.NoLabel = False,
        model: ForModel = None,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from ..control.tenants import update_tenant
        from .registry_access import Where, models_of, run

        fields = options.given(
            allow_vector=allow_vector, alpha_cap=alpha_cap, dose_cap=dose_cap, default=default,
            on_unavailable=on_unavailable, requests_per_minute=requests_per_minute,
            max_concurrent=max_concurrent, backoff=backoff, label=label,
        )  # fmt: skip
        fields = options.emptied(
            fields, vectors=no_allow_vector, alpha_caps=no_alpha_cap, dose_cap=no_dose_cap,
            default=no_default, requests_per_minute=no_requests_per_minute,
            max_concurrent=no_max_concurrent, backoff=no_backoff, labels=no_label,
        )  # fmt: skip
        if not fields:
            raise CallerError(
                "nothing to change: name an option, such as --allow-vector; see `steersman tenants "
                "update --help`",
                code="invalid_option",
            )

        async def operation(store: RegistryStore) -> Done:
            return await update_tenant(
                store,
                name,
                fields,
                actor=printable(actor),
                fingerprints=await models_of(store, model),
            )

        done = run(Where(data_dir, redis_url), operation)
        print_done(done, {"name": name}, f"tenant {name} updated", as_json=as_json)

    @tenants.command("delete", help=DELETE_HELP, epilog=EXIT_CODES)
    def delete(
        name: options.Name,
        data_dir: DataDir,
        actor: Actor,
        yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from ..control.policy_views import tenant_json
        from ..control.tenants import delete_tenant, find_tenant
        from . import tenant_views
        from .registry_access import Where, read_configuration, run

        where = Where(data_dir, redis_url)
        now = read_configuration(where)
        belongings = tenant_views.belongings(tenant_json(name, find_tenant(now, name), now))
        if not yes:
            _confirm(name, belongings)
        done = run(where, lambda store: delete_tenant(store, name, actor=printable(actor)))
        print_done(
            done, {"name": name}, f"tenant {name} deleted with {belongings}", as_json=as_json
        )


def _confirm(name: str, belongings: str) -> None:
    if not sys.stdin.isatty():
        raise CallerError(
            f"deleting tenant {name!r} with {belongings} needs to be confirmed, and there is no "
            "terminal to ask on; add --yes. Nothing was deleted",
            code="confirmation_needed",
        )
    if not typer.confirm(f"Delete tenant {name} with {belongings}?", err=True):
        raise CallerError("not confirmed: nothing was deleted", code="not_confirmed")
