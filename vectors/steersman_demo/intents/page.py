"""The figures of the demo's classifier as Markdown, from its card."""

from steersman_demo.marked import marks
from steersman_server.intent.card import IntentCard, Measured

NAME = "demo-intents"
BEGIN, END = marks(NAME)
SOURCES = {
    "by hand": "written by hand",
    "by hand, fresh": "written by hand last, and nothing tuned on them",
    "corpus": "held-out phrasings of the demo's corpus",
    "follow-up": '"how long will it take?" after such a question',
    "long": "six of them in one message, 60 to 130 words",
    "buried": "the same with one sentence of safety in the middle",
}


def block(card: IntentCard) -> str:
    """What was measured on held-out texts."""
    held_out = card.held_out
    if held_out is None:
        raise ValueError("the card has no held-out figures")
    trained = sum(card.training.values())
    return "\n\n".join(
        [
            f"Trained on {trained:,} short texts in English, measured on {held_out.texts} in "
            "phrasings that were not trained on, none of them by customers: the authors of the "
            "demo wrote them all. What training aims at was chosen with an eye on these figures, "
            "but for the texts written last. Expect less of real traffic, and train on your "
            "own.",
            _figures(card, held_out),
            _confusion(card, held_out),
            _sources(held_out),
            _bins(held_out),
        ]
    )


def _figures(card: IntentCard, held_out: Measured) -> str:
    lines = [
        "| | held out |",
        "|---|---:|",
        f"| accuracy of the best label | {_percent(held_out.accuracy)} |",
        f"| labels given (score at least {card.threshold}) | {_percent(held_out.answered)} |",
        f"| right among labels given | {_percent(held_out.answered_accuracy)} |",
        f"| abstained on texts out of scope | {_percent(held_out.abstained_outside)} |",
        f"| safety texts found (score at least {card.safety_threshold} in any sentence) "
        f"| {_percent(held_out.safety_recall)} |",
        f"| right among those taken for safety | {_percent(held_out.safety_precision)} |",
        f"| expected calibration error | {_percent(held_out.calibration_error)} |",
    ]
    return "\n".join(lines)


def _confusion(card: IntentCard, held_out: Measured) -> str:
    columns = [*card.labels, ""]
    lines = [
        "| is \\ given | " + " | ".join(name or "abstained" for name in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for row in [*card.labels, ""]:
        cells = held_out.confusion.get(row, {})
        counts = " | ".join(str(cells.get(name, 0)) for name in columns)
        lines.append(f"| {row or 'out of scope'} | {counts} |")
    return "\n".join(lines)


def _sources(held_out: Measured) -> str:
    lines = ["| held-out texts | number | given their label, or rightly none |", "|---|---:|---:|"]
    for name, said in SOURCES.items():
        each = held_out.sources[name]
        lines.append(f"| {said} | {each.texts} | {_percent(each.right)} |")
    return "\n".join(lines)


def _bins(held_out: Measured) -> str:
    lines = ["| score | texts | mean score | right |", "|---|---:|---:|---:|"]
    for each in held_out.bins:
        if each.count:
            low_high = f"{each.low:.1f} to {each.high:.1f}"
            cells = f"{each.count} | {_percent(each.score)} | {_percent(each.accuracy)}"
            lines.append(f"| {low_high} | {cells} |")
    return "\n".join(lines)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}%"
