"""A vector's file as a read-out: `readout:FILE`, or `readout@LAYER:FILE`.

The scale is the vector's own: 1 is the mean norm of the residual stream at that layer, the unit of
`residual` alphas, where its card tells it. 0 is no component along it at all, so a height alone
says little (texts have much in common) and a change against unsteered says what it is read for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import CallerError
from ..extract.contract import ActivationSource
from ..formats import native
from ..model_dir import read_shape
from ..registry.binding import check_fits
from ..vector import SteeringVector
from .readout import PromptIds, ReadOut, ReadOutJudge

_SPEC = re.compile(r"readout(?:@(?P<layer>\d{1,4}))?(?::(?P<file>.*))?", re.DOTALL)
UNIT = "of mean |x|"
NO_UNIT = "along it"


@dataclass(frozen=True, slots=True)
class Along:
    """A read-out with what its measure is called."""

    read_out: ReadOut
    name: str
    unit: str


def is_read_out(spec: str) -> bool:
    """Returns whether a judge's name asks for a read-out."""
    return _SPEC.fullmatch(spec) is not None


def read_outs(specs: Iterable[str], model_dir: Path, fingerprint: str) -> dict[str, Along]:
    """Returns the read-outs of those of the specs that ask for one, by spec.

    Raises `CallerError`: `invalid_judge` for a spec without a file, `read_out_unusable` for a layer
    that the vector lacks, `vector_model_mismatch` and what `native.load` and `check_fits` raise.
    """
    found: dict[str, Along] = {}
    for spec in specs:
        match = _SPEC.fullmatch(spec)
        if match is None:
            continue
        if not match["file"]:
            raise CallerError(
                f"--judge {spec[:80]!r}: expected readout:FILE or readout@LAYER:FILE with a vector "
                "in the native format",
                code="invalid_judge",
                param="judge",
            )
        path = Path(match["file"])
        vector = native.load(path)
        check_fits(vector, read_shape(model_dir))
        if vector.card.fingerprint not in (None, fingerprint):
            raise CallerError(
                f"--judge {spec[:80]}: the vector was made for {vector.card.fingerprint}, the "
                f"answers are read by {fingerprint}. Extract it again for this model",
                code="vector_model_mismatch",
                param="judge",
            )
        layer = match["layer"]
        found[spec] = along(vector, path.stem, None if layer is None else int(layer))
    return found


def along(vector: SteeringVector, label: str, layer: int | None = None) -> Along:
    """Returns the read-out along a vector.

    layer None: where its card says that a sweep should begin, else the middle one of those it has.

    Raises `CallerError(read_out_unusable)` for a layer without a direction.
    """
    at = default_layer(vector) if layer is None else layer
    if at not in vector.directions:
        raise CallerError(
            f"read-out along {label!r}: got layer {at}, expected one that the vector has a "
            f"direction at: {list(vector.layers)}",
            code="read_out_unusable",
            param="judge",
        )
    norm = vector.card.layers[at].residual_norm
    name = f"readout:{label}" if layer is None else f"readout@{layer}:{label}"
    read_out = ReadOut(at, vector.directions[at], 0.0, 1.0 if norm is None else norm)
    return Along(read_out, name, NO_UNIT if norm is None else UNIT)


def default_layer(vector: SteeringVector) -> int:
    """Returns the layer that is read where nobody names one."""
    first = vector.card.quality.get("try_first")
    if isinstance(first, int) and first in vector.directions:
        return first
    return vector.layers[len(vector.layers) // 2]


def judges_along(
    wanted: Mapping[str, Along],
    source: ActivationSource,
    prompt_ids: PromptIds,
    end_tokens: frozenset[int],
) -> dict[str, ReadOutJudge]:
    """Returns the judges, by spec; the source must read the layers of all of them."""
    return {
        spec: ReadOutJudge(
            each.read_out,
            source,
            prompt_ids,
            end_tokens=end_tokens,
            name=each.name,
            unit=each.unit,
        )
        for spec, each in wanted.items()
    }


def layers_of(wanted: Iterable[Along]) -> Sequence[int]:
    """Returns the layers that these read, ascending."""
    return sorted({each.read_out.layer for each in wanted})
