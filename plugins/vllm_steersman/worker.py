"""Methods added to vLLM's workers, called through `collective_rpc`. They answer, never raise."""

from __future__ import annotations

from typing import Any

import torch

from steersman_vectors.worker_counters import COUNTERS_KEY

from . import compat
from .boot import state_of


class SteeringWorkerExtension:
    """vLLM mixes this into its worker class (`worker_extension_cls`)."""

    def steering_load(self, ticket: str, data: bytes) -> dict[str, Any]:
        """Starts to make a vector resident; `steering_loaded` tells what came of it."""
        state = state_of(self.model_runner)  # type: ignore[attr-defined]
        if state is not None:
            state.loader.start(ticket, data)
        return {}

    def steering_loaded(self, ticket: str) -> dict[str, Any]:
        """Returns {"pending": True}, {"digest", "reach"} or {"error", "code"}."""
        state = state_of(self.model_runner)  # type: ignore[attr-defined]
        if state is None:
            return {
                "error": "the engine was started without steering",
                "code": "steering_not_enabled",
            }
        return state.loader.collect(ticket)

    def steering_unload(self, digest: str) -> dict[str, Any]:
        """Forgets a vector that no request uses any more; unknown digests are fine."""
        state = state_of(self.model_runner)  # type: ignore[attr-defined]
        if state is not None:
            state.resident.unload(digest)
        return {"digest": digest}

    def steering_readout(self, digests: list[str | None]) -> dict[str, Any]:
        """Has each slot of the tone read-out read a resident vector, or nothing for None.

        Returns {"readout"}: what each slot reads now; nothing where the vector is not resident, or
        has no direction at the slot's block.
        """
        state = state_of(self.model_runner)  # type: ignore[attr-defined]
        if state is None or state.tone is None:
            return {"readout": None}
        for slot, digest in enumerate(digests[: len(state.tone.layers)]):
            state.read_out(slot, digest)
        return {"readout": state.tone.digests}

    def steering_captured(self, keys: list[str]) -> dict[str, Any]:
        """Returns {"layers", "captured": {key: (mean, norm), or None}} and forgets them.

        mean, norm: fp32 bytes, see `CaptureSums.collect`; None where positions are lacking.
        """
        state = state_of(self.model_runner)  # type: ignore[attr-defined]
        if state is None or state.capture is None:
            return {"layers": [], "captured": dict.fromkeys(keys)}
        captured = state.capture.collect(keys)
        return {"layers": list(state.capture.layers), "captured": captured}

    def steering_status(self, brief: str = "") -> dict[str, Any]:
        """Returns who this worker is, what it holds and what it has counted.

        brief: anything leaves out the digests of all residents, of which there may be thousands.
        """
        state = state_of(self.model_runner)  # type: ignore[attr-defined]
        if state is None:
            return {"enabled": False}
        return {
            "enabled": True,
            "rank": compat.ranks_of(self),
            "layers": list(state.buffers.layers),
            "hooked": list(state.buffers.hooked()),
            "layers_all_ranks": sorted(state.resident.layers),
            "hidden_size": state.resident.hidden_size,
            "dtype": str(state.buffers.rows.dtype).removeprefix("torch."),
            "largest_value": torch.finfo(state.buffers.rows.dtype).max,
            **({} if brief else {"resident": list(state.resident.digests())}),
            "resident_vectors": len(state.resident),
            "resident_bytes": state.resident.nbytes,
            "token_scale": state.resident.token_scale,
            "rows": state.pool.capacity,
            "rows_cached": len(state.pool),
            "rows_in_use": state.rows_in_use,
            "rows_high_water": state.high_water,
            "tracked_requests": state.active_requests,
            "buffer_bytes": state.buffers.nbytes,
            "readout": None if state.tone is None else state.tone.digests,
            COUNTERS_KEY: state.counters().as_json(),
        }
