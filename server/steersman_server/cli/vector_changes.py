"""`steersman vectors promote, rollback, retire, gc`: commands that change the registry."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Actor, DataDir, Json, OnlyModel, RedisUrl
from .output import EXIT_CODES, print_json, print_people, print_warnings, printable

if TYPE_CHECKING:
    from ..control.operations import Moved

PROMOTE_HELP = """
Point an alias at a version.

Requests that name NAME@ALIAS use it from now on; running ones keep theirs.
Refused when somebody else moves the alias meanwhile.

Examples:

  steersman vectors promote empathy@3 prod

  steersman vectors promote empathy@4 canary --expect 3
"""

ROLLBACK_HELP = """
Point an alias back at the version that it named before.

Again for the one before that.

Examples:

  steersman vectors rollback empathy prod
"""

RETIRE_HELP = """
Refuse a version for new requests.

It stays in the registry; import or push of the same bytes registers them
again, as a new version. Defaults, rules and profiles that need it are warnings.

Examples:

  steersman vectors retire empathy@2 --reason "nudges refunds upwards"
"""

GC_HELP = """
Remove the bytes that no version in use needs.

Those of versions retired long ago, and of none. Cards and log stay.

Examples:

  steersman vectors gc --dry-run

  steersman vectors gc --retired-for 7
"""

Ref = Annotated[str, typer.Argument(metavar="NAME@VERSION", help="name, name@version, name@alias")]
Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="prod, canary, or any other name")]
Expect = Annotated[
    int | None,
    typer.Option(
        help="The version that ALIAS must name now (0: none). Default: what it names when the "
        "command starts.",
        min=0,
    ),
]


def register(vectors: typer.Typer) -> None:
    """Adds the commands to `steersman vectors`."""

    @vectors.command("promote", help=PROMOTE_HELP, epilog=EXIT_CODES)
    def promote(
        ref: Ref,
        alias: Alias,
        data_dir: DataDir,
        actor: Actor,
        expect: Expect = None,
        model: OnlyModel = None,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from steersman_vectors.names import parse_ref

        from ..control import operations
        from .registry_access import Where, chooser, run

        where = Where(data_dir, redis_url)
        moved = run(
            where,
            lambda store: operations.promote(
                store, parse_ref(ref), alias, chooser(model, where), actor=printable(actor),
                expect=expect,
            ),
        )  # fmt: skip
        _print_moved(moved, as_json=as_json)

    @vectors.command("rollback", help=ROLLBACK_HELP, epilog=EXIT_CODES)
    def rollback(
        name: Annotated[str, typer.Argument(metavar="NAME")],
        alias: Alias,
        data_dir: DataDir,
        actor: Actor,
        expect: Expect = None,
        model: OnlyModel = None,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from ..control import operations
        from .registry_access import Where, chooser, run

        where = Where(data_dir, redis_url)
        moved = run(
            where,
            lambda store: operations.roll_back(
                store, name, alias, chooser(model, where), actor=printable(actor),
                expect=expect,
            ),
        )  # fmt: skip
        _print_moved(moved, as_json=as_json)

    @vectors.command("retire", help=RETIRE_HELP, epilog=EXIT_CODES)
    def retire(
        ref: Ref,
        data_dir: DataDir,
        actor: Actor,
        reason: Annotated[str, typer.Option(help="Told to whoever names it.")] = "",
        model: OnlyModel = None,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from steersman_vectors.names import parse_ref

        from ..control import json_views, operations
        from .registry_access import Where, chooser, run

        where = Where(data_dir, redis_url)
        retired = run(
            where,
            lambda store: operations.retire(
                store, parse_ref(ref), chooser(model, where), actor=printable(actor),
                reason=printable(reason),
            ),
        )  # fmt: skip
        if as_json:
            print_json(json_views.retired_json(retired))
            return
        print_people(f"{retired.entry}: {retired.entry.retired}")
        print_warnings(retired.warnings)

    @vectors.command("gc", help=GC_HELP, epilog=EXIT_CODES)
    def gc(
        data_dir: DataDir,
        actor: Actor,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Only tell what would be removed.")
        ] = False,
        retired_for: Annotated[
            float,
            typer.Option(
                help="Keep what was retired less than this long ago, days.", min=0, max=36500
            ),
        ] = 30.0,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from ..control import json_views, operations
        from . import vector_views
        from .registry_access import Where, run

        collected = run(
            Where(data_dir, redis_url),
            lambda store: operations.collect(
                store, keep_for=timedelta(days=retired_for), dry_run=dry_run,
                actor=printable(actor),
            ),
        )  # fmt: skip
        if as_json:
            print_json(json_views.collected_json(collected))
        else:
            print_people(*vector_views.garbage_parts(collected))


def _print_moved(moved: Moved, *, as_json: bool) -> None:
    from ..control import json_views
    from . import vector_views

    if as_json:
        print_json(json_views.move_json(moved))
        return
    print_people(vector_views.move_line(moved.move))
    print_warnings(moved.warnings)
