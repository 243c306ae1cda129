"""The doses of the shipped vectors: where they act and how strongly.

Found by sweeping layers, schedules and alphas on 384 held-out prompts of another seed than the
report's. One block is enough, and the header position is enough: the model decides there how it
will answer, and a delta on the positions after it only costs facts.
"""

from dataclasses import dataclass

from steersman_vectors.schedule import AnySchedule, Linear


@dataclass(frozen=True)
class Dose:
    """How one vector is applied. Alpha is in units of the raw difference vector."""

    layers: tuple[int, ...]
    schedule: AnySchedule
    alphas: dict[str, float]
    """Preset name to alpha, in ascending order."""
    alpha_max: float
    description: str


DOSES: dict[str, Dose] = {
    "empathy": Dose(
        layers=(2,),
        schedule=Linear(tokens=1, floor=0.0),
        alphas={"low": 0.2, "medium": 0.5, "strong": 1.0},
        alpha_max=2.0,
        description="Warm against cold: sympathy and personal address, or official wording.",
    ),
    "concise": Dose(
        layers=(2,),
        schedule=Linear(tokens=1, floor=0.0),
        alphas={"low": 0.3, "medium": 0.6, "strong": 1.0},
        alpha_max=2.0,
        description="Short against long answers with the same facts.",
    ),
}


def ladder(name: str) -> list[tuple[str, float]]:
    """The configurations that are measured: -strong, 0, and every preset."""
    alphas = DOSES[name].alphas
    return [("-strong", -alphas["strong"]), ("0", 0.0), *alphas.items()]
