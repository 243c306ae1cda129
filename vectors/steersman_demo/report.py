"""Measure the shipped vectors on held-out prompts: `python -m steersman_demo.report`.

Writes `report.json`, `report.md` and `dose-response.png`, the README's block, and the evidence on
the vectors' cards.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from steersman_demo import heldout, judge
from steersman_demo.backends import Generate, hf_backend, vllm_backend
from steersman_demo.corpus import conversations
from steersman_demo.library import load_all, save, with_evidence
from steersman_demo.measure import Bench, Prompts, Row
from steersman_demo.presets import DOSES
from steersman_demo.report_page import REPORT, Report, page, put_into
from steersman_demo.report_plot import plot
from steersman_vectors.vector import SteeringVector

TEMPERATURE = 0.8


def measure(
    vectors: Sequence[SteeringVector], prompts: Prompts, generate: Generate
) -> tuple[Row, dict[str, list[Row]], Row]:
    """The unsteered row, each vector's ladder, and all vectors at `strong` together."""
    bench = Bench(prompts, generate)
    _say(bench.unsteered)
    ladders: dict[str, list[Row]] = {}
    for vector in vectors:
        ladders[vector.card.name] = rows = []
        for row in bench.ladder(vector):
            _say(row)
            rows.append(row)
    names = [vector.card.name for vector in vectors]
    terms = [(vector, DOSES[vector.card.name].alphas["strong"]) for vector in vectors]
    together = bench.row(" + ".join(names), "strong", terms, DOSES[names[0]].schedule)
    _say(together)
    return bench.unsteered, ladders, together


def judge_agreement(count: int = 3000) -> tuple[int, float]:
    """How many corpus answers in known style the tone judge labels, and its share of agreement."""
    turns = [turn for example in conversations(77, count, "test") for turn in example.turns]
    styled = [turn for turn in turns if turn.truth.kind not in ("unsafe", "quote")]
    right = sum(judge.tone(turn.answer) == turn.tone for turn in styled)
    return len(styled), right / len(styled)


def _say(row: Row) -> None:
    print(
        f"{row.direction} {row.setting} ({row.alpha:+g}): warm {row.warm}, words {row.words}, "
        f"facts {row.facts} (change {row.facts_change}), degenerate {row.degenerate}, "
        f"unsafe refused {row.refused}",
        flush=True,
    )


def measure_to(record: Path, args: argparse.Namespace) -> None:
    """Measure on the engine and write all figures as JSON."""
    vectors = load_all(args.library)
    layers = tuple(sorted({layer for vector in vectors for layer in vector.layers}))
    if args.backend == "vllm":
        generate = vllm_backend(args.model, layers, TEMPERATURE)
    else:
        generate = hf_backend(args.model, TEMPERATURE)
    prompts = Prompts(heldout.prompts(args.prompts), heldout.unsafe_prompts(args.unsafe))
    started = time.monotonic()
    unsteered, ladders, together = measure(vectors, prompts, generate)
    labelled, agreement = judge_agreement()
    report = Report(
        engine="vLLM with the plugin" if args.backend == "vllm" else "Hugging Face with hooks",
        temperature=TEMPERATURE,
        seconds=round(time.monotonic() - started),
        judged=labelled,
        agreement=agreement,
        unsteered=unsteered,
        vectors=ladders,
        together=together,
    )
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_bytes(REPORT.dump_json(report, indent=1) + b"\n")


def write_pages(record: Path, readme: Path, library: Path) -> None:
    """Write the page, the plot, the README's block and the cards' evidence from the figures."""
    report = REPORT.validate_json(record.read_bytes())
    text = page(report)
    (record.parent / "report.md").write_text(text.replace("docs/demo-report/", "") + "\n")
    plot(record.parent / "dose-response.png", report.unsteered, report.vectors)
    for vector in load_all(library):
        save(with_evidence(vector, report.vectors[vector.card.name]), library)
    if not put_into(readme, text):
        print(f"{readme} has no demo-report block: left as it is", flush=True)


def main() -> None:
    """Parse the command line, measure, write."""
    parser = argparse.ArgumentParser(prog="python -m steersman_demo.report", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("vectors/demo-model"))
    parser.add_argument("--library", type=Path, default=Path("vectors/library"))
    parser.add_argument("--out", type=Path, default=Path("docs/demo-report"))
    parser.add_argument("--readme", type=Path, default=Path("README.md"))
    parser.add_argument("--prompts", type=int, default=3000, help="held-out prompts")
    parser.add_argument("--unsafe", type=int, default=300, help="unsafe requests")
    parser.add_argument("--backend", choices=["vllm", "hf"], default="vllm")
    parser.add_argument(
        "--pages-only", action="store_true", help="measure nothing; pages from OUT/report.json"
    )
    args = parser.parse_args()
    if not args.pages_only:
        measure_to(args.out / "report.json", args)
    write_pages(args.out / "report.json", args.readme, args.library)


if __name__ == "__main__":
    main()
