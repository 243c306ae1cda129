"""`steersman intents train, test, classify`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .options import Json
from .output import EXIT_CODES, print_json, print_people, print_warning

HELP = """
Classifiers of user turns: what a message is about.

A trained folder, or a .json or .toml file that describes rules or a service.
"""

TRAIN_HELP = """
Train a classifier from labelled messages and write it into a folder.

FILE has one JSON object a line: {"text": "where is my parcel", "label":
"delivery"}. A label of null says that the text is outside of the scope; some
hundred of those make it abstain where it should. Optional: "context" (earlier
messages), "group" (keeps wordings of one phrasing together), "source" (results
are told by it). Needs no GPU and no torch.

Examples:

  steersman intents train messages.jsonl --out ./my-intents

  steersman intents train train.jsonl --test held-out.jsonl --out ./my-intents

  steersman intents train messages.jsonl --out ./my-intents --threshold 0.8
"""

TEST_HELP = """
Measure a classifier on labelled messages: confusion matrix and calibration.

Examples:

  steersman intents test ./my-intents held-out.jsonl

  steersman intents test rules.toml held-out.jsonl --json
"""

CLASSIFY_HELP = """
Say what one message is about.

Examples:

  steersman intents classify "I was charged twice"

  steersman intents classify "how long?" --context "where is my parcel"

  steersman intents classify - --classifier ./my-intents --json < message.txt
"""

MAX_STDIN_BYTES = 16 * 2**20
app = typer.Typer(help=HELP, epilog=EXIT_CODES, no_args_is_help=True)
File = Annotated[Path, typer.Argument(metavar="FILE", help="Labelled messages, JSON lines.")]


@app.command("train", help=TRAIN_HELP, epilog=EXIT_CODES)
def train(
    file: File,
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    test: Annotated[
        Path | None, typer.Option(help="Held-out messages; else a share of FILE is kept back.")
    ] = None,
    test_share: Annotated[
        float, typer.Option(min=0, max=0.5, help="The share kept back; 0 measures nothing.")
    ] = 0.2,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Abstain below this score. Default: by cross-validation."),
    ] = None,
    safety: Annotated[
        list[str] | None,
        typer.Option(help="A label whose turns are served unsteered; repeat it. Default: safety."),
    ] = None,
    embedding: Annotated[
        Path | None, typer.Option(help="A model2vec folder. Default: the one that ships.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Trains, measures, writes."""
    from ..intent import train as training
    from ..intent.examples import read_examples
    from ..intent.static_embedding import SHIPPED
    from . import intent_views
    from .progress import counting

    training.check_out(out)
    examples = read_examples(file)
    held_out = [] if test is None else read_examples(test)
    if test is None and test_share > 0:
        examples, held_out = training.split(examples, test_share)
    with counting("Embedding messages") as progress:
        trained = training.train(
            examples,
            held_out,
            embedding_folder=embedding or SHIPPED,
            safety_labels=None if safety is None else tuple(safety),
            threshold=threshold,
            progress=progress,
        )
    training.write(trained, out)
    both = training.in_both(examples, held_out)
    if both:
        print_warning(f"{both} of the held-out messages were trained on: the figures flatter")
    if as_json:
        print_json(trained.card.model_dump())
    else:
        print_people(*intent_views.trained_parts(out, trained.card))


@app.command("test", help=TEST_HELP, epilog=EXIT_CODES)
def measure(
    classifier: Annotated[Path, typer.Argument(metavar="CLASSIFIER", help="A folder or file.")],
    file: File,
    as_json: Json = False,
) -> None:
    """Measures and shows."""
    from ..intent import evaluate
    from ..intent.examples import digest, read_examples
    from ..intent.load import load_classifier
    from . import intent_views
    from .progress import counting

    loaded = load_classifier(classifier)
    examples = read_examples(file)
    with counting("Classifying messages") as progress:
        measured = evaluate.measure(loaded, examples, digest(examples), progress=progress)
    if as_json:
        print_json(measured.model_dump())
    else:
        print_people(*intent_views.measured_parts(measured))


@app.command("classify", help=CLASSIFY_HELP, epilog=EXIT_CODES)
def classify(
    text: Annotated[str, typer.Argument(help="The message; - reads it from standard input.")],
    classifier: Annotated[
        Path | None, typer.Option(help="A folder or file. Default: the demo's, which ships.")
    ] = None,
    context: Annotated[
        list[str] | None, typer.Option(help="An earlier message of the user; repeat it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Classifies one message."""
    import asyncio
    from dataclasses import asdict

    from ..intent.evaluate import ask_and_close, turn_of
    from ..intent.load import DEMO, load_classifier
    from . import intent_views

    loaded = load_classifier(classifier or DEMO)
    if text == "-":
        text = sys.stdin.buffer.read(MAX_STDIN_BYTES).decode(errors="replace")
    intent = asyncio.run(ask_and_close(loaded, turn_of(text, tuple(context or ()))))
    is_safety = intent.label in loaded.safety_labels
    if as_json:
        print_json({**asdict(intent), "safety": is_safety})
    else:
        print_people(intent_views.intent_line(intent, is_safety=is_safety))
