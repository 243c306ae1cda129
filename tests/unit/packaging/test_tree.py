"""Nothing in the repository points at one machine or one package mirror."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]

# In pieces, so that this file does not match itself.
HOSTS = [
    *("pypi" + ".org", "pythonhosted" + ".org", "registry.npmjs" + ".org"),
    *("deb.debian" + ".org", "snapshot.debian" + ".org"),
]
PATHS = ["/opt" + "/pypi", "/opt" + "/wheels", "/work" + "/main", "/work" + "/shared"]
PATHS += ["/work" + "/scratch", "/root" + "/"]
FORBIDDEN = re.compile("|".join(re.escape(text) for text in HOSTS + PATHS))


def committed() -> list[Path]:
    """Returns what is in git or would be added to it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = (ROOT / name for name in names.split("\0") if name)
    return [path for path in paths if path.is_file()]


def text_of(path: Path) -> str:
    data = path.read_bytes()
    return "" if b"\0" in data[:8192] else data.decode(errors="replace")


def test_no_registry_host_and_no_path_of_a_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in committed()
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if FORBIDDEN.search(line)
    ]
    assert found == []


def test_the_architecture_gives_every_shipped_file_a_line() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    packages = ("server/steersman_server", "plugins/vllm_steersman", "vectors/steersman_vectors")
    shipped = [p for p in committed() if str(p.relative_to(ROOT)).startswith(packages)]
    names = {p.name for p in shipped if p.suffix == ".py" and p.name != "__init__.py"}
    assert (
        sorted(name for name in names if f"`{name}`" not in page and f"/{name}`" not in page) == []
    )
