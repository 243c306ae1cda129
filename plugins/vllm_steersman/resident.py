"""Resident vectors: loaded in this worker, in host memory, shared by all requests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from steersman_vectors.errors import CallerError, InternalError
from steersman_vectors.formats import native
from steersman_vectors.vector import SteeringVector


class ResidentVectors:
    """Vectors by content digest. Loading is idempotent; contents never change."""

    def __init__(
        self, hidden_size: int, layers: Iterable[int], *, token_scale: bool = False
    ) -> None:
        self.hidden_size = hidden_size
        self.token_scale = token_scale
        self.layers = frozenset(layers)
        """Decoder blocks the engine can steer, on all pipeline ranks together."""
        self._vectors: dict[str, SteeringVector] = {}

    def __len__(self) -> int:
        return len(self._vectors)

    def digests(self) -> tuple[str, ...]:
        """Returns the digests of all resident vectors, in the order they were loaded."""
        return tuple(self._vectors)

    def load(self, data: bytes) -> tuple[str, SteeringVector]:
        """Makes the vector in `data` (native format) resident and returns it with its digest.

        Raises `CallerError`: invalid_vector(_file), vector_model_mismatch (hidden size),
        vector_layers_not_served (a layer that this engine has no hook on).
        """
        digest = native.digest(data)
        if digest not in self._vectors:
            vector = native.loads(data)
            self._check(vector)
            self._vectors[digest] = vector
        return digest, self._vectors[digest]

    def unload(self, digest: str) -> None:
        """Forgets the vector; its rows, if any, stay until they are taken over."""
        self._vectors.pop(digest, None)

    def sum_deltas(
        self, terms: Sequence[tuple[str, float]], layer_idx: int, *, by_norm: bool = False
    ) -> NDArray[np.float32] | None:
        """Returns sum_k c_k * dir_k at the layer, fp32 `[hidden]`, or None when nothing is added.

        by_norm: of the vectors of scale `token`, per unit of the token's norm; else of all others.
        Summed in fp64 and rounded once, so the order of terms does not matter.
        """
        total: NDArray[np.float64] | None = None
        for digest, alpha in terms:
            vector = self._vectors.get(digest)
            if vector is None:
                raise InternalError(
                    f"vector {digest} is not resident; intake should have refused the request",
                    code="vector_not_resident",
                )
            if layer_idx in vector.directions and (vector.card.scale == "token") == by_norm:
                wide = vector.directions[layer_idx].astype(np.float64)
                wide *= vector.coefficient(layer_idx, alpha)
                total = wide if total is None else total + wide
        return None if total is None else total.astype(np.float32)

    def _check(self, vector: SteeringVector) -> None:
        name = vector.card.name
        if vector.card.hidden_size != self.hidden_size:
            raise CallerError(
                f"vector {name!r} has hidden size {vector.card.hidden_size}, the engine's model "
                f"has {self.hidden_size}: it was made for another model",
                code="vector_model_mismatch",
            )
        if vector.card.scale == "token" and not self.token_scale:
            raise CallerError(
                f"vector {name!r} has scale 'token', which this engine was started without. "
                "Restart it with --steering-token-scale",
                code="scale_not_served",
            )
        unserved = [i for i in vector.layers if i not in self.layers]
        if unserved:
            raise CallerError(
                f"vector {name!r} steers layers {list(vector.layers)}, but the engine was started "
                f"with steering layers {sorted(self.layers)}, which leave out {unserved}. Restart "
                "it with --steering-layers all",
                code="vector_layers_not_served",
            )
