"""Measure the detectors of degenerate answers: `python -m steersman_demo.quality`.

Samples the answers (a quarter of an hour), and writes the tables of `docs/quality.md`.
"""

import argparse
from pathlib import Path

from steersman_demo.marked import put_into
from steersman_demo.quality import answers, page


def main() -> None:
    """Parse the command line, sample, judge, write."""
    parser = argparse.ArgumentParser(prog="python -m steersman_demo.quality", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("vectors/demo-model"))
    parser.add_argument("--library", type=Path, default=Path("vectors/library"))
    parser.add_argument("--answers", type=Path, default=Path("docs/quality/answers.jsonl"))
    parser.add_argument("--page", type=Path, default=Path("docs/quality.md"))
    parser.add_argument(
        "--pages-only", action="store_true", help="sample nothing; judge the answers as they are"
    )
    args = parser.parse_args()
    if not args.pages_only:
        answers.write(args.answers, list(answers.generate(args.model, args.library)))
    put_into(args.page, {page.NAME: page.block(answers.read(args.answers))})


if __name__ == "__main__":
    main()
