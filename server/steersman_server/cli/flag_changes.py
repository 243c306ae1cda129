"""`steersman flags set, unset, rollout, define, delete`: commands that change flags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Actor, DataDir, Json, RedisUrl
from .outcome import print_done
from .output import EXIT_CODES, printable

SET_HELP = """
Give everybody, or one tenant, a variant.

For everybody it ends a rollout and enables a disabled flag; overrides of
tenants stay. `set steering off` rolls all steering back, overrides or not.

Examples:

  steersman flags set steering off

  steersman flags set steering off --tenant acme

  steersman flags set steering-override on --tenant acme
"""

UNSET_HELP = """
Take a tenant's override away: it has what everybody has.

Examples:

  steersman flags unset steering --tenant acme
"""

ROLLOUT_HELP = """
Share the variants out among users, of all or of some tenants.

Weights are whole numbers of any sum. A user keeps the variant while its share
grows.

Examples:

  steersman flags rollout steering on=10 off=90

  steersman flags rollout empathy-dose mild=1 strong=1 --tenant acme --tenant globex
"""

DEFINE_HELP = """
Define flags of your own, or built-in ones anew, from a flagd file.

Overrides stay where their variants still exist. Rules, defaults and profiles
that cannot be applied with the new variants are warnings.

Examples:

  steersman flags define flags.json

  generate-flags | steersman flags define -
"""

DELETE_HELP = """
Delete a flag; a built-in one goes back to its default.

Refused while a policy, a profile or a default asks it.

Examples:

  steersman flags delete empathy-dose
"""

Key = Annotated[str, typer.Argument(metavar="KEY", help="The flag.")]


def register(flags: typer.Typer) -> None:
    """Adds the commands to `steersman flags`."""

    @flags.command("set", help=SET_HELP, epilog=EXIT_CODES)
    def set_variant(
        key: Key,
        variant: Annotated[str, typer.Argument(metavar="VARIANT", help="on, off, or its own.")],
        data_dir: DataDir,
        actor: Actor,
        tenant: Annotated[str | None, typer.Option(help="Only this tenant: an override.")] = None,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from ..control.flags import set_flag
        from .registry_access import Where, run

        done = run(
            Where(data_dir, redis_url),
            lambda store: set_flag(store, key, variant, actor=printable(actor), tenant=tenant),
        )
        subject = {"key": key, "variant": variant, "tenant": tenant}
        whom = "everybody without an override" if tenant is None else f"tenant {tenant}"
        print_done(done, subject, f"{key} is {variant} for {whom}", as_json=as_json)

    @flags.command("unset", help=UNSET_HELP, epilog=EXIT_CODES)
    def unset(
        key: Key,
        data_dir: DataDir,
        actor: Actor,
        tenant: Annotated[str, typer.Option(help="Whose override.")],
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from ..control.flags import unset_flag
        from .registry_access import Where, run

        done = run(
            Where(data_dir, redis_url),
            lambda store: unset_flag(store, key, tenant=tenant, actor=printable(actor)),
        )
        said = f"tenant {tenant} has no override of {key}"
        print_done(done, {"key": key, "tenant": tenant}, said, as_json=as_json)

    @flags.command("rollout", help=ROLLOUT_HELP, epilog=EXIT_CODES)
    def rollout(
        key: Key,
        shares: Annotated[
            list[str], typer.Argument(metavar="VARIANT=WEIGHT...", help="Such as on=10 off=90.")
        ],
        data_dir: DataDir,
        actor: Actor,
        tenant: Annotated[
            list[str] | None,
            typer.Option(help="Only these tenants; others have the default. Repeatable."),
        ] = None,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from ..control.flags import roll_out
        from .registry_access import Where, run

        weights = _weights(shares)
        done = run(
            Where(data_dir, redis_url),
            lambda store: roll_out(
                store, key, weights, actor=printable(actor), tenants=tenant or None
            ),
        )
        said = ", ".join(f"{variant} {weight}" for variant, weight in weights.items())
        whom = f" among tenants {', '.join(tenant)}" if tenant else ""
        subject = {"key": key, "weights": weights, "tenants": tenant or None}
        print_done(done, subject, f"{key} is rolled out{whom}: {said}", as_json=as_json)

    @flags.command("define", help=DEFINE_HELP, epilog=EXIT_CODES)
    def define(
        file: Annotated[Path, typer.Argument(metavar="FILE", help="flagd JSON; - for stdin.")],
        data_dir: DataDir,
        actor: Actor,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from ..control.flags import define_flags
        from ..flags.flagd_file import parse_flagd
        from .registry_access import Where, run
        from .values import read_text

        definitions = parse_flagd(read_text(file))
        done = run(
            Where(data_dir, redis_url),
            lambda store: define_flags(store, definitions, actor=printable(actor)),
        )
        said = f"defined: {', '.join(definitions) or 'nothing'}"
        print_done(done, {"keys": list(definitions)}, said, as_json=as_json)

    @flags.command("delete", help=DELETE_HELP, epilog=EXIT_CODES)
    def delete(
        key: Key, data_dir: DataDir, actor: Actor, redis_url: RedisUrl = None, as_json: Json = False
    ) -> None:
        from ..control.flags import delete_flag
        from ..flags.builtin import is_gate
        from .registry_access import Where, run

        done = run(
            Where(data_dir, redis_url),
            lambda store: delete_flag(store, key, actor=printable(actor)),
        )
        said = f"{key} has its built-in default" if is_gate(key) else f"{key} deleted"
        print_done(done, {"key": key}, said, as_json=as_json)


def _weights(shares: list[str]) -> dict[str, int]:
    from .values import pairs, refused

    found = {}
    for variant, text in pairs("VARIANT=WEIGHT", shares, "on=10 off=90").items():
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            expected = "a whole number from 0, such as on=10 off=90"
            raise refused("VARIANT=WEIGHT", f"{variant}={text}", expected)
        found[variant] = int(text)
    return found
