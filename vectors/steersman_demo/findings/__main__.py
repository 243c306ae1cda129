"""Try what practice has found on the demo model: `python -m steersman_demo.findings`.

Writes `docs/findings/findings.json`, a picture of each finding, and the figures in
`docs/findings.md`; ten minutes on two quiet cores.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from steersman_demo.findings import page, pictures, record


def main() -> None:
    """Parse the command line, measure, write."""
    parser = argparse.ArgumentParser(prog="python -m steersman_demo.findings", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("vectors/demo-model"))
    parser.add_argument("--out", type=Path, default=Path("docs/findings"))
    parser.add_argument("--page", type=Path, default=Path("docs/findings.md"))
    parser.add_argument(
        "--pages-only", action="store_true", help="measure nothing; pages from OUT/findings.json"
    )
    args = parser.parse_args()
    if not args.pages_only:
        # The engine in this process: one worker fewer, and it ends with us.
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        from steersman_demo.findings.measure import measure

        record.write(args.out / "findings.json", measure(args.model, Progress()))
    findings = record.read(args.out / "findings.json")
    pictures.draw(args.out, findings)
    page.put_into(args.page, page.blocks(findings))


class Progress:
    """Says on stderr what is done, once in twenty seconds."""

    def __init__(self) -> None:
        self._said = self._started = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Tells how far `what` is."""
        now = time.monotonic()
        if done == total or now - self._said > 20:
            self._said = now
            print(f"{now - self._started:5.0f} s  {what} {done}/{total}", file=sys.stderr)


if __name__ == "__main__":
    main()
