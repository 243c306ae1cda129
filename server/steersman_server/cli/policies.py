"""`steersman policies`: a tenant's rules from what a request is to how it is steered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Actor, DataDir, ForModel, Json, RedisUrl
from .outcome import print_done
from .output import EXIT_CODES, print_json, print_people, print_warning, printable

if TYPE_CHECKING:
    from collections.abc import Collection

    from steersman_vectors.registry.store import RegistryStore

    from ..control.documents import Done

SET_HELP = """
Replace a tenant's rules by those in FILE.

Refused, with all that is wrong, when a rule names what does not exist, exceeds
a cap, or can never be reached.

Examples:

  steersman policies set acme policy.json

  steersman policies set acme policy.toml --model ./my-model --intents ./classifier

  steersman policies show acme --json | steersman policies set globex -
"""

CHECK_HELP = """
Say all that is wrong with the rules in FILE, and write nothing.

Exits with 3 when there is something.

Examples:

  steersman policies check acme policy.json
"""

SHOW_HELP = """
Show a tenant's rules, in order.

Examples:

  steersman policies show acme
"""

LIST_HELP = """
List the tenants that have rules.

Examples:

  steersman policies list
"""

DELETE_HELP = """
Remove a tenant's rules; its default steering stays.

Examples:

  steersman policies delete acme
"""

EXIT_PROBLEMS = 3
UNCHECKED = "names of intents were not checked: give --intents what the server was started with"

Tenant = Annotated[str, typer.Argument(metavar="TENANT", help="'local': requests without a key.")]
File = Annotated[
    Path, typer.Argument(metavar="FILE", help="Rules as .json or .toml; - for JSON on stdin.")
]
Intents = Annotated[
    Path | None,
    typer.Option(help="The classifier that the server has: rules may name its intents only."),
]

policies = typer.Typer(
    help="Policies: rules from intent, profile, flags and metadata to steering.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
)


@policies.command("set", help=SET_HELP, epilog=EXIT_CODES)
def set_rules(
    tenant: Tenant,
    file: File,
    data_dir: DataDir,
    actor: Actor,
    intents: Intents = None,
    model: ForModel = None,
    redis_url: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Writes the rules when nothing is wrong with them."""
    from ..control.policies import set_policy
    from .registry_access import Where, models_of, run

    value, known = _rules(file), _known(intents)

    async def operation(store: RegistryStore) -> Done:
        return await set_policy(
            store, tenant, value, actor=printable(actor), labels=known.labels,
            safety_labels=known.safety, fingerprints=await models_of(store, model),
        )  # fmt: skip

    done = run(Where(data_dir, redis_url), operation)
    if intents is None and _names_intents(value):
        done = replace(done, warnings=(*done.warnings, UNCHECKED))
    said = f"tenant {tenant} has these {len(value['rules'])} rules"
    print_done(done, {"tenant": tenant}, said, as_json=as_json)


@policies.command("check", help=CHECK_HELP, epilog=EXIT_CODES)
def check(
    tenant: Tenant,
    file: File,
    data_dir: DataDir,
    intents: Intents = None,
    model: ForModel = None,
    redis_url: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Prints what is wrong with the rules."""
    from ..control.policies import check_policy
    from .registry_access import Where, look, models_of

    value, known = _rules(file), _known(intents)

    async def operation(store: RegistryStore) -> list[str]:
        return await check_policy(
            store, tenant, value, fingerprints=await models_of(store, model), labels=known.labels,
            safety_labels=known.safety,
        )  # fmt: skip

    problems = look(Where(data_dir, redis_url), operation)
    if as_json:
        print_json({"ok": not problems, "problems": problems})
    else:
        print_people(*map(printable, problems))
        print_people(f"{len(problems)} problems" if problems else "Nothing is wrong.")
        if intents is None and _names_intents(value):
            print_warning(UNCHECKED)
    if problems:
        raise typer.Exit(EXIT_PROBLEMS)


@policies.command("show", help=SHOW_HELP, epilog=EXIT_CODES)
def show(
    tenant: Tenant, data_dir: DataDir, redis_url: RedisUrl = None, as_json: Json = False
) -> None:
    """Prints the rules."""
    from ..control.policies import limits_of
    from ..control.policy_views import policy_json
    from . import policy_views
    from .registry_access import Where, read_configuration

    now = read_configuration(Where(data_dir, redis_url))
    limits_of(now, tenant)
    policy = now.policy_of(tenant)
    if as_json:
        print_json(policy_json(tenant, policy))
    elif policy.rules:
        print_people(policy_views.rules_table(policy))
    else:
        print_people(f"Tenant {tenant} has no rules. Write some with `steersman policies set`.")


@policies.command("list", help=LIST_HELP, epilog=EXIT_CODES)
def list_policies(data_dir: DataDir, redis_url: RedisUrl = None, as_json: Json = False) -> None:
    """Prints who has rules."""
    from ..control.policy_views import policy_json
    from . import policy_views
    from .registry_access import Where, read_view

    where = Where(data_dir, redis_url)
    snapshot, now = read_view(where)
    found = dict(sorted(now.policies.items()))
    if as_json:
        listed = [policy_json(tenant, policy) for tenant, policy in found.items()]
        print_json({"revision": snapshot.revision, "policies": listed})
    elif found:
        print_people(policy_views.policies_table(found))
    else:
        print_people(f"No policies in {where}. Write one with `steersman policies set`.")


@policies.command("delete", help=DELETE_HELP, epilog=EXIT_CODES)
def delete(
    tenant: Tenant,
    data_dir: DataDir,
    actor: Actor,
    redis_url: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Removes the rules."""
    from ..control.policies import delete_policy
    from .registry_access import Where, run

    done = run(
        Where(data_dir, redis_url),
        lambda store: delete_policy(store, tenant, actor=printable(actor)),
    )
    print_done(done, {"tenant": tenant}, f"tenant {tenant} has no rules", as_json=as_json)


def _rules(file: Path) -> Any:
    from .values import read_value, refused

    value = read_value(file)
    if not isinstance(value, dict) or not isinstance(value.get("rules"), list):
        got = type(value).__name__ if not isinstance(value, dict) else ", ".join(value)
        expected = '{"rules": [{"name": ..., "when": {...}, "steer": ...}, ...]}'
        raise refused(str(file), got, expected)
    return {key: part for key, part in value.items() if key != "tenant"}  # as `show --json` has it


@dataclass(frozen=True, slots=True)
class _Known:
    """The intents that a classifier knows, and those of them that are of safety."""

    labels: Collection[str] | None = None
    safety: Collection[str] = ()


def _known(intents: Path | None) -> _Known:
    from ..intent.load import load_classifier

    if intents is None:
        return _Known()
    classifier = load_classifier(intents)
    return _Known(classifier.labels, classifier.safety_labels)


def _names_intents(value: dict[str, Any]) -> bool:
    whens = (rule.get("when") for rule in value["rules"] if isinstance(rule, dict))
    return any(isinstance(when, dict) and when.get("intent") for when in whens)
