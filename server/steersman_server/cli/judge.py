"""`steersman judge`: scores for the answers of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Json
from .output import EXIT_CODES, print_json, print_people

if TYPE_CHECKING:
    from steersman_vectors.judges.spending import Limits

HELP = """
Score the answers of a sweep, and say how each setting did, with 95% intervals.

RESULTS is what `steersman vectors sweep --out` wrote. Judges, as many as you like:

degenerate, repetition, language-switch, gibberish, empty, truncated, refusal;
length, length-ratio; keywords:FILE (one word or stem* a line); facts,
instructions (what the prompts expect, or the sets that ship; facts:FILE and
instructions:FILE for a set of your own); nll, kl (by the unsteered model, with
--base); readout:FILE, readout@LAYER:FILE (how far answers lie along a vector,
with --base); llm:behaviour, llm:coherence, llm:preservation, llm:FILE.md (a model
behind --endpoint, by a rubric); python:MODULE:FACTORY (of an installed package:
a function without arguments that returns a judge).

Replies of a judging model are kept, so nothing is paid for twice; --dry-run says
what it would cost. docs/judges.md says what each number means, and what it does not.

Examples:

  steersman judge warm.jsonl --judge degenerate --judge keywords:warm.txt --out scores.jsonl

  steersman judge warm.jsonl --judge llm:behaviour --concept "answers with warmth"
  --endpoint https://llm.example.org/v1 --model grader --api-key-env GRADER_KEY
  --price 0.15,0.60 --max-cost 2.00 --out scores.jsonl

  steersman judge warm.jsonl --judge llm:coherence --endpoint http://127.0.0.1:8000/v1 --dry-run

  steersman judge warm.jsonl --judge nll --judge kl --base ./my-model --vector warm.safetensors

  steersman judge warm.jsonl --judge readout:empathy.safetensors --base ./my-model
"""
EXIT_INTERRUPTED = 130


def register(app: typer.Typer) -> None:
    """Adds the command to `steersman`."""

    @app.command("judge", help=HELP, epilog=EXIT_CODES)
    def judge(
        results: Annotated[Path, typer.Argument(metavar="RESULTS", help="A sweep's answers.")],
        judges: Annotated[list[str], typer.Option("--judge", help="A judge; repeat for several.")],
        out: Annotated[
            Path | None, typer.Option(help="Where the scores go, as JSON lines.")
        ] = None,
        concept: Annotated[str, typer.Option(help="What the vector is to do, for a rubric.")] = "",
        endpoint: Annotated[
            list[str] | None,
            typer.Option(help="Base URL of a server with OpenAI's API; repeat for a panel."),
        ] = None,
        model: Annotated[
            list[str] | None,
            typer.Option(help="Of each endpoint. Default: the only one that it lists."),
        ] = None,
        api_key_env: Annotated[
            str | None,
            typer.Option(metavar="NAME", help="The environment variable that holds the key."),
        ] = None,
        calls: Annotated[int, typer.Option(min=1, max=99, help="For each answer; odd.")] = 1,
        temperature: Annotated[
            float | None,
            typer.Option(min=0, max=2, help="Default: 0, or 0.7 where one model votes repeatedly."),
        ] = None,
        concurrency: Annotated[int, typer.Option(min=1, max=256, help="Requests at once.")] = 8,
        max_reply_tokens: Annotated[int, typer.Option(min=1, help="Of one reply.")] = 400,
        request: Annotated[
            str, typer.Option(metavar="JSON", help="More fields of requests; null leaves one out.")
        ] = "{}",
        max_calls: Annotated[int | None, typer.Option(min=0, help="Of this run.")] = None,
        max_tokens: Annotated[
            int | None, typer.Option(min=0, help="Of all requests and replies together.")
        ] = None,
        max_cost: Annotated[
            float | None, typer.Option(min=0, help="Of this run, in the prices' currency.")
        ] = None,
        price: Annotated[
            str, typer.Option(metavar="PROMPT,REPLY", help="Per million tokens.")
        ] = "0,0",
        cache: Annotated[
            Path | None,
            typer.Option(help="Where replies are kept.", show_default="~/.cache/steersman/replies"),
        ] = None,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Say what a judging model would cost; ask none.")
        ] = False,
        base: Annotated[
            str | None,
            typer.Option(help="The base model, for nll, kl and readout: a folder or hub name."),
        ] = None,
        vector: Annotated[
            list[Path] | None, typer.Option(help="The sweep's vectors, for kl; repeat for several.")
        ] = None,
        engine: Annotated[str, typer.Option(help="The offline engine.")] = "vllm",
        readout_backend: Annotated[
            str, typer.Option(help="What read-outs read answers with: hf or vllm.")
        ] = "hf",
        compare: Annotated[
            Path | None,
            typer.Option(help="Scores by others, such as people: how far do they agree?"),
        ] = None,
        as_json: Json = False,
    ) -> None:
        """Judges, writes, shows."""
        from . import judge_run, judge_views

        asked = judge_run.Asked(
            results=results,
            judges=tuple(judges),
            concept=concept,
            seats=judge_run.seats(endpoint or [], model or [], api_key_env),
            calls=calls,
            temperature=temperature,
            concurrency=concurrency,
            max_reply_tokens=max_reply_tokens,
            request=request,
            money=_money(max_calls, max_tokens, max_cost, price),
            cache=cache,
            base=base,
            vectors=tuple(vector or ()),
            engine=engine,
            readout_backend=readout_backend,
        )
        if dry_run:
            estimates = judge_run.estimate(asked)
            if as_json:
                print_json(judge_views.estimate_json(estimates))
            else:
                print_people(*judge_views.estimate_parts(estimates, asked.money))
            return
        judged = judge_run.run(asked, out, compare)
        if as_json:
            print_json(judge_views.as_json(judged))
        else:
            print_people(*judge_views.parts(judged))
        if judged.interrupted:
            raise typer.Exit(EXIT_INTERRUPTED)


def _money(
    max_calls: int | None, max_tokens: int | None, max_cost: float | None, price: str
) -> Limits:
    from steersman_vectors.errors import CallerError
    from steersman_vectors.judges.spending import Limits

    try:
        prompt, reply = map(float, price.split(","))
    except ValueError:
        raise CallerError(
            f"--price: got {price[:60]!r}, expected two numbers per million tokens, such as "
            "0.15,0.60",
            code="invalid_option",
            param="price",
        ) from None
    return Limits(max_calls, max_tokens, max_cost, prompt, reply)
