"""Which vectors are read out, and at which decoder block. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from steersman_vectors.engine_contract import MAX_READOUT_SLOTS
from steersman_vectors.errors import CallerError, OperatorError, SteersmanError
from steersman_vectors.names import VectorRef, parse_ref
from steersman_vectors.registry.entry import VectorEntry
from steersman_vectors.registry.snapshot import RegistrySnapshot


@dataclass(frozen=True, slots=True)
class ReadoutSlot:
    """One vector to read out, as an operator wrote it."""

    vector: str
    """`name`, `name@version` or `name@alias`: the label of its metrics."""
    layer: int | None = None
    """The decoder block; None while nobody said and no vector of that name told."""

    @property
    def ref(self) -> VectorRef:
        """Returns what it names."""
        return parse_ref(self.vector)


def parse_slots(text: str) -> tuple[ReadoutSlot, ...]:
    """Returns what `--readout` says: vectors with commas between, each `REF` or `REF:LAYER`.

    Raises `OperatorError(invalid_readout)`.
    """
    slots = tuple(_parse_slot(part.strip()) for part in text.split(","))
    names = [slot.vector for slot in slots]
    if len(set(names)) < len(names):
        raise OperatorError(
            f"--readout: {text!r} names a vector twice; its metrics could not be told apart",
            code="invalid_readout",
        )
    if len(slots) > MAX_READOUT_SLOTS:
        raise OperatorError(
            f"--readout: got {len(slots)} vectors, expected at most {MAX_READOUT_SLOTS}",
            code="invalid_readout",
        )
    return slots


def _parse_slot(text: str) -> ReadoutSlot:
    name, colon, layer = text.partition(":")
    try:
        ref = parse_ref(name)
    except CallerError as error:
        raise OperatorError(f"--readout: {error.message}", code="invalid_readout") from error
    if colon and not (layer.isascii() and layer.isdigit() and len(layer) < 6):
        raise OperatorError(
            f"--readout: got {text!r}, expected a vector and perhaps a decoder block, such as "
            "empathy, concise@prod or empathy:14",
            code="invalid_readout",
        )
    return ReadoutSlot(str(ref), int(layer) if colon else None)


def with_layers(
    slots: Sequence[ReadoutSlot],
    snapshot: RegistrySnapshot,
    fingerprint: str,
    served: Collection[int] | None,
) -> tuple[ReadoutSlot, ...]:
    """Returns the slots with the block of each: the first that its vector steers, unless given.

    In front of the first dose x depends on the text alone, not on the dose: so what is measured is
    what the traffic says. served: the steered blocks; None where only the engine can tell.
    """
    return tuple(
        slot if slot.layer is not None else replace(slot, layer=_first_layer(found, served))
        for slot, found in zip(slots, find(slots, snapshot, fingerprint), strict=True)
    )


def find(
    slots: Sequence[ReadoutSlot], snapshot: RegistrySnapshot, fingerprint: str
) -> list[VectorEntry | SteersmanError]:
    """Returns the version that each slot stands for at this revision, or why there is none."""
    return [_find(slot, snapshot, fingerprint) for slot in slots]


def _find(
    slot: ReadoutSlot, snapshot: RegistrySnapshot, fingerprint: str
) -> VectorEntry | SteersmanError:
    try:
        entry = snapshot.find(slot.ref, fingerprint)
    except CallerError as error:
        return error
    if slot.layer is not None and slot.layer not in entry.card.layers:
        return OperatorError(
            f"{entry} has no direction at decoder block {slot.layer}, which the read-out of "
            f"{slot.vector} was started with; it steers {sorted(entry.card.layers)}. Restart the "
            "server, or name a block with --readout NAME:LAYER",
            code="readout_layer_missing",
        )
    return entry


def _first_layer(found: VectorEntry | SteersmanError, served: Collection[int] | None) -> int | None:
    if isinstance(found, SteersmanError):
        return None
    layers = [i for i in found.card.layers if served is None or i in served]
    return min(layers, default=None)
