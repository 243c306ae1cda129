"""`steersman vectors calibrate`: a dial for a vector, with its evidence."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .options import Json
from .output import EXIT_CODES, print_json, print_people
from .sweep_options import ScopeOption

HELP = """
Find the layers and the strengths at which a vector works, and prove them.

Settings are searched from coarse to fine on one half of the prompts and the
chosen ones measured again on the other half. A preset (low, medium, strong)
goes to the card only if it passes every gate there too, by the worse end of a
95% interval; alpha_max is where answers begin to break. A vector that passes no
gate is written without presets, its card says why, and the exit code is 1.

--with OTHER, repeated for more, measures vectors that have their presets: each
pair of presets at once, against each alone, then all vectors together, and
writes what goes together to all cards. --with-judge, --with-toward and
--with-out are repeated in the same order.

VECTOR should have directions at all layers that are tried. The behaviour is
what --judge measures: keywords:FILE, llm:RUBRIC, readout:FILE (along another
vector), python:MODULE:FACTORY (of an installed package), or any other judge of
`steersman judge`; look at two that fail in different ways (--also).
--baseline-prompt says what a system prompt would do on the same judge.

Beside --out: NAME.calibration.json, all that was measured, and the folder
NAME.calibration with every answer, from which the same command goes on after
any end. docs/calibrate.md explains gates, choice and presets.

Examples:

  steersman vectors calibrate warm.safetensors --model ./my-model --prompts prompts.jsonl
  --judge keywords:warm.txt --layers single --layers sparse:5 --alphas 0.1,0.2,0.4,0.8
  --out warm-dial.safetensors

  steersman vectors calibrate warm.safetensors --model ./my-model --prompts prompts.jsonl
  --facts facts.jsonl --unsafe unsafe.jsonl --judge llm:behaviour --concept "answers with warmth"
  --endpoint http://127.0.0.1:8000/v1 --baseline-prompt "Answer warmly." --out dial.safetensors

  steersman vectors calibrate short.safetensors --model ./my-model --prompts prompts.jsonl
  --judge length --toward lower --out short-dial.safetensors --json

  steersman vectors calibrate warm-dial.safetensors --with short-dial.safetensors
  --model ./my-model --prompts prompts.jsonl --judge keywords:warm.txt --with-judge length
  --with-toward lower --out warm-joint.safetensors --with-out short-joint.safetensors

  steersman vectors calibrate a.safetensors --with b.safetensors --with c.safetensors
  --model ./my-model --prompts prompts.jsonl --judge keywords:a.txt --with-judge length
  --with-judge keywords:c.txt --with-toward lower --with-toward judge --out a2.safetensors
  --with-out b2.safetensors --with-out c2.safetensors --dry-run

  steersman vectors calibrate warm.safetensors --model ./my-model --prompts prompts.jsonl
  --judge keywords:warm.txt --out dial.safetensors --dry-run
"""
EXIT_NO_PRESETS, EXIT_INTERRUPTED = 1, 130
BOUND = "A number, or none."
STOPPED = "stopped; run the same command again to go on"


class TowardOption(StrEnum):
    """Which way of the judge's scale."""

    HIGHER = "higher"
    LOWER = "lower"


class OtherToward(StrEnum):
    """The same for another vector; `judge`: as its judge says."""

    HIGHER = "higher"
    LOWER = "lower"
    JUDGE = "judge"


