"""`steersman flags list, show, explain, export`: commands that look and change nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .options import DataDir, Json, RedisUrl
from .output import EXIT_CODES, print_json, print_people, printable

LIST_HELP = """
List all flags: the built-in ones, one per vector, and your own.

Examples:

  steersman flags list

  steersman flags list --json
"""

SHOW_HELP = """
Show one flag: variants, targeting, overrides.

Examples:

  steersman flags show steering
"""

EXPLAIN_HELP = """
Say why a tenant has its variant, step by step.

Examples:

  steersman flags explain steering --tenant acme

  steersman flags explain empathy-dose --tenant acme --user u-17 --label tier=gold
"""

EXPORT_HELP = """
Write all flags as one flagd file, overrides in their targeting.

Examples:

  steersman flags export > flags.json

  steersman flags export --out flags.json
"""

Key = Annotated[str, typer.Argument(metavar="KEY", help="The flag.")]


def register(flags: typer.Typer) -> None:
    """Adds the commands to `steersman flags`."""

    @flags.command("list", help=LIST_HELP, epilog=EXIT_CODES)
    def list_flags(data_dir: DataDir, redis_url: RedisUrl = None, as_json: Json = False) -> None:
        from ..control.flag_looks import all_flags
        from ..control.policy_views import flag_json
        from . import flag_views
        from .registry_access import Where, read_view

        snapshot, configuration = read_view(Where(data_dir, redis_url))
        records = all_flags(configuration, snapshot)
        if as_json:
            found = [flag_json(key, record) for key, record in records.items()]
            print_json({"revision": snapshot.revision, "flags": found})
        else:
            print_people(flag_views.list_table(records))

    @flags.command("show", help=SHOW_HELP, epilog=EXIT_CODES)
    def show(
        key: Key, data_dir: DataDir, redis_url: RedisUrl = None, as_json: Json = False
    ) -> None:
        from ..control.flags import find_flag
        from ..control.policy_views import flag_json
        from . import flag_views
        from .registry_access import Where, read_configuration

        record = find_flag(read_configuration(Where(data_dir, redis_url)), key)
        if as_json:
            print_json(flag_json(key, record))
        else:
            print_people(*flag_views.show_parts(key, record))

    @flags.command("explain", help=EXPLAIN_HELP, epilog=EXIT_CODES)
    def explain(
        key: Key,
        data_dir: DataDir,
        tenant: Annotated[
            str, typer.Option(help="For whom; 'local': requests without a key.")
        ] = "local",
        user: Annotated[str | None, typer.Option(help="The request's `user`.")] = None,
        profile: Annotated[str | None, typer.Option(help="Of the request's model.")] = None,
        label: Annotated[
            list[str] | None,
            typer.Option(metavar="K=V", help="As if the tenant had this label. Repeatable."),
        ] = None,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from ..control.flag_looks import explain_flag
        from . import flag_views
        from .registry_access import Where, read_configuration
        from .values import pairs

        labels = pairs("--label", label or (), "tier=gold")
        found = explain_flag(
            read_configuration(Where(data_dir, redis_url)), key, tenant, user,
            profile=profile, labels=labels,
        )  # fmt: skip
        if as_json:
            print_json(found)
        else:
            print_people(*flag_views.explain_parts(found))

    @flags.command("export", help=EXPORT_HELP, epilog=EXIT_CODES)
    def export(
        data_dir: DataDir,
        out: Annotated[
            Path | None, typer.Option(metavar="FILE", help="Default: stdout. Replaces FILE.")
        ] = None,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from ..flags.flagd_file import as_flagd
        from .registry_access import Where, read_configuration

        configuration = read_configuration(Where(data_dir, redis_url))
        file, count = as_flagd(configuration.flags), len(configuration.flags.records)
        if out is None:
            print_json(file)
            return
        out.write_text(json.dumps(file, indent=2) + "\n")
        if as_json:
            print_json({"file": str(out), "flags": count})
        else:
            print_people(f"{count} flags written to {printable(str(out))}")
