"""`steersman vectors diff, verify, stale, log`: commands that look and change nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import DataDir, Json, OnlyModel, RedisUrl
from .output import EXIT_CODES, print_json, print_people

DIFF_HELP = """
Compare two versions.

The cosine of their directions and what they add at each layer; layer metrics
and presets where both have them, with what got worse from A to B; what else
their cards say differently.

Examples:

  steersman vectors diff empathy@2 empathy@3

  steersman vectors diff empathy@prod empathy@canary --json
"""

VERIFY_HELP = """
Check every vector in the registry against its digest.

Its card and the aliases too. Exits with 4 when something is wrong.

Examples:

  steersman vectors verify

  steersman vectors verify --redis-url redis://localhost:6379/0 --json
"""

STALE_HELP = """
List the vectors that an upgrade of the base model left behind.

For each name without a usable version for the new model, the newest version
for another, and every version that an alias names which names none for the new
model. With the command that makes them again.

Examples:

  steersman vectors stale --model ./my-new-model
"""

LOG_HELP = """
Show who changed what and when, newest first.

Examples:

  steersman vectors log

  steersman vectors log --limit 100 --json
"""

EXIT_PROBLEMS = 4


def register(vectors: typer.Typer) -> None:
    """Adds the commands to `steersman vectors`."""

    @vectors.command("diff", help=DIFF_HELP, epilog=EXIT_CODES)
    def diff(
        a: Annotated[str, typer.Argument(metavar="A")],
        b: Annotated[str, typer.Argument(metavar="B")],
        data_dir: DataDir,
        model: OnlyModel = None,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from steersman_vectors.names import parse_ref

        from ..control import json_views, operations
        from . import diff_views
        from .registry_access import Where, chooser, run

        where = Where(data_dir, redis_url)
        comparison = run(
            where,
            lambda store: operations.diff(store, parse_ref(a), parse_ref(b), chooser(model, where)),
        )
        if as_json:
            print_json(json_views.diff_json(comparison))
        else:
            print_people(*diff_views.diff_parts(comparison))

    @vectors.command("verify", help=VERIFY_HELP, epilog=EXIT_CODES)
    def verify(data_dir: DataDir, redis_url: RedisUrl = None, as_json: Json = False) -> None:
        from steersman_vectors.registry.snapshot import RegistrySnapshot
        from steersman_vectors.registry.store import RegistryStore
        from steersman_vectors.registry.upkeep import Problem
        from steersman_vectors.registry.upkeep import verify as check

        from ..control import json_views
        from .progress import counting
        from .registry_access import Where, run

        async def operation(
            store: RegistryStore,
        ) -> tuple[RegistrySnapshot, tuple[Problem, ...]]:
            snapshot = await store.snapshot()
            with counting("Verifying vectors") as progress:
                return snapshot, await check(store, snapshot, progress=progress)

        where = Where(data_dir, redis_url)
        snapshot, problems = run(where, operation) if where.exists else (RegistrySnapshot.of(0), ())
        if as_json:
            print_json(json_views.verify_json(snapshot, problems))
        else:
            for problem in problems:
                print_people(f"{problem.subject}: {problem.message}")
            count = len(snapshot.entries())
            print_people(f"{count} versions in {where}: " + _verdict(len(problems)))
        if problems:
            raise typer.Exit(EXIT_PROBLEMS)

    @vectors.command("stale", help=STALE_HELP, epilog=EXIT_CODES)
    def stale(
        data_dir: DataDir,
        model: Annotated[
            str, typer.Option(help="The new base model: a folder, hub name, or sha256:<digest>.")
        ],
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from steersman_vectors.registry.stale import stale_vectors

        from ..control import json_views
        from . import vector_views
        from .progress import fingerprint_of
        from .registry_access import Where, read_snapshot

        snapshot = read_snapshot(Where(data_dir, redis_url))
        fingerprint = model if model.startswith("sha256:") else fingerprint_of(model).digest
        named = "MODEL" if model.startswith("sha256:") else model
        found = stale_vectors(snapshot, fingerprint)
        if as_json:
            print_json(json_views.stale_json(fingerprint, named, found))
        else:
            print_people(*vector_views.stale_parts(fingerprint, named, found))

    @vectors.command("log", help=LOG_HELP, epilog=EXIT_CODES)
    def log(
        data_dir: DataDir,
        limit: Annotated[int, typer.Option(help="At most this many.", min=1)] = 20,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from ..control import json_views
        from . import vector_views
        from .registry_access import Where, run

        where = Where(data_dir, redis_url)
        entries = run(where, lambda store: store.log(limit=limit)) if where.exists else []
        if as_json:
            print_json(json_views.log_json(entries))
        elif entries:
            print_people(vector_views.log_table(entries))
        else:
            print_people(f"No changes in {where}.")


def _verdict(problems: int) -> str:
    return "all as their digests say" if problems == 0 else f"{problems} problems"
