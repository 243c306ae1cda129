"""Read-outs on the command line: `--judge readout:FILE`, read by a model of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from steersman_vectors.extract.sources import find_source
from steersman_vectors.judges.contract import Judge
from steersman_vectors.judges.readout_file import judges_along, layers_of, read_outs
from steersman_vectors.judges.readout_model import PromptTokens, SourceOnDemand, end_tokens_of


@dataclass(frozen=True, slots=True)
class ReadOuts:
    """Judges, and the source that they read with, to be closed after them."""

    judges: Mapping[str, Judge]
    """By the names that ask for them."""
    source: SourceOnDemand


def read_outs_of(
    specs: Sequence[str], model_dir: Path, fingerprint: str, backend: str
) -> ReadOuts | None:
    """Returns the read-outs that the names ask for; None where none does. Loads no model yet.

    Raises `CallerError`, as `read_outs` and `find_source` do.
    """
    wanted = read_outs(specs, model_dir, fingerprint)
    if not wanted:
        return None
    source = SourceOnDemand(find_source(backend), model_dir, layers_of(wanted.values()))
    judges = judges_along(wanted, source, PromptTokens(model_dir), end_tokens_of(model_dir))
    return ReadOuts(judges, source)
