"""`steersman serve` and `steersman demo`; vLLM and torch are imported only when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steersman_vectors.errors import CallerError, OperatorError

from ..quality.logprob_gate import LOGPROB_SHARE
from ..quality.sampler import QUALITY_SAMPLE
from .options import DataDir, RedisUrl, expand_data_dir

SERVE_HELP = """
Serve MODEL with steering: vLLM's OpenAI server, the steering plugin and a registry.

Every option of `vllm serve` is accepted too (see `vllm serve --help=all`).

Examples:

  steersman serve meta-llama/Llama-3.1-8B-Instruct

  steersman serve ./my-model --data-dir /var/lib/steersman --steering-layers 9,14,20 --port 8080

  steersman serve ./my-model --host 0.0.0.0 --api-key "$KEY" --max-model-len 8192
"""

DEMO_HELP = """
Serve the bundled demo model with its vectors imported. What `make demo` runs.

Examples:

  steersman demo

  steersman demo --port 9000 --data-dir /tmp/steersman-demo
"""

PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True}

Model = Annotated[str, typer.Argument(help="A model folder, or a name in the local hub cache.")]
Layers = Annotated[
    str,
    typer.Option(
        "--steering-layers",
        help="Decoder blocks that can be steered: 'all', 'global' (those that attend to the whole "
        "context, in models that mix them with local ones), or indices such as 23,29,35.",
    ),
]
TokenScale = Annotated[
    bool,
    typer.Option(
        "--steering-token-scale",
        help="Serve vectors of scale 'token' too; costs a second set of rows and a norm per token.",
    ),
]
Intents = Annotated[
    Path | None,
    typer.Option(
        "--intents",
        help="The intent classifier for policies: a folder made by `steersman intents train`, or "
        "a .toml or .json file of rules or of an HTTP service. Default: none.",
    ),
]
OpenRoutes = Annotated[
    list[str] | None,
    typer.Option(
        "--open-route",
        metavar="PATH",
        help="Serve a route of vLLM's that is closed by default, to operators with the role "
        "'admin'; a route that generates, to tenants. Repeatable.",
    ),
]
PublicRoutes = Annotated[
    list[str] | None,
    typer.Option(
        "--public-route",
        metavar="PATH",
        help="Serve this route to anybody, without a key, such as /metrics. Repeatable.",
    ),
]
MaxBody = Annotated[
    int,
    typer.Option(
        "--max-body-mib", min=1, max=1024, help="Largest request body that is read, in MiB."
    ),
]
QualitySample = Annotated[
    float,
    typer.Option(
        "--quality-sample",
        min=0.0,
        max=1.0,
        help="Share of requests whose answers are looked at for loops, switches of language and "
        "the like; 0 for none. See docs/quality.md.",
    ),
]
QualityShadow = Annotated[
    float,
    typer.Option(
        "--quality-shadow",
        min=0.0,
        max=1.0,
        help="Share of requests of which the steered ones are run a second time, unsteered, to "
        "compare the answers; part of the sample. Costs their forward passes. Default: none.",
    ),
]
Readout = Annotated[
    str | None,
    typer.Option(
        "--readout",
        metavar="VECTORS",
        help="Measure how far the traffic's residual stream points along these vectors, such as "
        "empathy,concise@prod, each at its first decoder block or at one that is named: "
        "empathy:14. See docs/readout.md. Default: none.",
    ),
]
ReadoutEvery = Annotated[
    int, typer.Option("--readout-every", min=1, help="Of so many engine steps one is measured.")
]
QualityLogprobShare = Annotated[
    float,
    typer.Option(
        "--quality-logprob-share",
        min=0.0,
        max=1.0,
        help="Share of time in which one of these requests may have the engine work out "
        "log-probabilities, which costs every request in its batch; 1 for all of them, 0 for none.",
    ),
]
DEMO_VLLM_ARGS = (
    *("--max-model-len", "2048", "--max-num-seqs", "64", "--enforce-eager"),
    # Of the memory; by default vLLM does not start where more than 8% is in use.
    *("--gpu-memory-utilization", "0.2"),
)


def register(app: typer.Typer) -> None:
    """Adds the commands to the root app."""

    @app.command(help=SERVE_HELP, context_settings=PASS_THROUGH)
    def serve(
        context: typer.Context,
        model: Model,
        data_dir: DataDir,
        steering_layers: Layers = "all",
        steering_token_scale: TokenScale = False,
        library: Annotated[
            Path | None, typer.Option(help="A folder of NAME/vector.safetensors to import first.")
        ] = None,
        redis_url: RedisUrl = None,
        intents: Intents = None,
        open_route: OpenRoutes = None,
        public_route: PublicRoutes = None,
        max_body_mib: MaxBody = 16,
        quality_sample: QualitySample = QUALITY_SAMPLE,
        quality_shadow: QualityShadow = 0.0,
        readout: Readout = None,
        readout_every: ReadoutEvery = 8,
        quality_logprob_share: QualityLogprobShare = LOGPROB_SHARE,
    ) -> None:
        from steersman_vectors.engine_contract import EngineSteering, parse_layers

        from ..readout.slots import parse_slots

        if model.startswith("-"):
            raise CallerError(
                f"MODEL comes first: got {model!r}. Write `steersman serve MODEL {model} ...`",
                code="model_not_found",
            )
        from ..serve.run import ServeOptions
        from ..serve.run import serve as run

        steering = EngineSteering(
            layers=parse_layers(steering_layers),
            token_scale=steering_token_scale,
            readout_every=readout_every,
        )
        run(
            ServeOptions(
                model,
                data_dir,
                steering,
                tuple(context.args),
                redis_url,
                library,
                open_routes=open_route or (),
                public_routes=public_route or (),
                intents=intents,
                max_body_mib=max_body_mib,
                quality_sample=quality_sample,
                quality_shadow=quality_shadow,
                readout=() if readout is None else parse_slots(readout),
                quality_logprob_share=quality_logprob_share,
            )
        )

    @app.command(help=DEMO_HELP, context_settings=PASS_THROUGH)
    def demo(
        context: typer.Context,
        data_dir: Annotated[
            Path, typer.Option(callback=expand_data_dir, help="Where the demo keeps its registry.")
        ] = Path(".demo"),
        model: Annotated[Path, typer.Option(help="The demo model.")] = Path("vectors/demo-model"),
        library: Annotated[Path, typer.Option(help="Vectors to import first.")] = Path(
            "vectors/library"
        ),
        port: Annotated[int, typer.Option(help="Port on 127.0.0.1.", min=1, max=65535)] = 8000,
    ) -> None:
        from steersman_vectors.engine_contract import EngineSteering

        from ..serve.run import ServeOptions
        from ..serve.run import serve as run

        if not (model / "config.json").is_file():
            raise OperatorError(
                f"no demo model at {model}; run this in the repository, or make it with "
                "`make demo-model`",
                code="demo_model_missing",
            )
        args = ("--port", str(port), "--served-model-name", "demo", *DEMO_VLLM_ARGS, *context.args)
        from ..intent.load import DEMO as DEMO_INTENTS

        steering = EngineSteering()
        run(
            ServeOptions(
                str(model),
                data_dir,
                steering,
                args,
                library=library,
                try_it=True,
                intents=DEMO_INTENTS,
            )
        )
