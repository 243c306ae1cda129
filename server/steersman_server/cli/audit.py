"""`steersman audit`: who changed what and when, and what was in force at any revision."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from steersman_vectors.errors import CallerError

from .options import DataDir, Json, RedisUrl
from .output import EXIT_CODES, print_json, print_people

AUDIT_HELP = """
Show every change, newest first: who, when, what was there before and after.

With --at, the whole steering configuration that was in force at a revision.

Examples:

  steersman audit --subject acme --since 2h

  steersman audit --kind flag --actor ann --since 2026-11-01 --until 2026-12-01 --json

  steersman audit --json-lines > audit.jsonl

  steersman audit --at 181
"""

LIMIT = 20


def register(app: typer.Typer) -> None:
    """Adds the command to the root app."""

    @app.command("audit", help=AUDIT_HELP, epilog=EXIT_CODES)
    def audit(
        data_dir: DataDir,
        kind: Annotated[
            str | None,
            typer.Option(
                help="tenant, key, flag, policy, profile, switch, backoff, vector, alias, "
                "blobs; or exactly, such as tenant.delete."
            ),
        ] = None,
        subject: Annotated[
            str | None, typer.Option(help="Part of what was changed, such as a tenant's name.")
        ] = None,
        actor: Annotated[str | None, typer.Option(help="Part of who did it.")] = None,
        since: Annotated[
            str | None, typer.Option(metavar="WHEN", help="2h, 30d, or 2026-11-26T08:00Z.")
        ] = None,
        until: Annotated[str | None, typer.Option(metavar="WHEN", help="Before this.")] = None,
        limit: Annotated[
            int | None,
            typer.Option(
                help=f"At most this many. Default: {LIMIT}; all with --json-lines.", min=1
            ),
        ] = None,
        at: Annotated[
            int | None, typer.Option(metavar="REVISION", help="What was in force then.", min=0)
        ] = None,
        json_lines: Annotated[
            bool, typer.Option("--json-lines", help="One change a line, for export.")
        ] = False,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from ..control import audit as control
        from . import audit_views
        from .registry_access import Where, look, run
        from .values import moment

        where = Where(data_dir, redis_url)
        if at is not None:
            _check_alone(kind, subject, actor, since, until, limit, json_lines or None)
            found = look(where, lambda store: control.in_force_at(store, at))
            if as_json:
                print_json(found)
            else:
                print_people(*audit_views.in_force_parts(found))
            return
        _check_kind(kind)
        now = datetime.now(UTC)
        wanted = control.AuditFilter(
            kind, subject, actor,
            None if since is None else moment("--since", since, now, ago=True),
            None if until is None else moment("--until", until, now, ago=True),
        )  # fmt: skip
        most = limit if limit is not None or json_lines else LIMIT
        entries = (
            run(where, lambda store: control.changes(store, wanted, limit=most))
            if where.exists
            else []
        )
        if json_lines:
            print(control.as_json_lines(entries), end="")
        elif as_json:
            print_json({"changes": [control.entry_json(entry) for entry in entries]})
        elif entries:
            print_people(audit_views.changes_table([control.entry_json(e) for e in entries]))
            if len(entries) == most:
                print_people("", f"The newest {most}; more with --limit.")
        else:
            print_people(f"No such changes in {where}.")


def _check_kind(kind: str | None) -> None:
    from ..control.audit import KINDS
    from .values import refused

    if kind is not None and kind not in KINDS and kind.partition(".")[0] not in KINDS:
        raise refused("--kind", kind, f"one of {', '.join(KINDS)}")


def _check_alone(*others: object) -> None:
    if any(other is not None for other in others):
        raise CallerError(
            "--at prints a whole configuration: leave the filters, --limit and --json-lines out",
            code="invalid_option",
        )
