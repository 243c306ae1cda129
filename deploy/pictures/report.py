"""Photographs a report with planted figures for docs/report.md; needs Chromium and Pillow.

python -m deploy.pictures.report docs/pictures/report.png
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from steersman_vectors.formats import native
from steersman_vectors.report.contents import Contents
from steersman_vectors.report.page import page
from tests.unit.vectors.report import samples

WIDTH, HEIGHT, COLOURS = 860, 1050, 96
"""Down to the end of the curve and its caption; few colours keep the file small."""


def photograph(html: Path, png: Path, width: int, height: int, *, dark: bool = False) -> None:
    """Writes what Chromium shows of a page."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.exit("error: no chromium found\n  remedy: apt-get install chromium")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    if dark:
        options.append("--blink-settings=preferredColorScheme=0")
    shot = [f"--screenshot={png}", f"--window-size={width},{height}", html.as_uri()]
    subprocess.run([browser, *options, *shot], check=True, capture_output=True)


def main(out: Path) -> None:
    """Draws it."""
    made, record = samples.vector(), samples.calibration()
    contents = Contents(made.card, native.digest(native.dumps(made)), record)
    with tempfile.TemporaryDirectory() as folder:
        html = Path(folder, "report.html")
        html.write_bytes(page(contents))
        photograph(html, out, WIDTH, HEIGHT)
    picture = Image.open(out).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(out, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
