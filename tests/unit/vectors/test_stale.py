"""What an upgrade of the base model leaves behind, on snapshots made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from steersman_vectors.registry.entry import Retirement, VectorEntry
from steersman_vectors.registry.snapshot import RegistrySnapshot
from steersman_vectors.registry.stale import stale_vectors

from .samples import FP_A, FP_B, vector

OLD, NEW = FP_A, FP_B
START = datetime(2026, 1, 1, tzinfo=UTC)
GONE = Retirement(START, "ann", "")


def entry(name: str, version: int, fingerprint: str) -> VectorEntry:
    card, at = vector(version, name=name, fingerprint=fingerprint).card, START
    digest = "sha256:" + "0" * 64
    return VectorEntry(name, version, digest, fingerprint, card, at + timedelta(version), "x")


def snapshot(
    versions: dict[str, tuple[int, ...]],
    aliases: dict[tuple[str, str, str], tuple[int, ...]] | None = None,
    retired: tuple[tuple[str, str, int], ...] = (),
) -> RegistrySnapshot:
    """versions: `{fingerprint: versions of "calm"}`."""
    entries = [entry("calm", k, of) for of, numbers in versions.items() for k in numbers]
    return RegistrySnapshot.of(9, entries, aliases, dict.fromkeys(retired, GONE))


def stale(of: RegistrySnapshot) -> list[tuple[int, tuple[str, ...], tuple[str, ...], bool]]:
    found = stale_vectors(of, NEW)
    assert {one.entry.fingerprint for one in found} <= {OLD}
    return [(one.entry.version, one.aliases, one.lacking, one.made_again) for one in found]


def test_every_version_that_an_alias_names_is_listed_and_the_newest() -> None:
    aliases = {(OLD, "calm", "prod"): (1,), (OLD, "calm", "canary"): (2, 1)}
    assert stale(snapshot({OLD: (1, 2, 3, 4)}, aliases, ((OLD, "calm", 4),))) == [
        (3, (), (), False),
        (2, ("canary",), ("canary",), False),
        (1, ("prod",), ("prod",), False),
    ]


def test_a_retired_version_for_the_new_model_is_as_none() -> None:
    versions: dict[str, tuple[int, ...]] = {OLD: (1,), NEW: (1, 2)}
    assert stale(snapshot(versions, retired=((NEW, "calm", 1),))) == []
    both = ((NEW, "calm", 1), (NEW, "calm", 2))
    assert stale(snapshot(versions, retired=both)) == [(1, (), (), False)]


def test_aliases_that_the_new_model_lacks_are_told() -> None:
    aliases = {
        (OLD, "calm", "prod"): (1,),
        (OLD, "calm", "stable"): (1,),
        (OLD, "calm", "canary"): (2,),
        (NEW, "calm", "prod"): (1,),
    }
    versions: dict[str, tuple[int, ...]] = {OLD: (1, 2), NEW: (1,)}
    assert stale(snapshot(versions, aliases)) == [
        (2, ("canary",), ("canary",), True),
        (1, ("prod", "stable"), ("stable",), True),
    ]
    every = {**aliases, (NEW, "calm", "stable"): (1,), (NEW, "calm", "canary"): (1,)}
    assert stale(snapshot(versions, every)) == []


def test_what_is_retired_for_the_old_model_is_no_loss() -> None:
    assert stale(snapshot({OLD: (1,)}, retired=((OLD, "calm", 1),))) == []
