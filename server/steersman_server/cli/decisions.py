"""`steersman decisions`: what was decided about each request, from the data directory's files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any

import typer

from .options import DataDir, Json
from .output import EXIT_CODES, print_json, print_people

DECISIONS_HELP = """
Show what was decided about requests, newest first: who was steered, how, and why.

Servers write a line for each into DATA_DIR/decisions, a file a day; no prompt, no answer, no key.

Examples:

  steersman decisions --tenant acme --since 1h

  steersman decisions --reason safety_override --json-lines > safety.jsonl

  steersman decisions --flag empathy-dose=strong --limit 100
"""

LIMIT = 20


def register(app: typer.Typer) -> None:
    """Adds the command to the root app."""

    @app.command("decisions", help=DECISIONS_HELP, epilog=EXIT_CODES)
    def decisions(
        data_dir: DataDir,
        tenant: Annotated[str | None, typer.Option(help="Of this tenant.")] = None,
        reason: Annotated[
            str | None,
            typer.Option(
                help="request, default, policy:NAME, safety_override, ...; or a code of a refusal."
            ),
        ] = None,
        flag: Annotated[
            str | None, typer.Option(metavar="KEY=VARIANT", help="In which this variant had a say.")
        ] = None,
        since: Annotated[
            str | None, typer.Option(metavar="WHEN", help="2h, 30d, or 2026-11-26T08:00Z.")
        ] = None,
        limit: Annotated[
            int | None,
            typer.Option(
                help=f"At most this many. Default: {LIMIT}; all with --json-lines.", min=1
            ),
        ] = None,
        json_lines: Annotated[
            bool, typer.Option("--json-lines", help="One decision a line, for export.")
        ] = False,
        as_json: Json = False,
    ) -> None:
        from ..monitor.decision_log import read_backwards
        from .decision_views import decisions_table
        from .values import moment, refused

        if flag is not None and "=" not in flag:
            raise refused("--flag", flag, "KEY=VARIANT, such as empathy-dose=strong")
        after = None
        if since is not None:
            after = moment("--since", since, datetime.now(UTC), ago=True)
        wanted = (
            line for line in read_backwards(data_dir, after) if _takes(line, tenant, reason, flag)
        )
        found = islice(wanted, limit if limit is not None or json_lines else LIMIT)
        if json_lines:
            for line in found:
                print(json.dumps(line))
        elif as_json:
            print_json({"decisions": list(found)})
        elif rows := list(found):
            print_people(decisions_table(rows))
        else:
            print_people(f"No such decisions in {data_dir}.")


def _takes(
    line: Mapping[str, Any], tenant: str | None, reason: str | None, flag: str | None
) -> bool:
    if tenant is not None and line.get("tenant") != tenant:
        return False
    if reason is not None and reason not in (line.get("reason"), line.get("refused")):
        return False
    key, _, variant = (flag or "").partition("=")
    return flag is None or line.get("flags", {}).get(key) == variant
