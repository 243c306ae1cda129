"""The states of all pairs, read once by the Hugging Face source, and vectors out of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steersman_demo.findings.bench import Tell
from steersman_demo.findings.contrasts import pairs, shapes
from steersman_vectors.extract.hf import open_source
from steersman_vectors.extract.methods.contract import MethodName, Options, Sides
from steersman_vectors.extract.methods.load import method_named
from steersman_vectors.extract.reading import ModelTokenizer, Position, read_all
from steersman_vectors.layer_metrics.measures import LayerMeasures, measure
from steersman_vectors.layer_metrics.norms import residual_norm
from steersman_vectors.scale import Scale
from steersman_vectors.vector import SteeringVector, from_differences

BATCH_TOKENS = 4096
MAX_TOKENS = 2048
Shape = tuple[str, Position]


@dataclass(frozen=True)
class States:
    """One behaviour at one position: fp32 `[pairs, layers, hidden]` of each side."""

    positive: NDArray[np.float32]
    negative: NDArray[np.float32]
    norms: NDArray[np.float32]
    """`[2 * pairs, layers]`: norm of the residual stream, the positive sides first."""

    @property
    def num_layers(self) -> int:
        """Decoder blocks."""
        return int(self.positive.shape[1])

    @property
    def residual_norms(self) -> dict[int, float]:
        """Mean norm of the residual stream per layer."""
        return {layer: residual_norm(self.norms[:, layer]) for layer in range(self.num_layers)}

    def sides(self, layer: int, chosen: Sequence[int] | slice = slice(None)) -> Sides:
        """The states of the chosen pairs at a layer, as methods take them."""
        return Sides(
            self.positive[chosen, layer].astype(np.float64),
            self.negative[chosen, layer].astype(np.float64),
            True,
            layer,
        )

    def difference(
        self, method: MethodName, layer: int, chosen: Sequence[int] | slice = slice(None)
    ) -> NDArray[np.float64]:
        """`[hidden]`: what the method finds in the chosen pairs."""
        return method_named(method)(self.sides(layer, chosen), Options())

    def vector(
        self, differences: dict[int, NDArray[np.float64]], name: str, scale: Scale = "residual"
    ) -> SteeringVector:
        """The vector of these differences, with the norms of all pairs."""
        return from_differences(
            differences, name=name, scale=scale, residual_norms=self.residual_norms
        )

    def mean_vector(
        self, layers: Sequence[int], name: str, scale: Scale = "residual"
    ) -> SteeringVector:
        """The mean difference of all pairs at these layers."""
        return self.vector({k: self.difference("mean", k) for k in layers}, name, scale)

    def measures(self, layer: int) -> LayerMeasures:
        """The layer metrics of the mean difference of all pairs."""
        difference = self.difference("mean", layer)
        return measure(self.sides(layer), difference, self.norms[:, layer], before=None, others={})


def read_states(model_dir: Path, count: int, tell: Tell) -> dict[Shape, States]:
    """`count` pairs of every behaviour at every position, by one pass of one model."""
    tokenizer = ModelTokenizer(model_dir)
    readings = {
        shape: read_all(
            *pairs(*shape, count), shape[1], tokenizer, paired=True, max_tokens=MAX_TOKENS
        )
        for shape in shapes()
    }
    reads = [read for reading in readings.values() for read in reading.reads]
    with open_source(model_dir, layers=None, dtype="float32", batch_tokens=BATCH_TOKENS) as source:
        mean = np.empty((len(reads), len(source.layers), source.hidden_size), np.float32)
        norms = np.empty(mean.shape[:2], np.float32)
        for done, (at, found) in enumerate(source.read(reads), 1):
            mean[at], norms[at] = found.mean[0], found.norm[0]
            tell("states", done, len(reads))
    states, first = {}, 0
    for shape in readings:
        middle, last = first + count, first + 2 * count
        states[shape] = States(mean[first:middle], mean[middle:last], norms[first:last])
        first = last
    return states
