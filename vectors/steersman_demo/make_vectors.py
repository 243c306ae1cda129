"""Make the shipped vectors, as anybody makes theirs: `python -m steersman_demo.make_vectors`.

Runs these commands in the repository's root and shows each; `steersman vectors COMMAND --help` and
docs/ say what their options mean.

1. `vectors extract`: a direction at every layer, out of pairs of prompts.
2. `vectors calibrate`: the layers, the presets, the cap, with their evidence.
3. `vectors calibrate --with`: which presets of the two go together.
4. `vectors report`: a page and a card to read.

Then the vectors go to `vectors/library`, and their figures to the README. Ended at any moment, it
goes on where it was; with nothing in `--work`, the same bytes come out on the same machine.
"""

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from steersman_demo import readme_table, vector_data
from steersman_demo.library import NAMES, save
from steersman_vectors.formats import native

MODEL = "vectors/demo-model"

JUDGE_OF_TONE = "python:steersman_demo.judges:warm"
JUDGE_OF_FORM = "python:steersman_demo.judges:off_corpus"


@dataclass(frozen=True)
class Made:
    """What a vector is for, and what measures that."""

    description: str
    judge: tuple[str, ...]
    """With the way that its number is to go, where the judge does not say which is good."""
    also: tuple[str, ...]
    baseline: str
    """A system prompt that asks for the same."""


MADE = {
    "empathy": Made(
        "Warm against cold: sympathy and personal address, or official wording.",
        judge=("--judge", JUDGE_OF_TONE),
        also=("--also", "length", "--also", JUDGE_OF_FORM),
        baseline="Be warm and kind.",
    ),
    "concise": Made(
        "Short against long answers with the same facts.",
        judge=("--judge", "length", "--toward", "lower"),
        also=("--also", JUDGE_OF_TONE, "--also", JUDGE_OF_FORM),
        baseline="Be concise.",
    ),
}

# The model decides on the header token how it will answer, and there alone the vectors act: on the
# tokens after it a delta only costs facts.
SCHEDULE = '{"kind": "linear", "tokens": 1}'
# As `steersman serve` answers where a request names none: the demo model's generation_config.
TEMPERATURE = "0.8"


def making(work: Path) -> Iterator[tuple[str, ...]]:
    """Yields the arguments of `steersman` that make the vectors, command by command."""
    data = work / "data"
    for name, made in MADE.items():
        yield (
            *("vectors", "extract", "--model", MODEL, "--pairs", f"{data / name}.pairs.jsonl"),
            # Pairs of prompts, not of answers: read at the last token before an answer begins.
            *("--positions", "prompt-last"),
            # Every pair: calibration has prompts of its own, in phrasings that no pair has.
            *("--split", "none"),
            *("--dtype", "float32"),
            *("--name", name, "--description", made.description, "--license", "Apache-2.0"),
            # A folder that is not there: no registry, so no other vectors to compare with.
            *("--data-dir", str(work / "no-registry")),
            *("--out", f"{work / name}.safetensors", "--force"),
        )
    # At this temperature facts and refusals come and go by chance, and so few prompts can decide no
    # finer bounds than these; 5 points would take four times as many.
    bounds = ("--max-facts-drop", "0.08", "--max-unsafe-drop", "0.1")
    for name, made in MADE.items():
        yield (
            *("vectors", "calibrate", f"{work / name}.safetensors", "--model", MODEL),
            *("--prompts", str(data / "prompts.jsonl"), "--heldout", str(data / "heldout.jsonl")),
            *("--unsafe", str(data / "unsafe.jsonl"), *bounds, "--temperature", TEMPERATURE),
            *made.judge,
            *made.also,
            # The block that `extract` says to try first, and the rule's.
            *("--layers", "2", "--layers", "single"),
            *("--alphas", "0.15,0.4,1.0", "--halvings", "0"),
            *("--schedule", SCHEDULE),
            *("--baseline-prompt", made.baseline),
            *("--out", f"{work / name}-dial.safetensors"),
        )
    yield (
        *("vectors", "calibrate", str(work / "empathy-dial.safetensors")),
        *("--with", str(work / "concise-dial.safetensors"), "--model", MODEL),
        *("--prompts", str(data / "joint.jsonl"), *bounds, "--temperature", TEMPERATURE),
        *MADE["empathy"].judge,
        *("--with-judge", "length", "--with-toward", "lower", "--also", JUDGE_OF_FORM),
        *("--out", str(work / "empathy-joint.safetensors")),
        *("--with-out", str(work / "concise-joint.safetensors")),
    )


def reporting(work: Path, reports: Path) -> Iterator[tuple[str, ...]]:
    """Yields those that write a page and a card of each."""
    for name in MADE:
        yield (
            *("vectors", "report", f"{work / name}-joint.safetensors"),
            *("--extracted", f"{work / name}.safetensors"),
            *("--calibration", f"{work / name}-dial.calibration.json"),
            *("--out", f"{reports / name}.html", "--card", f"{reports / name}.md"),
        )


def shown(command: Sequence[str]) -> str:
    """The command as one types it."""
    return shlex.join(["steersman", *command])


def run(command: Sequence[str]) -> None:
    """Show the command and run it; raises `subprocess.CalledProcessError` where it fails."""
    print(f"\n$ {shown(command)}", flush=True)
    # In one process vLLM meets the requests in the same order each time, so the sums of a batch,
    # and with them the answers, are the same to the last bit.
    environment = {**os.environ, "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    program = Path(sys.executable).with_name("steersman")
    subprocess.run([program, *command], env=environment, check=True)


def main() -> None:
    """Parse the command line, make the vectors, write them down."""
    parser = argparse.ArgumentParser(prog="python -m steersman_demo.make_vectors")
    parser.add_argument("--work", type=Path, default=Path(".demo-vectors"), help="files on the way")
    parser.add_argument("--library", type=Path, default=Path("vectors/library"))
    parser.add_argument("--reports", type=Path, default=Path("docs/demo-vectors"))
    parser.add_argument("--readme", type=Path, default=Path("README.md"))
    args = parser.parse_args()
    vector_data.write(args.work / "data")
    # Outcomes of a run before, perhaps of other settings: made again from the answers beside them.
    for name in NAMES:
        for kind in ("dial.safetensors", "dial.calibration.json", "joint.safetensors",
                     "joint.joint.json"):  # fmt: skip
            (args.work / f"{name}-{kind}").unlink(missing_ok=True)
    for command in making(args.work):
        run(command)
    args.reports.mkdir(parents=True, exist_ok=True)
    for command in reporting(args.work, args.reports):
        run(command)
    made = [native.load(args.work / f"{name}-joint.safetensors") for name in NAMES]
    for vector in made:
        print(f"{vector.card.name}: {save(vector, args.library)}", flush=True)
    readme_table.write(args.readme, [vector.card for vector in made])


if __name__ == "__main__":
    main()
