"""What the figures say of each claim, in plain words. Pure."""

from dataclasses import dataclass
from math import isnan
from typing import Literal

from steersman_demo.findings.few_pairs import FewPairs
from steersman_demo.findings.layer_metrics import Layer, LayerMetrics
from steersman_demo.findings.layer_sets import LayerSets
from steersman_demo.findings.portability import Portability
from steersman_demo.findings.statistics import Estimate

Word = Literal["holds", "holds in part", "does not hold", "cannot be told at this size"]
FEW = 8
"""Pairs up to which a sample is small."""
SATURATED = 0.99
"""Probe accuracy above which there is nothing left to rank by."""


@dataclass(frozen=True)
class Verdict:
    """One word, and why."""

    word: Word
    why: str

    @property
    def text(self) -> str:
        """As a paragraph of Markdown."""
        return f"**Verdict: {self.word}.** {self.why}"


def of_signs(estimates: list[Estimate]) -> Word:
    """`holds` where every interval is above 0, in part where some are and none is below."""
    above, below = (
        [each for each in estimates if each.low > 0], [each for each in estimates if each.high < 0]
    )  # fmt: skip
    if below:
        return "does not hold" if not above else "holds in part"
    if len(above) == len(estimates):
        return "holds"
    return "holds in part" if above else "cannot be told at this size"


def few_pairs(found: FewPairs) -> Verdict:
    """Mean against PCA, by what their vectors do."""
    few = [each for size, each in found.apart.items() if int(size) <= FEW]
    shown = "; ".join(f"{size} pairs {points(each)}" for size, each in found.apart.items())
    fewest = min(each.pairs for each in found.agreements)
    own = "; ".join(
        f"{each.own.value:.2f} for {each.method} at `{each.position}`"
        for each in found.agreements
        if each.pairs == fewest and each.method in ("mean", "pca")
    )
    return Verdict(
        of_signs(few),
        f"As vectors: of {fewest} pairs, the cosine with the method's own vector of many others is "
        f"{own}. As steering: warm answers under the mean difference minus those under PCA of the "
        f"same pairs, in points: {shown}.",
    )


def layer_sets(found: LayerSets) -> Verdict:
    """Late dense sets against spread ones of as many layers."""
    shown = "; ".join(
        f"`{each.sparse}` against `{each.dense}` {signed(each.difference)}"
        for each in found.comparisons
    )
    return Verdict(
        of_signs([each.difference for each in found.comparisons]),
        "How much more total dose a spread set bears before 5% of its answers are degenerate, than "
        f"the late dense set of as many layers: {shown}.",
    )


def portability(found: Portability) -> Verdict:
    """Scales relative to the residual stream against absolute ones."""
    ratio = {(each.by, each.scale): each.ratio for each in found.spreads}
    better = [
        ratio[by, relative].high < ratio[by, absolute].low
        for by in found.layers for relative in ("residual", "token") for absolute in ("raw", "unit")
    ]  # fmt: skip
    worse = [
        ratio[by, relative].low > ratio[by, absolute].high
        for by in found.layers for relative in ("residual", "token") for absolute in ("raw", "unit")
    ]  # fmt: skip
    word: Word = "cannot be told at this size"
    if any(better) or any(worse):
        word = "holds in part" if any(better) else "does not hold"
        word = "holds" if all(better) else word
    shown = "; ".join(
        f"by {'warm answers' if by == 'warm' else 'KL'} "
        + ", ".join(
            f"`{scale}` {ratio[by, scale].value:.2f}"
            for scale in ("raw", "unit", "residual", "token")
        )
        for by in found.layers
    )
    return Verdict(
        word,
        f"Largest over smallest alpha of the layers for an equal effect: {shown}. Of the "
        f"{len(better)} comparisons of a relative scale with an absolute one, the relative one is "
        f"lower beyond both intervals in {sum(better)}, and higher in {sum(worse)}.",
    )  # fmt: skip


def layer_metrics(found: LayerMetrics) -> Verdict:
    """Whether the probe's accuracy tells where steering works."""
    probe = next(each for each in found.correlations if each.metric == "probe")
    apart = saturated(found)
    shown = (
        f"Spearman's correlation of accuracy and effect is {probe.spearman:+.2f} "
        f"(p = {probe.p:.2g})."
    )
    if apart is not None:
        one, other = apart
        return Verdict(
            "holds",
            f"{shown} Layers that the probe tells apart equally well steer differently: in "
            f"`{one.behaviour}`, `{one.position}`, accuracy is {one.metrics['probe']:.3f} at layer "
            f"{one.layer} and {other.metrics['probe']:.3f} at layer {other.layer}, and the "
            f"behaviour changes by {points(one.effect)} and {points(other.effect)} points.",
        )  # fmt: skip
    if probe.p < 0.05:
        return Verdict("holds" if probe.spearman < 0 else "does not hold", shown)
    return Verdict("cannot be told at this size", shown)


def saturated(found: LayerMetrics) -> tuple[Layer, Layer] | None:
    """Two layers of one group with a full accuracy, and effects beyond both intervals."""
    pairs = [
        (one, other)
        for group in found.by_group
        for one in group
        for other in group
        if min(one.metrics["probe"], other.metrics["probe"]) >= SATURATED
        and one.effect.high < other.effect.low
    ]
    return max(pairs, key=lambda pair: pair[1].effect.low - pair[0].effect.high, default=None)


def points(estimate: Estimate) -> str:
    """A change in points of a hundred, with its interval."""
    return f"{100 * estimate.value:+.0f} ({100 * estimate.low:+.0f} to {100 * estimate.high:+.0f})"


def signed(estimate: Estimate) -> str:
    """A difference with its interval."""
    if isnan(estimate.low):
        return f"{estimate.value:+.2f}"
    return f"{estimate.value:+.2f} ({estimate.low:+.2f} to {estimate.high:+.2f})"
