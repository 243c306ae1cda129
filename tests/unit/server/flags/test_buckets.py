"""Who is in which bucket: for good, evenly, and without moving when a rollout grows."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from steersman_server.flags.change import set_rollout
from steersman_server.flags.context import FlagContext
from steersman_server.flags.definition import FlagDefinition, FlagRecord
from steersman_server.flags.evaluate import FlagSet
from steersman_server.flags.explain import bucket_of

from .reference import Reference
from .samples import ab, record

GOLDEN = json.loads(Path(__file__).with_name("golden_buckets.json").read_text())
PEOPLE = [FlagContext("acme", f"user-{number}") for number in range(10_000)]


def test_golden_buckets() -> None:
    """Both paths give what flagd-core 2.0.0 gave when the file was written."""
    assert len(GOLDEN["buckets"]) == 288
    for golden in GOLDEN["buckets"]:
        key, weights = golden["flag"], golden["weights"]
        definition = FlagDefinition(
            state="ENABLED",
            variants={name: name for name, _ in weights},
            default_variant="on",
            targeting={"fractional": weights},
        )
        kept = {key: FlagRecord(definition=definition)}
        context = FlagContext("acme", golden["targeting_key"])
        assert FlagSet.of(kept).evaluate(key, context).variant == golden["variant"], golden
        assert Reference(kept).evaluate(key, context)[0] == golden["variant"], golden


@pytest.mark.parametrize("nobody", ["", "\ud800"])
def test_who_cannot_be_bucketed_has_the_default(nobody: str) -> None:
    flags = FlagSet.of({"ab": ab(targeting={"fractional": [["strong", 1]]})})
    found = flags.evaluate("ab", FlagContext("acme", nobody))
    assert (found.variant, found.reason) == ("control", "default")


def variants_of(key: str, kept: FlagRecord) -> list[str]:
    flags = FlagSet.of({key: kept})
    return [flags.evaluate(key, person).variant for person in PEOPLE]


def test_shares_are_what_was_asked_for() -> None:
    shares = Counter(
        variants_of("vector.empathy", set_rollout("k", record(), {"on": 10, "off": 90}))
    )
    assert shares["on"] / len(PEOPLE) == pytest.approx(0.10, abs=0.01)
    weights = {"control": 60, "mild": 30, "strong": 10}
    shares = Counter(variants_of("ab", set_rollout("ab", ab(), weights)))
    for variant, weight in weights.items():
        assert shares[variant] / len(PEOPLE) == pytest.approx(weight / 100, abs=0.015)


@pytest.mark.parametrize("typed", [["on", "off"], ["off", "on"]])
def test_a_growing_rollout_moves_nobody_out_whatever_the_order_it_is_typed_in(
    typed: list[str],
) -> None:
    first = set_rollout("steering", record(), {"on": 10, "off": 90})
    weights = {"on": 50, "off": 50}
    grown = set_rollout("steering", first, {name: weights[name] for name in typed})
    before, after = variants_of("steering", first), variants_of("steering", grown)
    assert [b for b, a in zip(before, after, strict=True) if b == "on" and a != "on"] == []
    assert after.count("on") > 4 * before.count("on")


def test_the_first_and_the_last_variant_can_grow_and_move_nobody_out() -> None:
    small = set_rollout("ab", ab(), {"control": 10, "mild": 80, "strong": 10})
    grown = set_rollout("ab", ab(), {"control": 30, "mild": 30, "strong": 40})
    for before, after in zip(variants_of("ab", small), variants_of("ab", grown), strict=True):
        assert before == "mild" or after == before


def test_flags_bucket_independently() -> None:
    rollout = set_rollout("k", record(), {"on": 50, "off": 50})
    both = zip(variants_of("vector.a", rollout), variants_of("vector.b", rollout), strict=True)
    agree = sum(a == b for a, b in both) / len(PEOPLE)
    assert agree == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("total", [1, 2, 3, 100, 2**31 - 1])
def test_the_explained_bucket_is_flagds(total: int) -> None:
    for person in PEOPLE[:20]:
        bucket = bucket_of("ab", [], total, person)
        assert bucket is not None
        assert 0 <= bucket < total
        shares: list[list[object]] = [
            ["control", bucket],
            ["mild", 1],
            ["strong", total - bucket - 1],
        ]
        assert (
            FlagSet.of({"ab": ab(targeting={"fractional": shares})}).evaluate("ab", person).variant
            == "mild"
        )


def test_the_bucket_is_flagds_hash() -> None:
    """Written out once: what the golden file would look like from another language."""
    mmh3 = pytest.importorskip("mmh3")
    cbor2 = pytest.importorskip("cbor2")
    for person in PEOPLE[:100]:
        digest = mmh3.hash(cbor2.dumps(["ab", person.targeting_key], canonical=True), signed=False)
        assert bucket_of("ab", [], 100, person) == digest * 100 >> 32
