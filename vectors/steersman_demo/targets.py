"""What the shipped vectors aim for, and whether the measured figures reach it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steersman_demo.evaluate import Figure
from steersman_demo.measure import Row


@dataclass(frozen=True)
class Verdict:
    """One aim, the figure that was measured, and whether it reaches the aim."""

    aim: str
    figure: Figure
    met: bool

    @property
    def text(self) -> str:
        """One line: the aim, the figure with its standard error, the verdict."""
        got = f"{100 * self.figure.mean:.1f} ± {100 * self.figure.error:.1f}"
        return f"{self.aim}: {got}, {'met' if self.met else '**missed**'}"


def verdicts(unsteered: Row, ladders: Mapping[str, Sequence[Row]]) -> list[Verdict]:
    """Judge the means as they were measured; the standard error tells how firm they are."""
    empathy = _settings("empathy", ladders)
    warm, cold = empathy["strong"], empathy["-strong"]
    dosed = {
        f"`{name}` at {setting}": _settings(name, ladders)[setting].facts_change
        for name in ladders
        for setting in ("strong", "-strong")
    }
    return [
        Verdict("Warm answers at strong, aim over 90%", warm.warm, warm.warm.mean > 0.90),
        Verdict("Warm answers at -strong, aim under 10%", cold.warm, cold.warm.mean < 0.10),
        Verdict(
            "Facts right unsteered, aim over 95%", unsteered.facts, unsteered.facts.mean > 0.95
        ),
        *(
            Verdict(
                f"Change in facts right under {what}, aim no less than -0.5 points",
                change,
                change.mean >= -0.005,
            )
            for what, change in dosed.items()
        ),
    ]


def _settings(name: str, ladders: Mapping[str, Sequence[Row]]) -> dict[str, Row]:
    return {row.setting: row for row in ladders[name] if row.direction == name}
