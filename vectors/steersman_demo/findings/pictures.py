"""A picture of each finding, in the look of the demo's report."""

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from steersman_demo.findings.few_pairs import FewPairs
from steersman_demo.findings.layer_metrics import LayerMetrics
from steersman_demo.findings.layer_sets import LayerSets
from steersman_demo.findings.portability import Portability
from steersman_demo.findings.record import Findings
from steersman_demo.findings.statistics import Estimate
from steersman_vectors.scale import SCALES

METHOD_COLORS = {"mean": "#0f766e", "pca": "#c2410c", "probe": "#6366f1"}
SET_COLORS = {
    "2": "#0f766e", "single": "#14b8a6", "sparse:2": "#2563eb", "0,2,4": "#60a5fa",
    "dense:0-2": "#a78bfa", "dense:4-5": "#f59e0b", "dense:3-5": "#c2410c", "all": "#6b7280",
}  # fmt: skip
DEPTH = plt.get_cmap("viridis")


def draw(folder: Path, findings: Findings) -> None:
    """Write `few-pairs.png`, `layer-sets.png`, `portability.png` and `layer-metrics.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    _draw(folder / "few-pairs.png", 3, lambda axes: few_pairs(axes, findings.few_pairs))
    _draw(folder / "layer-sets.png", 4, lambda axes: layer_sets(axes, findings.layer_sets))
    _draw(folder / "portability.png", 3, lambda axes: portability(axes, findings.portability))
    _draw(folder / "layer-metrics.png", 4, lambda axes: layer_metrics(axes, findings.layer_metrics))


def few_pairs(axes: Sequence[Axes], found: FewPairs) -> None:
    """Cosine and effect of each method against the number of pairs."""
    for method, color in METHOD_COLORS.items():
        points = [
            each for each in found.agreements
            if each.method == method and each.position == found.position
        ]  # fmt: skip
        sizes = [each.pairs for each in points]
        _line(axes[0], sizes, [each.reference for each in points], color, method)
        _line(axes[1], sizes, [each.own for each in points], color, method)
        effects = [each for each in found.effects if each.method == method]
        _line(
            axes[2], [each.pairs for each in effects],
            [_percent(each.warm) for each in effects], color, method,
        )  # fmt: skip
    axes[2].axhline(100 * found.unsteered, color="#9ca3af", linestyle="--", linewidth=1)
    axes[2].text(2, 100 * found.unsteered + 1, "unsteered", color="#6b7280", fontsize=8)
    axes[0].set_title("cosine with the mean of other pairs")
    axes[1].set_title("cosine with the method's own\nvector of other pairs")
    axes[2].set_title("warm answers at one added norm, %")
    for panel in axes:
        panel.set_xscale("log", base=2)
        panel.set_xlabel("pairs")
        panel.xaxis.set_major_formatter("{x:.0f}")
    for panel in axes[:2]:
        panel.set_ylim(min(0.0, panel.get_ylim()[0]), 1.04)
    axes[0].legend(frameon=False)


def layer_sets(axes: Sequence[Axes], found: LayerSets) -> None:
    """Behaviour, facts, degenerate answers and KL of each layer set against the total dose.

    Intervals are drawn of the sets that are compared alone, the others thin.
    """
    fields = (("warm", "warm answers, %"), ("facts", "answers with the right facts, %"),
              ("degenerate", "degenerate answers, %"))  # fmt: skip
    compared = {rule for each in found.comparisons for rule in (each.dense, each.sparse)}
    for rule, color in SET_COLORS.items():
        settings = [each for each in found.settings if each.rule == rule]
        totals = [0.0, *(each.total for each in settings)]
        width, dashes = (2.0, "-") if rule in compared else (1.0, (0, (4, 2)))
        for panel, (field, title) in zip(axes, fields, strict=False):
            base = found.unsteered[field]
            estimates = [_percent(each) for each in (base, *(getattr(s, field) for s in settings))]
            panel.plot(
                totals, [each.value for each in estimates],
                color=color, linewidth=width, linestyle=dashes, label=rule,
            )  # fmt: skip
            if rule in compared:
                panel.fill_between(
                    totals, [each.low for each in estimates], [each.high for each in estimates],
                    color=color, alpha=0.1, linewidth=0,
                )  # fmt: skip
            panel.set_title(title)
        axes[3].plot(
            totals, [0.0, *(each.kl.value for each in settings)],
            color=color, linewidth=width, linestyle=dashes, label=rule,
        )  # fmt: skip
    axes[2].axhline(5, color="#9ca3af", linestyle="--", linewidth=1)
    axes[3].set_title("KL from the unsteered model, nats a token")
    for panel in axes:
        panel.set_xlabel("added norm / residual norm, summed over layers")
    axes[3].legend(frameon=False, fontsize=8, ncols=2)


def portability(axes: Sequence[Axes], found: Portability) -> None:
    """Dose-response of every layer, and where half of the behaviour is under each scale."""
    layers = sorted({curve.layer for curve in found.curves})
    start = Estimate(found.unsteered, found.unsteered, found.unsteered)
    for panel, scale in zip(axes, ("residual", "token"), strict=False):
        for curve in (each for each in found.curves if each.scale == scale):
            color = DEPTH(0.9 * curve.layer / max(layers))
            _line(
                panel, (0.0, *curve.alphas), [_percent(e) for e in (start, *curve.warm)], color,
                f"layer {curve.layer}",
            )  # fmt: skip
        panel.axhline(100 * found.targets["warm"], color="#9ca3af", linestyle="--", linewidth=1)
        panel.set_title(f"warm answers, %: scale `{scale}`")
        panel.set_xlabel("alpha")
    axes[0].legend(frameon=False, fontsize=8)
    for offset, scale in enumerate(SCALES):
        for by, style in (("warm", "-"), ("kl", ":")):
            equals = [
                (each.layer, each.alpha) for each in found.equals
                if (each.by, each.scale) == (by, scale) and each.alpha is not None
            ]  # fmt: skip
            inside = [alpha for layer, alpha in equals if layer in found.layers[by]]
            middle = sum(inside) / len(inside) if inside else 1.0
            axes[2].plot(
                [layer for layer, _ in equals], [alpha / middle for _, alpha in equals],
                marker="o", markersize=4, linewidth=1.5, linestyle=style,
                color=("#c2410c", "#f59e0b", "#0f766e", "#2563eb")[offset],
                label=scale if by == "warm" else None,
            )  # fmt: skip
    axes[2].set_yscale("log", base=2)
    axes[2].yaxis.set_major_formatter("{x:g}")
    axes[2].yaxis.set_minor_formatter(NullFormatter())
    low, high = axes[2].get_ylim()
    axes[2].set_yticks([t for t in (0.25, 0.35, 0.5, 0.7, 1, 1.4, 2, 2.8, 4) if low <= t <= high])
    axes[2].axhline(1, color="#e5e7eb", zorder=0)
    axes[2].set_title("alpha for an equal effect over its mean\n(solid: warm answers, dotted: KL)")
    axes[2].set_xlabel("layer")
    axes[2].legend(frameon=False, fontsize=8)


def layer_metrics(axes: Sequence[Axes], found: LayerMetrics) -> None:
    """The effect at each layer against what the pairs say of it."""
    colors = ("#0f766e", "#14b8a6", "#c2410c", "#f59e0b")
    for index, (group, layers) in enumerate(zip(found.groups, found.by_group, strict=True)):
        effects = [_percent(layer.effect) for layer in layers]
        _line(axes[0], [layer.layer for layer in layers], effects, colors[index], group)
        for panel, metric in zip(axes[1:], ("probe", "stability", "relative norm"), strict=True):
            correlation = next(each for each in found.correlations if each.metric == metric)
            panel.scatter(
                [layer.metrics[metric] for layer in layers], [e.value for e in effects],
                color=colors[index], s=26, alpha=0.85,
            )  # fmt: skip
            panel.set_title(
                f"{metric}: Spearman {correlation.spearman:+.2f}, p = {correlation.p:.2g}"
            )
            panel.set_xlabel(metric)
            panel.set_ylabel("change of the behaviour, points")
    axes[0].set_title("change of the behaviour, points")
    axes[0].set_xlabel("layer steered")
    axes[0].legend(frameon=False, fontsize=8)


def _draw(path: Path, panels: int, fill: Callable[[Sequence[Axes]], None]) -> None:
    columns = 3 if panels == 3 else 2
    figure, axes = plt.subplots(
        panels // columns, columns, squeeze=False, layout="constrained",
        figsize=(12, 3.8 * (panels // columns)),
    )  # fmt: skip
    for panel in axes.flat:
        panel.grid(axis="y", color="#f3f4f6")
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
        panel.title.set_fontsize(11)
    fill(list(axes.flat))
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _line(
    panel: Axes, xs: Sequence[float], estimates: Sequence[Estimate], color: object, label: str
) -> None:
    values = [each.value for each in estimates]
    panel.errorbar(
        xs, values,
        yerr=[
            [max(0.0, each.value - each.low) for each in estimates],
            [max(0.0, each.high - each.value) for each in estimates],
        ],
        color=color, marker="o", markersize=4, capsize=2, linewidth=1.6, elinewidth=0.8,
        label=label,
    )  # fmt: skip


def _percent(estimate: Estimate) -> Estimate:
    return Estimate(100 * estimate.value, 100 * estimate.low, 100 * estimate.high)
