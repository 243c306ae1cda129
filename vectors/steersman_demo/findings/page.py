"""The figures as the blocks of `docs/findings.md`."""

from math import isnan
from pathlib import Path

from steersman_demo import marked
from steersman_demo.findings import verdicts
from steersman_demo.findings.few_pairs import SIZES, FewPairs
from steersman_demo.findings.layer_metrics import LayerMetrics
from steersman_demo.findings.layer_sets import LayerSets, Point
from steersman_demo.findings.portability import Portability
from steersman_demo.findings.record import Findings
from steersman_demo.findings.statistics import Estimate
from steersman_vectors.report.markdown import table


def blocks(findings: Findings) -> dict[str, str]:
    """The text of each block by its name."""
    return {
        "summary": summary(findings),
        "few-pairs": few_pairs(findings.few_pairs),
        "layer-sets": layer_sets(findings.layer_sets),
        "portability": portability(findings.portability),
        "layer-metrics": layer_metrics(findings.layer_metrics),
    }


def put_into(page: Path, texts: dict[str, str]) -> None:
    """Replace the blocks of the page; SystemExit where it lacks one."""
    marked.put_into(page, {f"findings:{name}": text for name, text in texts.items()})


def summary(findings: Findings) -> str:
    """One line of each verdict, and what the run took."""
    rows = [
        ("1", "With few pairs, mean difference beats PCA", verdicts.few_pairs(findings.few_pairs)),
        (
            "2",
            "Late dense layer sets collapse before spread ones",
            verdicts.layer_sets(findings.layer_sets),
        ),
        (
            "3",
            "Alpha is portable across layers when it is relative to the residual stream",
            verdicts.portability(findings.portability),
        ),
        (
            "4",
            "High probe accuracy does not mean good steering",
            verdicts.layer_metrics(findings.layer_metrics),
        ),
    ]
    shown = table(
        ("", "claim", "on the demo model"),
        [(number, claim, verdict.word) for number, claim, verdict in rows],
    )
    return (
        f"{shown}\n\n{findings.answers:,} answers, {findings.pairs} pairs of each behaviour at "
        f"each position, {findings.seconds / 60:.0f} minutes."
    )  # fmt: skip


def few_pairs(found: FewPairs) -> str:
    """Cosines and effects by method and number of pairs."""
    cosines = []
    for position in dict.fromkeys(each.position for each in found.agreements):
        for method in dict.fromkeys(each.method for each in found.agreements):
            row = {
                each.pairs: each for each in found.agreements
                if (each.position, each.method) == (position, method)
            }  # fmt: skip
            cosines.append(
                (f"`{position}`", method, *(_plain(row[size].reference) for size in SIZES))
            )
            if method != "mean":
                cosines.append(
                    ("", "with the mean of the same pairs",
                     *(_plain(row[size].same_pairs) for size in SIZES))
                )  # fmt: skip
            cosines.append(
                ("", "with its own vector of other pairs",
                 *(_plain(row[size].own) for size in SIZES))
            )  # fmt: skip
    effects = [
        (each.method, str(each.pairs), _percent(each.warm), _percent(each.facts),
         _percent(each.degenerate))
        for each in found.effects
    ]  # fmt: skip
    parts = [
        f"Layer {found.layer}, {found.resamples} resamples out of {found.pool} pairs, compared "
        f"with vectors of {found.pool} others. Cosine with the mean difference of these, by "
        "method and number of pairs:",
        table(("position", "method", *map(str, SIZES)), cosines),
        "Steered by vectors of few pairs read at "
        f"`{found.position}`, layer {found.layer}, added norm {found.alpha:g} of the residual "
        f"norm; {found.steered_resamples} resamples, {found.prompts} held-out prompts; "
        f"unsteered, {100 * found.unsteered:.0f}% of the answers are warm. Intervals are over "
        "resamples, on the same prompts and draws.",
        table(("method", "pairs", "warm %", "facts right %", "degenerate %"), effects),
        "Components that hold 80% of what the pairs' differences vary by: "
        + ", ".join(f"{count} at `{position}`" for position, count in found.components.items())
        + ".",
        "![Vectors of few pairs](findings/few-pairs.png)",
        verdicts.few_pairs(found).text,
    ]  # fmt: skip
    return "\n\n".join(parts)