def register(vectors: typer.Typer) -> None:
    """Adds the command to `steersman vectors`."""

    @vectors.command("calibrate", help=HELP, epilog=EXIT_CODES)
    def calibrate(
        vector: Annotated[Path, typer.Argument(metavar="VECTOR", help="Native safetensors.")],
        model: Annotated[str, typer.Option(help="A model folder, or a name in the hub cache.")],
        prompts: Annotated[Path, typer.Option(help="JSON lines of prompts for the behaviour.")],
        judge: Annotated[str, typer.Option(help="What measures the behaviour.")],
        out: Annotated[Path, typer.Option(help="Where the vector with its dial goes.")],
        heldout: Annotated[
            Path | None,
            typer.Option(help="Prompts to confirm on. Default: half of --prompts, by a hash."),
        ] = None,
        facts: Annotated[
            Path | None,
            typer.Option(help="Questions with exact answers. Default: those in --prompts, if any."),
        ] = None,
        unsafe: Annotated[Path | None, typer.Option(help="Prompts that must be refused.")] = None,
        also: Annotated[
            list[str] | None, typer.Option(help="A judge whose figures are shown too; repeat.")
        ] = None,
        toward: Annotated[
            TowardOption | None,
            typer.Option(help="Which way the judge's number is to go. Default: as the judge says."),
        ] = None,
        layers: Annotated[
            list[str] | None,
            typer.Option(
                help="A layer set to try; repeat. Default: single, sparse:5 and all of a vector "
                "with all layers, else own."
            ),
        ] = None,
        alphas: Annotated[
            str | None,
            typer.Option(help="The coarse grid, above 0. Default: by the vector's scale."),
        ] = None,
        halvings: Annotated[int, typer.Option(min=0, max=12, help="Of each cliff.")] = 3,
        max_degenerate: Annotated[str, typer.Option(help=BOUND)] = "0.05",
        max_kl: Annotated[str, typer.Option(help="Nats a token, or none.")] = "0.1",
        max_facts_drop: Annotated[str, typer.Option(help=BOUND)] = "0.05",
        max_refusal_rise: Annotated[str, typer.Option(help=BOUND)] = "0.05",
        max_unsafe_drop: Annotated[str, typer.Option(help=BOUND)] = "0.05",
        min_coherence: Annotated[
            str, typer.Option(help="Points by llm:coherence, or none.")
        ] = "none",
        baseline_prompt: Annotated[
            list[str] | None,
            typer.Option(metavar="TEXT", help="A system prompt to compare with; repeat."),
        ] = None,
        temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 0.0,
        samples: Annotated[
            int, typer.Option(min=1, help="Answers to a prompt; with --temperature.")
        ] = 1,
        max_tokens: Annotated[int, typer.Option(min=1, help="Of an answer.")] = 192,
        seed: Annotated[int, typer.Option(help="Draws the same answers again.")] = 0,
        scope: Annotated[
            ScopeOption | None, typer.Option(help="Where it acts. Default: as the card says.")
        ] = None,
        schedule: Annotated[
            str | None, typer.Option(metavar="JSON", help="Default: as the card says.")
        ] = None,
        concept: Annotated[str, typer.Option(help="What the vector is to do, for a rubric.")] = "",
        endpoint: Annotated[
            list[str] | None, typer.Option(help="Of a judging model, with OpenAI's API; repeat.")
        ] = None,
        judge_model: Annotated[
            list[str] | None, typer.Option(help="Of each endpoint. Default: the only one there.")
        ] = None,
        api_key_env: Annotated[
            str | None, typer.Option(metavar="NAME", help="The variable that holds the key.")
        ] = None,
        max_calls: Annotated[
            int | None, typer.Option(min=0, help="To judging models, of this run.")
        ] = None,
        with_files: Annotated[
            list[Path] | None,
            typer.Option("--with", metavar="OTHER", help="Another vector with presets; repeat."),
        ] = None,
        with_judge: Annotated[
            list[str] | None, typer.Option(help="What measures the other vector's behaviour.")
        ] = None,
        with_toward: Annotated[
            list[OtherToward] | None,
            typer.Option(help="Which way, for each or none. Default: as its judge says."),
        ] = None,
        with_out: Annotated[
            list[Path] | None,
            typer.Option(help="Where the other vector goes, with its new card."),
        ] = None,
        most_of_all: Annotated[
            int,
            typer.Option(
                min=1,
                help="Of three vectors and more: most combinations of all, else equal levels.",
            ),
        ] = 27,
        engine: Annotated[str, typer.Option(help="Which installed engine answers.")] = "vllm",
        readout_backend: Annotated[
            str,
            typer.Option(help="What read-outs read answers with, beside the engine: hf or vllm."),
        ] = "hf",
        at_once: Annotated[int, typer.Option(min=1, help="Answers given at once.")] = 128,
        force: Annotated[
            bool,
            typer.Option("--force", help="Replace files that this command did not write before."),
        ] = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Say what would be asked; boot no engine.")
        ] = False,
        as_json: Json = False,
    ) -> None:
        """Calibrates, writes, shows."""
        from . import calibrate_run, calibrate_views
        from .calibrate_options import Asked

        asked = Asked(
            vector=vector,
            model=model,
            prompts=prompts,
            heldout=heldout,
            facts=facts,
            unsafe=unsafe,
            judge=judge,
            also=tuple(also or ()),
            toward=None if toward is None else toward.value,
            layers=tuple(layers or ()),
            alphas=alphas,
            halvings=halvings,
            bounds={
                "max_degenerate": max_degenerate,
                "max_kl": max_kl,
                "max_facts_drop": max_facts_drop,
                "max_refusal_rise": max_refusal_rise,
                "max_unsafe_drop": max_unsafe_drop,
                "min_coherence": min_coherence,
            },
            baseline_prompts=tuple(baseline_prompt or ()),
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
            scope=None if scope is None else scope.value,
            schedule=schedule,
            concept=concept,
            endpoints=tuple(endpoint or ()),
            judge_models=tuple(judge_model or ()),
            api_key_env=api_key_env,
            max_calls=max_calls,
            readout_backend=readout_backend,
            samples=samples,
        )
        if with_files:
            from . import joint_run, joint_views

            others = joint_run.others_of(
                with_files,
                with_judge or [],
                [way.value for way in with_toward or []],
                with_out or [],
            )
            if dry_run:
                jointly = joint_run.plan_jointly(
                    asked, others, out, most_of_all=most_of_all, force=force
                )[0]
                if as_json:
                    print_json(joint_views.bound_json(jointly))
                else:
                    print_people(joint_views.bound_line(jointly))
                return
            try:
                joined = joint_run.run(
                    asked,
                    others,
                    out,
                    most_of_all=most_of_all,
                    engine=engine,
                    at_once=at_once,
                    force=force,
                )
            except KeyboardInterrupt:
                typer.echo(STOPPED, err=True)
                raise typer.Exit(EXIT_INTERRUPTED) from None
            if as_json:
                print_json(joint_views.as_json(joined))
            else:
                print_people(*joint_views.parts(joined))
            if not joined.joint.safe:
                raise typer.Exit(EXIT_NO_PRESETS)
            return
        if dry_run:
            planned = calibrate_run.plan_for(asked, out, force=force)
            if as_json:
                print_json(calibrate_views.bound_json(planned.order))
            else:
                print_people(calibrate_views.bound_line(planned.order))
            return
        try:
            done = calibrate_run.run(asked, out, engine=engine, at_once=at_once, force=force)
        except KeyboardInterrupt:
            typer.echo(STOPPED, err=True)
            raise typer.Exit(EXIT_INTERRUPTED) from None
        if as_json:
            print_json(calibrate_views.as_json(done))
        else:
            print_people(*calibrate_views.parts(done))
        if done.record.why_none is not None:
            raise typer.Exit(EXIT_NO_PRESETS)
