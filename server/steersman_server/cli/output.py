"""What commands print: tables for people, JSON for programs, one line for an error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any, assert_never

from steersman_vectors.errors import CallerError, InternalError, OperatorError, SteersmanError

EXIT_CODES = (
    "Exit codes: 0 done, 2 wrong usage, 3 the input or request is wrong (fix it and run again), "
    "4 the deployment cannot do it now (data directory in use, registry down), "
    "5 a fault in Steersman."
)
WIDTH_WITHOUT_TERMINAL = 200


def exit_code(error: SteersmanError) -> int:
    """Returns the process's exit status for an error: by who must act."""
    match error:
        case CallerError():
            return 3
        case OperatorError():
            return 4
        case InternalError() | SteersmanError():
            return 5
        case _:
            assert_never(error)


def print_error(error: SteersmanError, *, as_json: bool) -> None:
    """Prints the error to stderr: one red line, or the JSON object that the API would answer."""
    if as_json:
        body = {"message": error.message, "code": error.code, "param": error.param}
        print(json.dumps({"error": body}), file=sys.stderr)
        return
    from rich.console import Console
    from rich.text import Text

    line = Text.assemble(("error: ", "bold red"), (printable(error.message), "red"))
    Console(stderr=True).print(line + Text(f" [{error.code}]", "dim"), soft_wrap=True)


def print_warning(message: str) -> None:
    """Prints one yellow line to stderr."""
    from rich.console import Console
    from rich.text import Text

    line = Text.assemble(("warning: ", "bold yellow"), printable(message))
    Console(stderr=True).print(line, soft_wrap=True)


def print_note(message: str) -> None:
    """Prints one dim line to stderr: what is about to happen."""
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True).print(Text(printable(message), "dim"), soft_wrap=True)


def print_warnings(messages: Iterable[str]) -> None:
    """Prints a yellow line for each to stderr."""
    for message in messages:
        print_warning(message)


def print_json(value: Any) -> None:
    """Prints the value to stdout as indented JSON."""
    print(json.dumps(value, indent=2))


def print_people(*parts: Any) -> None:
    """Prints rich renderables, or plain text without markup, to stdout."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
    console = Console(width=width, highlight=False, markup=False)
    for part in parts:
        console.print(part)


def printable(text: str) -> str:
    """Returns text from a file without characters that could steer the terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
