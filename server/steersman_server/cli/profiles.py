"""`steersman profiles`: steering with a name, which clients may choose as a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steersman_vectors.errors import CallerError

from .options import Actor, DataDir, ForModel, Json, RedisUrl
from .outcome import print_done
from .output import EXIT_CODES, print_json, print_people, printable

if TYPE_CHECKING:
    from steersman_vectors.registry.store import RegistryStore

    from ..control.documents import Done

SET_HELP = """
Write a profile: clients choose it as `"model": "BASE:NAME"`.

From FILE, {"steer": ..., "tenants": [...], "description": ...}, or from --steer.
A tenant's own limits hold all the same.

Examples:

  steersman profiles set formal profile.json

  steersman profiles set warm --steer @steer.json --tenant acme --tenant globex
"""

LIST_HELP = """
List the profiles.

Examples:

  steersman profiles list
"""

SHOW_HELP = """
Show one profile.

Examples:

  steersman profiles show formal --json
"""

DELETE_HELP = """
Remove a profile; requests that name it are refused from then on.

Examples:

  steersman profiles delete formal
"""

Name = Annotated[str, typer.Argument(metavar="NAME", help="The profile.")]

profiles = typer.Typer(
    help="Profiles: steering that clients choose as a model.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
)


@profiles.command("set", help=SET_HELP, epilog=EXIT_CODES)
def set_profile(
    name: Name,
    data_dir: DataDir,
    actor: Actor,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help=".json or .toml; - for JSON on stdin.")
    ] = None,
    steer: Annotated[
        str | None,
        typer.Option(metavar="JSON|@FILE", help='Such as \'{"vectors": {"formal": 0.5}}\'.'),
    ] = None,
    tenant: Annotated[
        list[str] | None, typer.Option(help="Who may choose it; default: all. Repeatable.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="Shown to operators.")] = None,
    model: ForModel = None,
    redis_url: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Writes the profile when it can serve somebody."""
    from ..control import policies
    from .registry_access import Where, models_of, run

    value = _profile(file, steer)
    if tenant:
        value["tenants"] = tenant
    if description is not None:
        value["description"] = description

    async def operation(store: RegistryStore) -> Done:
        return await policies.set_profile(
            store, name, value, actor=printable(actor), fingerprints=await models_of(store, model)
        )

    done = run(Where(data_dir, redis_url), operation)
    print_done(done, {"name": name}, f"profile {name} written", as_json=as_json)


@profiles.command("list", help=LIST_HELP, epilog=EXIT_CODES)
def list_profiles(data_dir: DataDir, redis_url: RedisUrl = None, as_json: Json = False) -> None:
    """Prints all profiles."""
    from ..control.policy_views import profile_json
    from . import policy_views
    from .registry_access import Where, read_view

    where = Where(data_dir, redis_url)
    snapshot, now = read_view(where)
    found = now.profiles
    if as_json:
        listed = [profile_json(name, profile) for name, profile in found.items()]
        print_json({"revision": snapshot.revision, "profiles": listed})
    elif found:
        print_people(policy_views.profiles_table(found))
    else:
        print_people(f"No profiles in {where}. Write one with `steersman profiles set`.")


@profiles.command("show", help=SHOW_HELP, epilog=EXIT_CODES)
def show(name: Name, data_dir: DataDir, redis_url: RedisUrl = None, as_json: Json = False) -> None:
    """Prints one profile."""
    from ..control.policies import find_profile
    from ..control.policy_views import profile_json
    from . import policy_views
    from .registry_access import Where, read_configuration

    profile = find_profile(read_configuration(Where(data_dir, redis_url)), name)
    if as_json:
        print_json(profile_json(name, profile))
    else:
        print_people(policy_views.profile_facts(name, profile))


@profiles.command("delete", help=DELETE_HELP, epilog=EXIT_CODES)
def delete(
    name: Name, data_dir: DataDir, actor: Actor, redis_url: RedisUrl = None, as_json: Json = False
) -> None:
    """Removes the profile."""
    from ..control.policies import delete_profile
    from .registry_access import Where, run

    done = run(
        Where(data_dir, redis_url),
        lambda store: delete_profile(store, name, actor=printable(actor)),
    )
    print_done(done, {"name": name}, f"profile {name} deleted", as_json=as_json)


def _profile(file: Path | None, steer: str | None) -> dict[str, Any]:
    from .values import json_or_file, read_value, refused

    if (file is None) == (steer is None):
        raise CallerError(
            "a profile is in FILE or in --steer JSON: give one of both", code="invalid_option"
        )
    if file is None:
        return {"steer": json_or_file("--steer", steer or "")}
    value = read_value(file)
    if not isinstance(value, dict):
        raise refused(str(file), type(value).__name__, '{"steer": {"vectors": {...}}}')
    return {key: part for key, part in value.items() if key != "name"}  # as `show --json` has it
