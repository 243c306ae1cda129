"""Values of options: `K=V`, JSON or a file of it, moments; refused in one line with the remedy."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from steersman_vectors.errors import CallerError

STDIN = Path("-")
MAX_FILE_BYTES = 1 << 20
_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def check_new(option: str, path: Path, *, force: bool, expected: str = "a new file") -> None:
    """Returns where nothing is replaced or that is wanted; raises `CallerError(file_exists)`."""
    if path.exists() and not force:
        raise CallerError(
            f"{option}: {path} exists; expected {expected}. Add --force to replace it",
            code="file_exists",
            param=option.lstrip("-"),
        )


def check_apart(written: Iterable[tuple[str, Path | None]], read: Iterable[Path | None]) -> None:
    """Returns where no file that is written is read too, or written twice, whatever its name.

    written: with its option. Raises `CallerError(path_unusable)`, before anything is lost.
    """
    taken = {path.resolve() for path in read if path is not None}
    for option, path in written:
        if path is None:
            continue
        if path.resolve() in taken:
            raise CallerError(
                f"{option}: {path} is given to this command already, and would be lost. Choose "
                "another file",
                code="path_unusable",
                param=option.lstrip("-"),
            )
        taken.add(path.resolve())


def refused(option: str, got: object, expected: str) -> CallerError:
    """Returns the refusal of an option's value."""
    text = str(got)
    shown = repr(text if len(text) <= 80 else text[:80] + "...")
    return CallerError(
        f"{option}: got {shown}, expected {expected}",
        code="invalid_option",
        param=option.lstrip("-"),
    )


def pairs(option: str, values: Iterable[str], example: str) -> dict[str, str]:
    """Returns what `K=V K=V` says; raises `CallerError(invalid_option)`."""
    found: dict[str, str] = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise refused(option, text, f"NAME=VALUE, such as {example}")
        if key in found:
            raise refused(option, text, f"each name once; {key!r} is there twice")
        found[key] = value
    return found


def numbers(option: str, values: Iterable[str], example: str) -> dict[str, float]:
    """Returns what `K=NUMBER` says."""
    found = {}
    for key, text in pairs(option, values, example).items():
        try:
            found[key] = float(text)
        except ValueError:
            raise refused(option, f"{key}={text}", f"a number, such as {example}") from None
    return found


def json_or_file(option: str, text: str) -> Any:
    """Returns the JSON that is written, or in the file that `@FILE` names."""
    if text.startswith("@"):
        return read_value(Path(text[1:]))
    return _parsed(text, option)


def read_value(file: Path) -> Any:
    """Returns what is in a .json or .toml file, or as JSON on stdin for `-`."""
    return _parsed(read_text(file), str(file), toml=file.suffix == ".toml")


def read_text(file: Path) -> str:
    """Returns a file's text, or stdin's for `-`; raises `CallerError(file_unreadable)`."""
    try:
        if file == STDIN:
            data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        else:
            with file.open("rb") as opened:
                data = opened.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise _unreadable(file, f"it has more than {MAX_FILE_BYTES} bytes")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _unreadable(file, "it is no UTF-8 text") from None
    except OSError as error:
        raise _unreadable(file, error.strerror or str(error)) from error


def moment(option: str, text: str, now: datetime, *, ago: bool) -> datetime:
    """Returns the moment that is written: ISO 8601 (UTC without a zone), or `30d` from now.

    ago: a span reaches back from now, not forward.
    """
    expected = "a span such as 30d, 12h or 90m, or a time such as 2027-01-01T00:00Z"
    try:
        if (span := _SPAN.fullmatch(text)) is not None:
            length = timedelta(**{_UNITS[span[2]]: int(span[1])})
            return now - length if ago else now + length
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise refused(option, text, expected) from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _parsed(text: str, where: str, *, toml: bool = False) -> Any:
    try:
        return tomllib.loads(text) if toml else json.loads(text)
    except (ValueError, RecursionError) as error:
        kind = "TOML" if toml else "JSON"
        why = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise CallerError(
            f"{where}: not readable as {kind}: {why}. Expected {kind} such as "
            + ('vectors = {empathy = "low"}' if toml else '{"vectors": {"empathy": "low"}}'),
            code="invalid_option",
            param=where.lstrip("-") if where.startswith("--") else None,
        ) from error


def _unreadable(file: Path, why: str) -> CallerError:
    return CallerError(
        f"cannot read {'stdin' if file == STDIN else file}: {why}. Give a .json or .toml file, or "
        "- for JSON on stdin",
        code="file_unreadable",
    )
