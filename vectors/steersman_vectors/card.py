"""The card: everything a vector says about itself, stored as JSON in the file's header."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from .names import NAME_PATTERN
from .scale import Scale, coefficient
from .schedule import Schedule

Scope = Literal["assistant", "generation", "all"]
Name = Annotated[str, StringConstraints(pattern=rf"^{NAME_PATTERN.pattern}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
LayerIdx = Annotated[int, Field(ge=0, le=1023)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LayerNorms(_Frozen):
    """What extraction measured at one layer."""

    raw_norm: float | None = Field(default=None, gt=0)
    """L2 norm of the undivided difference vector; what scale `raw` multiplies with."""
    residual_norm: float | None = Field(default=None, gt=0)
    """Mean L2 norm of the residual stream at the block's output; for scale `residual`."""


class Preset(_Frozen):
    """A named setting of the vector: alpha and, where it matters, scope and schedule."""

    alpha: float
    scope: Scope | None = None
    schedule: Schedule | None = None
    evidence: dict[str, JsonValue] = Field(default_factory=dict)
    """Measured figures that support the setting, and how they were measured."""


class VectorCard(_Frozen):
    """What a vector is for, which base model it belongs to, how it was made and how to dose it."""

    name: Name
    hidden_size: int = Field(ge=1, le=1_000_000)
    layers: dict[LayerIdx, LayerNorms] = Field(min_length=1)
    """Per zero-based decoder block: norms measured at extraction."""
    scale: Scale
    """The unit of alpha."""
    hook_point: Literal["block_output"] = "block_output"
    """Where the direction is added: the residual stream after decoder block `layer_idx`."""
    fingerprint: Digest | None = None
    """Base-model fingerprint; None in a file that no registry has bound yet."""
    description: str = ""
    method: str = ""
    data_hash: str = ""
    chat_template_hash: str = ""
    license: str = ""
    scope: Scope | None = None
    schedule: Schedule | None = None
    """What the alphas were measured under; for presets and requests that name none."""
    alpha_max: float | None = Field(default=None, gt=0)
    """Largest |alpha| that a request may ask for; None when nobody has measured it."""
    quality: dict[str, JsonValue] = Field(default_factory=dict)
    presets: dict[Name, Preset] = Field(default_factory=dict)
    recipe: dict[str, JsonValue] = Field(default_factory=dict)
    """How to make the vector again: command, seed, data."""

    def coefficient(self, layer_idx: int, alpha: float) -> float:
        """Returns c with x' = x + gate * c * direction at that layer."""
        norms = self.layers[layer_idx]
        return coefficient(
            self.scale, alpha, raw_norm=norms.raw_norm, residual_norm=norms.residual_norm
        )

    @model_validator(mode="after")
    def _scale_has_its_norms(self) -> VectorCard:
        needed = {"raw": "raw_norm", "residual": "residual_norm"}.get(self.scale)
        if needed is not None:
            lacking = [i for i, norms in self.layers.items() if getattr(norms, needed) is None]
            if lacking:
                raise ValueError(
                    f"scale {self.scale!r} needs {needed} at every layer; missing at {lacking}"
                )
        if self.alpha_max is not None:
            over = [name for name, p in self.presets.items() if abs(p.alpha) > self.alpha_max]
            if over:
                raise ValueError(f"presets {over} exceed alpha_max {self.alpha_max}")
        return self
