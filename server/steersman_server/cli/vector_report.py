"""`steersman vectors report`: what was measured of a vector, as a page and a card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steersman_vectors.home import expand_home

from .options import Json
from .output import EXIT_CODES, print_json, print_people, printable

HELP = """
Write what was measured of the vector V as one HTML page, and as a Markdown card.

V is a vector in the native format. The page needs no network and no scripts,
follows the reader's light or dark setting, and prints. It shows the layer
metrics that extraction wrote to V; with --calibration, which
`steersman vectors calibrate` writes, dose and response with the safe zone,
side effects, prompting beside it and answers along the dial; with --sweep and
--scores, layers against alphas. A calibrated vector keeps the metrics of its
own layers; --extracted gives those of all. What was not measured is said, and what to run.

Examples:

  steersman vectors report warm.safetensors --out warm.html

  steersman vectors report warm-dial.safetensors --extracted warm.safetensors
  --calibration warm-dial.calibration.json --out warm.html --card CARD.md

  steersman vectors report warm.safetensors --sweep warm.jsonl
  --scores scores.jsonl --out warm.html --json
"""


def _home(path: Path | None) -> Path | None:
    return None if path is None else expand_home(path, remedy="name a file that you can use")


def register(vectors: typer.Typer) -> None:
    """Adds the command to `steersman vectors`."""

    @vectors.command("report", help=HELP, epilog=EXIT_CODES)
    def report(
        file: Annotated[
            Path, typer.Argument(metavar="V", help="Native safetensors.", callback=_home)
        ],
        out: Annotated[Path, typer.Option(metavar="FILE", help="The page.", callback=_home)],
        calibration: Annotated[
            Path | None, typer.Option(metavar="FILE", help="The calibration's record.",
                                      callback=_home),
        ] = None,
        sweep: Annotated[
            Path | None, typer.Option(metavar="FILE", help="A sweep's answers.", callback=_home)
        ] = None,
        scores: Annotated[
            Path | None, typer.Option(metavar="FILE", help="What judges said of that sweep.",
                                      callback=_home),
        ] = None,
        extracted: Annotated[
            Path | None,
            typer.Option(
                metavar="FILE",
                help="The vector as it was extracted, with the metrics of all its layers.",
                callback=_home,
            ),
        ] = None,
        card: Annotated[
            Path | None, typer.Option(metavar="FILE", help="The card, as Markdown.",
                                      callback=_home),
        ] = None,
        as_json: Json = False,
    ) -> None:  # fmt: skip
        from steersman_vectors.report.card_page import card_page
        from steersman_vectors.report.contents import gather
        from steersman_vectors.report.missing import missing
        from steersman_vectors.report.page import page
        from steersman_vectors.report.write import write

        from .values import check_apart

        read = (file, calibration, sweep, scores, extracted)
        check_apart([("--out", out), ("--card", card)], read)

        contents = gather(
            file, calibration=calibration, sweep=sweep, scores=scores, extracted=extracted
        )
        write(out, page(contents), "out")
        if card is not None:
            write(card, card_page(contents), "card")
        gaps = missing(contents)
        if as_json:
            print_json(
                {
                    "vector": contents.card.name,
                    "digest": contents.digest,
                    "out": str(out),
                    "card": None if card is None else str(card),
                    "missing": list(gaps),
                }
            )
            return
        written = [out] if card is None else [out, card]
        print_people(*(printable(f"{contents.card.name}: written to {path}") for path in written))
        print_people(*(printable(f"  missing  {gap}") for gap in gaps))
