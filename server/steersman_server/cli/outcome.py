"""What commands that change the configuration print: what is so now, since which revision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .output import print_json, print_people, print_warnings, printable

if TYPE_CHECKING:
    from ..control.documents import Done


def print_done(done: Done, subject: dict[str, Any], said: str, *, as_json: bool) -> None:
    """Prints the outcome; warnings of it on stderr, or with the rest as JSON.

    subject: what identifies it, for programs; said: what is so now, for people.
    """
    from ..control.policy_views import done_json

    if as_json:
        print_json({**subject, **done_json(done)})
        return
    when = "it was so already" if done.revision is None else f"revision {done.revision}"
    print_people(f"{printable(said)} ({when})")
    print_warnings(done.warnings)
