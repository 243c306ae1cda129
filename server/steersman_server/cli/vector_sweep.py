"""`steersman vectors sweep`: every setting of vectors on every prompt, by the real engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json
from .output import EXIT_CODES, print_json, print_people
from .sweep_options import ScopeOption

HELP = """
Answer prompts under every setting of vectors: layer sets x alphas.

FILE is a vector in the native format; give several to sweep them together. The
engine that serves answers all of it in one go, each answer is in --out as soon
as it is given, and the same command goes on where a stopped one ended. Prints
how often answers break (loops, gibberish, another language) by layer set and
alpha.

Layer sets: own (the vector's), all, single (at 2/3 of the depth), sparse:N (N
spread over the middle), global (blocks that attend to everything), dense:a-b,
or indices such as 5,9. Prompts are JSON lines: {"prompt": "..."}, a prompt
being a text or a list of turns; "id", "system" and "expected" may stand there.

Examples:

  steersman vectors sweep warm.safetensors --model ./my-model --layers single
  --layers sparse:5 --alphas 0,0.2,0.4,0.8 --prompts prompts.jsonl --out warm.jsonl

  steersman vectors sweep a.safetensors b.safetensors --model ./my-model
  --alphas 0.5 --temperature 0.8 --samples 4 --prompts prompts.jsonl --out ab.jsonl

  steersman vectors sweep warm.safetensors --model ./my-model --layers all
  --alphas 0.1,0.3 --schedule '{"kind": "linear", "tokens": 200, "floor": 0.2}'
  --prompts prompts.jsonl --out warm.jsonl --json
"""
EXIT_INTERRUPTED = 130


def register(vectors: typer.Typer) -> None:
    """Adds the command to `steersman vectors`."""

    @vectors.command("sweep", help=HELP, epilog=EXIT_CODES)
    def sweep(
        files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Native safetensors.")],
        model: Annotated[str, typer.Option(help="A model folder, or a name in the hub cache.")],
        alphas: Annotated[
            str, typer.Option(help="Comma-separated; 0 is the unsteered model, asked once.")
        ],
        prompts: Annotated[Path, typer.Option(help="JSON lines of prompts.")],
        out: Annotated[Path, typer.Option(help="Where the answers go, as JSON lines.")],
        layers: Annotated[
            list[str], typer.Option(help="A layer set; repeat for several.", show_default="own")
        ] = ["own"],  # noqa: B006
        temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 0.0,
        samples: Annotated[
            int, typer.Option(help="Answers to each prompt under each setting.")
        ] = 1,
        max_tokens: Annotated[int, typer.Option(help="Of an answer.")] = 192,
        seed: Annotated[int, typer.Option(help="Draws the same answers again.")] = 0,
        scope: Annotated[
            ScopeOption | None,
            typer.Option(help="Where it acts. Default: what each vector's card says."),
        ] = None,
        schedule: Annotated[
            str | None,
            typer.Option(metavar="JSON", help="Default: what each vector's card says."),
        ] = None,
        parquet: Annotated[
            Path | None, typer.Option(help="Write the answers as Parquet too, in the end.")
        ] = None,
        engine: Annotated[str, typer.Option(help="Which installed engine answers.")] = "vllm",
        at_once: Annotated[
            int, typer.Option(min=1, help="Answers that the engine gives at once.")
        ] = 128,
        as_json: Json = False,
    ) -> None:
        from . import sweep_run, sweep_views
        from .sweep_options import Asked

        asked = Asked(
            files, model, alphas, prompts, layers, temperature, samples, max_tokens, seed,
            None if scope is None else scope.value, schedule,
        )  # fmt: skip
        done = sweep_run.run(asked, out, engine=engine, at_once=at_once, parquet=parquet)
        if as_json:
            print_json(sweep_views.as_json(done))
        else:
            print_people(*sweep_views.parts(done))
        if done.interrupted:
            raise typer.Exit(EXIT_INTERRUPTED)
