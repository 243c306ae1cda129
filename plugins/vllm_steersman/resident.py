"""Resident vectors: loaded in this worker, in host memory, shared by all requests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray

from steersman_vectors.card import VectorCard
from steersman_vectors.engine_contract import why_not_served
from steersman_vectors.errors import CallerError, InternalError
from steersman_vectors.formats import native
from steersman_vectors.reach import Reach, reach_of
from steersman_vectors.vector import SteeringVector


@dataclass(frozen=True, slots=True)
class _Resident:
    """What this rank needs of a vector: its directions at the rank's own blocks."""

    directions: NDArray[np.float32]
    """`[n, hidden]`, unit norm."""
    per_alpha: NDArray[np.float64]
    """`[n, 1]`: the coefficient of each direction at alpha 1."""
    at: NDArray[np.int64] | slice
    """Where the n blocks are among the rank's."""
    by_norm: bool
    """Whether its scale is `token`."""
    reach: Reach


class ResidentVectors:
    """Vectors by content digest. Loading is idempotent; contents never change.

    layers: decoder blocks that the engine can steer, on all pipeline ranks together. local: those
    of this rank, all of them when left out.
    """

    def __init__(
        self,
        hidden_size: int,
        layers: Iterable[int],
        *,
        local: Sequence[int] | None = None,
        token_scale: bool = False,
    ) -> None:
        self.hidden_size = hidden_size
        self.token_scale = token_scale
        self.layers = frozenset(layers)
        self.local = tuple(sorted(self.layers) if local is None else local)
        self.loads = 0
        """Vectors made resident; one that was there already is not loaded."""
        self.load_ns = 0
        self._vectors: dict[str, _Resident] = {}

    def __len__(self) -> int:
        return len(self._vectors)

    def __contains__(self, digest: object) -> bool:
        return digest in self._vectors

    @property
    def nbytes(self) -> int:
        """Returns the bytes of host memory that the directions take."""
        return sum(v.directions.nbytes for v in list(self._vectors.values()))

    def digests(self) -> tuple[str, ...]:
        """Returns the digests of all resident vectors, in the order they were loaded."""
        return tuple(self._vectors)

    def load(self, data: bytes) -> tuple[str, Reach]:
        """Makes the vector in `data` (native format) resident; returns its digest and its reach.

        Raises `CallerError`: invalid_vector(_file), vector_model_mismatch (hidden size),
        scale_not_served, vector_layers_not_served (a layer that this engine has no hook on).
        """
        started = perf_counter_ns()
        digest = native.digest(data)
        resident = self._vectors.get(digest)
        if resident is None:
            vector = native.loads(data)
            self._check(vector.card)
            resident = self._vectors[digest] = self._pack(vector)
            self.loads += 1
            self.load_ns += perf_counter_ns() - started
        return digest, resident.reach

    def unload(self, digest: str) -> None:
        """Forgets the vector; its rows, if any, stay until they are taken over."""
        self._vectors.pop(digest, None)

    def direction(self, digest: str, layer_idx: int) -> NDArray[np.float32] | None:
        """Returns a vector's unit direction `[hidden]` at a block of this rank; None without one.

        Raises `CallerError(vector_not_resident)`.
        """
        vector = self._vectors.get(digest)
        if vector is None:
            raise CallerError(f"vector {digest} is not resident", code="vector_not_resident")
        if layer_idx not in self.local:
            return None
        blocks = np.arange(len(self.local))[vector.at]
        (at,) = np.nonzero(blocks == self.local.index(layer_idx))
        found: NDArray[np.float32] = vector.directions[at]
        return found[0] if len(found) else None

    def sum_deltas(
        self, terms: Sequence[tuple[str, float]], *, by_norm: bool = False
    ) -> NDArray[np.float32] | None:
        """Returns sum_k c_k * dir_k at the rank's blocks, fp32 `[local, hidden]`, None for nothing.

        by_norm: of the vectors of scale `token`, per unit of the token's norm; else of all others.
        """
        total: NDArray[np.float32] | None = None
        for digest, alpha in terms:
            vector = self._vectors.get(digest)
            if vector is None:
                raise InternalError(
                    f"vector {digest} is not resident; intake should have refused the request",
                    code="vector_not_resident",
                )
            if vector.by_norm != by_norm or not len(vector.directions):
                continue
            delta = vector.directions * (alpha * vector.per_alpha).astype(np.float32)
            if total is None and isinstance(vector.at, slice):
                total = delta
                continue
            if total is None:
                total = np.zeros((len(self.local), self.hidden_size), dtype=np.float32)
            total[vector.at] += delta
        return total

    def _pack(self, vector: SteeringVector) -> _Resident:
        here = [i for i in self.local if i in vector.directions]
        rows = [vector.directions[i] for i in here]
        at = np.array([self.local.index(i) for i in here], dtype=np.int64)
        return _Resident(
            directions=np.stack(rows) if rows else np.zeros((0, self.hidden_size), np.float32),
            per_alpha=np.array([[vector.coefficient(i, 1.0)] for i in here]).reshape(-1, 1),
            at=slice(None) if len(here) == len(self.local) else at,
            by_norm=vector.card.scale == "token",
            reach=reach_of(vector.card),
        )

    def _check(self, card: VectorCard) -> None:
        if card.hidden_size != self.hidden_size:
            raise CallerError(
                f"vector {card.name!r} has hidden size {card.hidden_size}, the engine's model has "
                f"{self.hidden_size}: it was made for another model",
                code="vector_model_mismatch",
            )
        refusal = why_not_served(card, self.layers, token_scale=self.token_scale)
        if refusal is not None:
            raise refusal
