"""`steersman vectors extract`: a vector out of pairs and a model."""

from __future__ import annotations

import shlex
import sys
from dataclasses import astuple
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .options import DataDir, Json, RedisUrl
from .output import EXIT_CODES, print_json, print_people

EXTRACT_HELP = """
Make a vector from pairs: read the model's states, find the direction.

Each example is the chat template of its prompt with the generation header,
followed by the answer's tokens. --positions says where states are read:
last (the last answer token), answer (the mean over the answer), prompt-last
(the last header token; the one for sets of prompts). --method: mean
(difference of means, the one to begin with), pca (first component of the
pairs' differences), probe (weight of a logistic classifier).

Ended at any moment, the same command goes on where it was. The table at the
end says per layer what the pairs promise; docs/layer-metrics.md has the
formulas.

Examples:

  steersman vectors extract --model ./my-model --pairs warm.jsonl --out warm.safetensors

  steersman vectors extract --model ./my-model --pairs warm.jsonl --method probe --positions answer --layers sparse:5 --out warm.safetensors

  steersman vectors extract --model org/model --pairs kind.txt --negative harsh.txt --positions prompt-last --split none --out kind.safetensors

  steersman vectors extract --model ./my-model-int4 --pairs warm.jsonl --backend vllm --out warm.safetensors --json
"""  # noqa: E501


class MethodOption(StrEnum):
    """How the direction is found."""

    MEAN = "mean"
    PCA = "pca"
    PROBE = "probe"


class PositionOption(StrEnum):
    """Where states are read."""

    LAST = "last"
    ANSWER = "answer"
    PROMPT_LAST = "prompt-last"


class ScaleOption(StrEnum):
    """What one unit of alpha means."""

    RAW = "raw"
    UNIT = "unit"
    RESIDUAL = "residual"
    TOKEN = "token"


class DtypeOption(StrEnum):
    """What the model computes in."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


class SplitOption(StrEnum):
    """Which pairs are used."""

    TRAIN = "train"
    CALIBRATION = "calibration"
    HELDOUT = "heldout"
    NONE = "none"


def register(vectors: typer.Typer) -> None:
    """Adds the command to `steersman vectors`."""

    @vectors.command("extract", help=EXTRACT_HELP, epilog=EXIT_CODES)
    def extract_vector(
        model: Annotated[
            str, typer.Option(help="A model folder, or a name in the local hub cache.")
        ],
        pairs: Annotated[
            Path, typer.Option(metavar="FILE", help="Pairs as JSON lines; or positive prompts.")
        ],
        out: Annotated[
            Path, typer.Option(metavar="FILE", help="The vector's file, native safetensors.")
        ],
        data_dir: DataDir,
        negative: Annotated[
            Path | None, typer.Option(metavar="FILE", help="Negative prompts, one a line.")
        ] = None,
        method: Annotated[
            MethodOption, typer.Option(help="How the direction is found.")
        ] = MethodOption.MEAN,
        positions: Annotated[
            PositionOption, typer.Option(help="Where states are read.")
        ] = PositionOption.LAST,
        layers: Annotated[
            str, typer.Option(help="all, single, sparse:N, global, dense:a-b, or 5,9.")
        ] = "all",
        name: Annotated[
            str | None, typer.Option(help="The vector's name. Default: that of the file.")
        ] = None,
        description: Annotated[
            str, typer.Option(metavar="TEXT", help="What the vector is for; on its card.")
        ] = "",
        license_name: Annotated[
            str, typer.Option("--license", metavar="TEXT", help="Of the vector; on its card.")
        ] = "",
        scale: Annotated[
            ScaleOption, typer.Option(help="What alpha 1 adds.")
        ] = ScaleOption.RESIDUAL,
        split: Annotated[
            SplitOption, typer.Option(help="Which pairs are used; none: every pair.")
        ] = SplitOption.TRAIN,
        shares: Annotated[
            str, typer.Option(help="Shares of train, calibration and held-out.")
        ] = "0.6,0.2,0.2",
        keep_near: Annotated[
            bool, typer.Option("--keep-near", help="Keep near duplicates; drop exact ones only.")
        ] = False,
        skip_too_long: Annotated[
            bool, typer.Option("--skip-too-long", help="Leave out what the model cannot read.")
        ] = False,
        backend: Annotated[
            str, typer.Option(help="hf: Hugging Face forwards; vllm: the serving engine.")
        ] = "hf",
        dtype: Annotated[
            DtypeOption, typer.Option(help="What the model computes in; auto: as it says.")
        ] = DtypeOption.AUTO,
        batch_tokens: Annotated[
            int, typer.Option(min=1, help="Most tokens of a forward pass, padding included.")
        ] = 4096,
        probe_c: Annotated[
            str,
            typer.Option(help="Of method probe: scikit-learn's C, or cv. Default: 1 / hidden."),
        ] = "auto",
        seed: Annotated[
            int, typer.Option(min=0, help="Of splits, folds and random labellings.")
        ] = 0,
        workdir: Annotated[
            Path | None,
            typer.Option(
                help="Keep the states here, for other methods. Default: beside --out, removed at "
                "the end."
            ),
        ] = None,
        metrics: Annotated[
            bool, typer.Option("--metrics/--no-metrics", help="Measure each layer.")
        ] = True,
        force: Annotated[bool, typer.Option("--force", help="Replace --out if it exists.")] = False,
        redis_url: RedisUrl = None,
        as_json: Json = False,
    ) -> None:
        from steersman_vectors.extract.order import Order
        from steersman_vectors.extract.run import extract
        from steersman_vectors.extract.sources import find_source
        from steersman_vectors.extract.states import remove_states
        from steersman_vectors.formats import native
        from steersman_vectors.model_dir import resolve_model_dir
        from steersman_vectors.pairs.split import contrast_of

        from . import extract_inputs as inputs
        from . import extract_views
        from .pairs import parse_shares
        from .registry_access import Where
        from .values import check_apart

        inputs.check_out(out, force=force)
        check_apart([("--out", out)], (pairs, negative))
        read = inputs.read(pairs, negative, near=not keep_near)
        split_shares = parse_shares(shares)
        order = Order(
            model_dir=resolve_model_dir(model),
            contrast=contrast_of(read, split_shares),
            name=inputs.name_of(name, out),
            method=method.value,
            position=positions.value,
            layers=layers,
            scale=scale.value,
            split=split.value,
            backend=backend,
            dtype=dtype.value,
            batch_tokens=batch_tokens,
            options=inputs.options_of(seed, probe_c),
            skip_too_long=skip_too_long,
            measured=metrics,
            description=description,
            license=license_name,
            command=shlex.join(["steersman", *sys.argv[1:]]),
            data=inputs.data_of(pairs, negative),
            shares=astuple(split_shares),
            keep_near=keep_near,
            lines={side: n.number for n in read.lines for side in n.line.sides},
        )
        extracted = extract(
            order,
            inputs.workdir_of(workdir, out),
            open_source=find_source(backend),
            stage=inputs.stage,
            others=lambda digest: inputs.registered(Where(data_dir, redis_url), digest, order.name),
        )
        digest = native.save(extracted.vector, out)
        if workdir is None:
            remove_states(extracted.states)
        if as_json:
            print_json(extract_views.as_json(extracted, out, digest))
        else:
            print_people(*extract_views.parts(extracted, out))
