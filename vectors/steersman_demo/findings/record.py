"""All that was found, as JSON between measuring and writing."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from steersman_demo.findings.few_pairs import FewPairs
from steersman_demo.findings.layer_metrics import LayerMetrics
from steersman_demo.findings.layer_sets import LayerSets
from steersman_demo.findings.portability import Portability


@dataclass(frozen=True)
class Findings:
    """The figures of every finding, and what they took."""

    seconds: int
    answers: int
    pairs: int
    few_pairs: FewPairs
    layer_sets: LayerSets
    portability: Portability
    layer_metrics: LayerMetrics


_FINDINGS = TypeAdapter(Findings)


def write(path: Path, findings: Findings) -> None:
    """Write the figures; what is not a number is `NaN`, as Python's JSON has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_rounded(asdict(findings)), indent=1) + "\n")


def read(path: Path) -> Findings:
    """Read what `write` wrote."""
    return _FINDINGS.validate_python(json.loads(path.read_text()))


def _rounded(value: object) -> object:
    """Floats to six digits: more is noise, and noise makes a file's history unreadable."""
    match value:
        case dict():
            return {key: _rounded(each) for key, each in value.items()}
        case list() | tuple():
            return [_rounded(each) for each in value]
        case float():
            return float(f"{value:.6g}")
        case _:
            return value
