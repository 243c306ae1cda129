"""How operations change documents: what is there, parsed; what shall be there, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from steersman_vectors.errors import CallerError
from steersman_vectors.registry.documents import (
    DocumentKind,
    Documents,
    DocumentWrite,
    set_document,
)
from steersman_vectors.registry.store import RegistryStore

from ..configuration import Configuration

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Done:
    """What an operation did."""

    revision: int | None
    """At which it is in force; None when all was so already."""
    warnings: tuple[str, ...] = ()


class MissingError(CallerError):
    """What the operator names does not exist."""

    http_status = 404


class ExistsError(CallerError):
    """What the operator wants to create is there already."""

    http_status = 409


async def write(
    store: RegistryStore, decide: Callable[[Configuration], Iterable[DocumentWrite]], *, actor: str
) -> int | None:
    """Returns the revision after what `decide` wants, from the configuration that is there."""

    def decide_on(documents: Documents) -> Iterable[DocumentWrite]:
        return list(decide(Configuration.of(documents)))

    return await store.write_documents(decide_on, actor=actor)


async def read(store: RegistryStore) -> Configuration:
    """Returns the configuration as it is now."""
    return Configuration.of((await store.current()).documents)


def document(kind: DocumentKind, document_id: str, value: BaseModel) -> DocumentWrite:
    """Returns the write that makes the document say this."""
    return set_document(kind, document_id, value.model_dump(mode="json"))


def checked(model: type[T], value: Any, what: str) -> T:
    """Returns the value as a model; raises `CallerError(invalid_<what>)` naming the first fault."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        where = ".".join(map(str, error.errors(include_url=False)[0]["loc"])) or what
        raise CallerError(
            f"invalid {what}: {faults(error, what)[0]}", code=f"invalid_{what}", param=where
        ) from error


def faults(error: ValidationError, what: str) -> list[str]:
    """Returns what is wrong, a line each: where, why and what was got."""
    return [_fault(found, what) for found in error.errors(include_url=False)]


def _fault(found: ErrorDetails, what: str) -> str:
    where = ".".join(str(part) for part in found["loc"]) or what
    got = found.get("input")
    shown = "" if isinstance(got, dict | list) else f", got {str(got)[:80]!r}"
    return f"{where}: {found['msg'].removeprefix('Value error, ')}{shown}"