def layer_sets(found: LayerSets) -> str:
    """Where each layer set collapses, and what it costs at equal behaviour."""
    rows = [
        (
            f"`{each.rule}`", " ".join(map(str, each.layers)),
            _point(each.collapse), _divided(each.collapse.total, len(each.layers)),
            _point(each.wanted), _share(each.degenerate), _share(each.facts),
            "" if each.kl is None else f"{each.kl:.2f}", _share(each.most_warm),
        )
        for each in found.sets
    ]  # fmt: skip
    settings = [
        (f"`{each.rule}`", f"{each.total:g}", f"{each.alpha:.3g}", _percent(each.warm),
         _percent(each.facts), _percent(each.degenerate), _percent(each.detected),
         _plain(each.kl))
        for each in found.settings
    ]  # fmt: skip
    base = {name: _percent(each) for name, each in found.unsteered.items()}
    parts = [
        f"{found.prompts} held-out prompts, {found.kl_prompts} for KL; unsteered: warm "
        f"{base['warm']}%, facts {base['facts']}%, degenerate {base['degenerate']}%. Doses are "
        "added norm over residual norm, summed over the layers. *Collapse*: more than 5% of the "
        f"answers are degenerate. *Wanted*: {100 * found.target:.0f}% are warm; the columns after "
        "it are at that dose.",
        table(
            ("set", "layers", "collapse at", "per layer", "wanted at", "degenerate %",
             "facts %", "KL", "most warm %"), rows,
        ),
        "![Layer sets](findings/layer-sets.png)",
        verdicts.layer_sets(found).text,
        "<details><summary>Every setting</summary>",
        table(
            ("set", "total", "alpha", "warm %", "facts %", "degenerate %",
             "found by the detectors %", "KL"), settings,
        ),
        "</details>",
    ]  # fmt: skip
    return "\n\n".join(parts)


def portability(found: Portability) -> str:
    """The alpha of each layer for an equal effect, by scale."""
    layers = sorted({each.layer for each in found.equals})
    rows = []
    for spread in found.spreads:
        key = (spread.by, spread.scale)
        alphas = [each for each in found.equals if (each.by, each.scale) == key]
        rows.append((
            "warm answers" if spread.by == "warm" else "KL", f"`{spread.scale}`",
            *("not reached" if e.alpha is None else _estimate(e.alpha, e.low, e.high, 3)
              for e in alphas),
            _plain(spread.variation), _plain(spread.ratio),
        ))  # fmt: skip
    parts = [
        f"One layer at a time, {found.prompts} held-out prompts, {found.kl_prompts} for KL. Every "
        f"layer reaches {100 * found.reachable:.0f}% warm answers; unsteered, "
        f"{100 * found.unsteered:.0f}% are. An equal effect is half of that way, "
        f"{100 * found.targets['warm']:.0f}%, or a "
        f"KL of {found.targets['kl']:g} nats a token. Alphas between doses are interpolated. The "
        "spreads are over the layers that get there: "
        + "; ".join(f"{', '.join(map(str, there))} by {by}" for by, there in found.layers.items())
        + ".",
        table(
            ("equal by", "scale", *(f"layer {k}" for k in layers), "sd / mean", "max / min"), rows
        ),
        "![Scales](findings/portability.png)",
        verdicts.portability(found).text,
    ]  # fmt: skip
    return "\n\n".join(parts)


def layer_metrics(found: LayerMetrics) -> str:
    """Metrics and effect of each layer, and how they go together."""
    layers = [
        (each.behaviour, f"`{each.position}`", str(each.layer),
         *(f"{value:.3f}" for value in each.metrics.values()),
         verdicts.points(each.effect), f"{100 * each.degenerate:.0f}")
        for each in found.layers
    ]  # fmt: skip
    correlations = [
        (each.metric, f"{each.spearman:+.2f}", f"{each.p:.2g}",
         *(f"{value:+.2f}" for value in each.by_group))
        for each in found.correlations
    ]  # fmt: skip
    alphas = ", ".join(f"{alpha:g} at `{position}`" for position, alpha in found.alphas.items())
    parts = [
        f"{found.prompts} held-out prompts, {found.pairs} pairs; added norm over residual norm: "
        f"{alphas}. Spearman's correlation of each metric with the change of the behaviour, within "
        "each behaviour and position, then their mean, with its permutation p (layers shuffled "
        "within the groups):",
        table(("metric", "mean", "p", *found.groups), correlations),
        "![Layer metrics](findings/layer-metrics.png)",
        verdicts.layer_metrics(found).text,
        "<details><summary>Every layer</summary>",
        table(
            ("behaviour", "position", "layer", *found.layers[0].metrics, "change, points",
             "degenerate %"), layers,
        ),
        "</details>",
    ]  # fmt: skip
    return "\n\n".join(parts)


def _estimate(value: float, low: float, high: float, digits: int = 2) -> str:
    shown = f"{value:.{digits}g}" if digits > 2 else f"{value:.2f}"
    if isnan(low):
        return shown
    ends = (f"{end:.{digits}g}" if digits > 2 else f"{end:.2f}" for end in (low, high))
    return f"{shown} ({' to '.join(ends)})"


def _plain(estimate: Estimate) -> str:
    return _estimate(estimate.value, estimate.low, estimate.high)


def _percent(estimate: Estimate) -> str:
    value, low, high = (100 * each for each in (estimate.value, estimate.low, estimate.high))
    return f"{value:.0f} ({max(0.0, low):.0f} to {min(100.0, high):.0f})"


def _point(point: Point) -> str:
    if point.total is None:
        return "not reached"
    if point.low is None or point.high is None:
        return f"{point.total:.2f}"
    return _estimate(point.total, point.low, point.high)


def _divided(total: float | None, by: int) -> str:
    return "" if total is None else f"{total / by:.2f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f}"
