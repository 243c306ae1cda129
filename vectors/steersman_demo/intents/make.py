"""Make the intent classifier that ships, and its figures: `python -m steersman_demo.intents.make`.

Writes the labelled texts beside this file, the trained folder into the server's package, and the
block of `docs/intents.md`. Seconds; the embedding is not made anew (`distil.py` does that).
"""

import argparse
from pathlib import Path

from steersman_demo.intents import data, page
from steersman_demo.marked import put_into
from steersman_server.intent.examples import read_examples
from steersman_server.intent.load import DEMO, load_card
from steersman_server.intent.train import train, write

DATA = Path(__file__).parent / "data"


def main() -> None:
    """Parse the command line; generate, train, write."""
    parser = argparse.ArgumentParser(
        prog="python -m steersman_demo.intents.make", description=__doc__
    )
    parser.add_argument("--out", type=Path, default=DEMO)
    parser.add_argument("--page", type=Path, default=Path("docs/intents.md"))
    args = parser.parse_args()
    files = {split: DATA / name for split, name in data.FILES.items()}
    for split, path in files.items():
        data.write(path, data.rows(split))
    trained = train(read_examples(files["train"]), read_examples(files["test"]))
    write(trained, args.out)
    put_into(args.page, {page.NAME: page.block(load_card(args.out))})


if __name__ == "__main__":
    main()
