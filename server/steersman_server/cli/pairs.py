"""`steersman pairs check, split, generate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Json
from .output import EXIT_CODES, print_json, print_people, print_warning

if TYPE_CHECKING:
    from steersman_vectors.pairs.read import Pairs
    from steersman_vectors.pairs.split import Shares

HELP = """
Contrasting examples: what a steering vector is made from.

A file has one JSON object a line: {"prompt", "positive", "negative"}, or
{"positive_prompt", "negative_prompt"}, or {"prompt", "label"}; docs/pairs.md.
"""

CHECK_HELP = """
Say what is in FILE, and what a vector made from it would suffer from.

Counts each split, and looks for length bias, duplicates, questions that stand
in two splits, labels that contradict each other, topics and languages of one
side only. Each finding comes with its remedy; errors end with exit code 3.

Examples:

  steersman pairs check empathy.jsonl

  steersman pairs check --positive kind.txt --negative harsh.txt

  steersman pairs check empathy.jsonl --shares 0.5,0.25,0.25 --json
"""

SPLIT_HELP = """
Write the lines of FILE into train.jsonl, calibration.jsonl and heldout.jsonl.

A line's split follows from its prompt (or its "group") alone: it is the same in
every version of the file, and commands that read FILE whole split it the same
way. Duplicates are left out.

Examples:

  steersman pairs split empathy.jsonl --out ./empathy

  steersman pairs split empathy.jsonl --out ./empathy --shares 0.8,0.1,0.1
"""

GENERATE_HELP = """
Have a model write pairs for a concept, through any OpenAI-compatible endpoint.

The model is asked for situations first, then for pairs in each of them. Lines
go through the same checks as `pairs check` makes when it reads, what repeats is
dropped, and each line is in FILE as soon as it is written: after Ctrl-C or a
crash, --resume goes on. Templates: behaviour (one prompt, two answers), prompts
(two prompts), or a file of your own with ${concept}, ${topic} and ${count}.

Examples:

  steersman pairs generate --concept "answers with warmth and empathy" --endpoint http://127.0.0.1:8000/v1 --out empathy.jsonl

  steersman pairs generate --concept "the user is angry" --template prompts --endpoint http://127.0.0.1:8000/v1 --count 200 --out angry.jsonl

  steersman pairs generate --concept "answers like a pirate" --endpoint https://llm.example.org/v1 --model writer --api-key-env WRITER_KEY --out pirate.jsonl --resume
"""  # noqa: E501

EXIT_PROBLEMS = 3
EXIT_INTERRUPTED = 130
pairs = typer.Typer(help=HELP, epilog=EXIT_CODES, no_args_is_help=True)
SharesOption = Annotated[
    str, typer.Option(help="Shares of train, calibration and held-out, which sum to 1.")
]
KeepNear = Annotated[
    bool, typer.Option("--keep-near", help="Keep near duplicates; drop exact ones only.")
]


@pairs.command("check", help=CHECK_HELP, epilog=EXIT_CODES)
def check_pairs(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="JSON lines.")] = None,
    positive: Annotated[
        Path | None, typer.Option(help="Instead of FILE: positive prompts, one a line.")
    ] = None,
    negative: Annotated[
        Path | None, typer.Option(help="Instead of FILE: negative prompts, one a line.")
    ] = None,
    shares: SharesOption = "0.6,0.2,0.2",
    keep_near: KeepNear = False,
    as_json: Json = False,
) -> None:
    """Reads, checks, shows; ends with 3 if anything is an error."""
    from steersman_vectors.pairs.check import check

    from . import pair_views

    parts = _shares(shares)
    report = check(_read(file, positive, negative, near=not keep_near), parts)
    if as_json:
        print_json(pair_views.report_json(report))
    else:
        print_people(*pair_views.report_parts(report))
    if any(each.severity == "error" for each in report.findings):
        raise typer.Exit(EXIT_PROBLEMS)


@pairs.command("split", help=SPLIT_HELP, epilog=EXIT_CODES)
def split_pairs(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines.")],
    out: Annotated[Path, typer.Option(help="The folder to write; made if it is not there.")],
    shares: SharesOption = "0.6,0.2,0.2",
    keep_near: KeepNear = False,
    as_json: Json = False,
) -> None:
    """Writes three files and says how many lines each has."""
    from steersman_vectors.pairs.split_files import write_splits

    from .progress import counting

    parts = _shares(shares)
    with counting("Reading pairs") as progress:
        counts = write_splits(file, out, parts, near=not keep_near, progress=progress)
    if as_json:
        print_json({"folder": str(out), "lines": counts})
    else:
        said = ", ".join(f"{name}.jsonl {count}" for name, count in counts.items())
        print_people(f"Wrote {out}: {said}")
    for name, count in counts.items():
        if count == 0:
            print_warning(f"{name}.jsonl has no line: there are too few, or its share is 0")


@pairs.command("generate", help=GENERATE_HELP, epilog=EXIT_CODES)
def generate_pairs(
    concept: Annotated[str, typer.Option(help="What the vector is to do, in your own words.")],
    endpoint: Annotated[str, typer.Option(help="Base URL of a server with OpenAI's API.")],
    model: Annotated[
        str | None, typer.Option(help="Default: the only one that the server lists.")
    ] = None,
    api_key_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The environment variable that holds the key."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="Lines in all.")] = 100,
    out: Annotated[Path | None, typer.Option(help="Default: standard output.")] = None,
    template: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="behaviour, prompts, or a file.")
    ] = "behaviour",
    seed: Annotated[int | None, typer.Option(help="Sent with the requests, one up each.")] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0, max=2, help="Default: the server's own.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Requests at once.")] = 4,
    max_requests: Annotated[
        int | None, typer.Option(min=1, help="Default: thrice as many as are needed, and nine.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Of all requests and answers together.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Add to what --out holds.")] = False,
    as_json: Json = False,
) -> None:
    """Asks, checks, writes."""
    from steersman_vectors.pairs.generate import Order
    from steersman_vectors.pairs.templates import TOPICS, checked_concept, load_template

    from . import pair_generation

    order = Order(
        concept=checked_concept(concept),
        count=count,
        template=load_template(template),
        topics=load_template(TOPICS),
        seed=seed,
        concurrency=concurrency,
        max_requests=max_requests,
        max_tokens=max_tokens,
    )
    options = {} if temperature is None else {"temperature": temperature}
    to = pair_generation.Asked(endpoint, model, api_key_env, options)
    if not pair_generation.run(order, to, out, resume=resume, as_json=as_json):
        raise typer.Exit(EXIT_INTERRUPTED)


def _read(file: Path | None, positive: Path | None, negative: Path | None, *, near: bool) -> Pairs:
    from steersman_vectors.errors import CallerError
    from steersman_vectors.pairs.read import read_pairs, read_prompt_sets

    from .progress import counting

    if file is not None and positive is None and negative is None:
        with counting("Reading pairs") as progress:
            return read_pairs(file, near=near, progress=progress)
    if file is None and positive is not None and negative is not None:
        return read_prompt_sets(positive, negative, near=near)
    raise CallerError(
        "give FILE, or both --positive and --negative", code="invalid_option", param="file"
    )


def _shares(text: str) -> Shares:
    from steersman_vectors.errors import CallerError
    from steersman_vectors.pairs.split import Shares

    try:
        train, calibration, heldout = map(float, text.split(","))
    except ValueError:
        raise CallerError(
            f"--shares: got {text[:60]!r}, expected three numbers such as 0.6,0.2,0.2",
            code="invalid_option",
            param="shares",
        ) from None
    return Shares(train, calibration, heldout)
