"""The options of `steersman tenants create` and `update`, and the fields that they stand for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from steersman_vectors.errors import CallerError
from steersman_vectors.names import check_name

from .values import json_or_file, numbers, pairs

Name = Annotated[str, typer.Argument(metavar="NAME", help="The tenant.")]
AllowVector = Annotated[
    list[str] | None,
    typer.Option(
        metavar="V",
        help="A vector that its requests may be steered by, at any version; '*': all. Repeatable; "
        "default: none.",
    ),
]
AlphaCap = Annotated[
    list[str] | None,
    typer.Option(
        metavar="V=NUMBER",
        help="Largest |alpha| of a vector, below what its card allows. Repeatable.",
    ),
]
DoseCap = Annotated[
    float | None,
    typer.Option(metavar="NUMBER", help="Largest sum of |alpha| over all vectors of a request."),
]
Default = Annotated[
    str | None,
    typer.Option(
        metavar="JSON|@FILE",
        help="Steering of requests that no rule is about, such as "
        '\'{"vectors": {"empathy": "low"}}\'.',
    ),
]
OnUnavailable = Annotated[
    Literal["fail", "base"] | None,
    typer.Option(
        help="When policy or default cannot be applied: refuse the request (fail, the default), or "
        "serve it unsteered and say so (base)."
    ),
]
RequestsPerMinute = Annotated[
    int | None, typer.Option(metavar="N", help="Of all its keys together, per server.")
]
MaxConcurrent = Annotated[
    int | None, typer.Option(metavar="N", help="Requests running at once, per server.")
]
Backoff = Annotated[
    list[str] | None,
    typer.Option(
        metavar="K=NUMBER",
        help="Scale its steering down by itself when more than max_degenerate_rate=0.05 of its "
        "steered answers are degenerate. Further: window_s=600, min_answers=20, factor=0.5, "
        "floor=0.25 (below: off), cooldown_s=300. Repeatable.",
    ),
]
LabelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--label", metavar="K=V", help="Shown to operators and to flags' targeting. Repeatable."
    ),
]
NoVector = Annotated[bool, typer.Option("--no-allow-vector", help="Allow no vector.")]
NoAlphaCap = Annotated[bool, typer.Option("--no-alpha-cap", help="Only the cards' own limits.")]
NoDoseCap = Annotated[bool, typer.Option("--no-dose-cap", help="Any sum of |alpha|.")]
NoDefault = Annotated[bool, typer.Option("--no-default", help="Unsteered by default.")]
NoRate = Annotated[bool, typer.Option("--no-requests-per-minute", help="Without this limit.")]
NoConcurrent = Annotated[bool, typer.Option("--no-max-concurrent", help="Without this limit.")]
NoBackoff = Annotated[bool, typer.Option("--no-backoff", help="No further steps by itself.")]
NoLabel = Annotated[bool, typer.Option("--no-label", help="Without labels.")]


def given(
    *, allow_vector: list[str] | None, alpha_cap: list[str] | None, dose_cap: float | None,
    default: str | None, on_unavailable: str | None, requests_per_minute: int | None,
    max_concurrent: int | None, backoff: list[str] | None, label: list[str] | None,
) -> dict[str, Any]:  # fmt: skip
    """Returns the tenant's fields that the options set; what is not given is not in it."""
    fields: dict[str, Any] = {
        "dose_cap": dose_cap,
        "on_unavailable": on_unavailable,
        "requests_per_minute": requests_per_minute,
        "max_concurrent": max_concurrent,
    }
    if allow_vector is not None:
        fields["vectors"] = [_vector(name, "--allow-vector") for name in allow_vector]
    if alpha_cap is not None:
        caps = numbers("--alpha-cap", alpha_cap, "empathy=0.5")
        fields["alpha_caps"] = {check_name(v, what="--alpha-cap"): n for v, n in caps.items()}
    if default is not None:
        fields["default"] = json_or_file("--default", default)
    if backoff is not None:
        fields["backoff"] = numbers("--backoff", backoff, "max_degenerate_rate=0.05")
    if label is not None:
        found = pairs("--label", label, "tier=gold")
        fields["labels"] = {check_name(k, what="--label"): v for k, v in found.items()}
    return {name: value for name, value in fields.items() if value is not None}


EMPTY: dict[str, Any] = {
    "vectors": [],
    "alpha_caps": {},
    "dose_cap": None,
    "default": None,
    "requests_per_minute": None,
    "max_concurrent": None,
    "backoff": None,
    "labels": {},
}
"""What a field is after its `--no-...`."""
OPTION = {"vectors": "allow-vector", "alpha_caps": "alpha-cap", "labels": "label"}


def emptied(fields: dict[str, Any], **wanted: bool) -> dict[str, Any]:
    """Returns the fields with those emptied that are wanted so.

    Raises `CallerError(invalid_option)` for one that is both set and emptied.
    """
    names = [name for name, clear in wanted.items() if clear]
    for name in names:
        if name in fields:
            option = OPTION.get(name, name.replace("_", "-"))
            raise CallerError(
                f"--{option} and --no-{option} contradict each other: give one of them",
                code="invalid_option",
                param=option,
            )
    return {**fields, **{name: EMPTY[name] for name in names}}


def _vector(name: str, option: str) -> str:
    return name if name == "*" else check_name(name, what=option)
