"""The README's first five minutes: its own commands and its own code, on the demo model."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from steersman_demo import judge
from steersman_server.monitor.catalogue import CATALOGUE
from tests.e2e.conftest import ENVIRONMENT
from tests.e2e.test_metrics import shown, value, wrong

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def block(holding: str) -> str:
    """Returns the README's one Python block that holds the text."""
    (found,) = [b for b in BLOCKS if holding in b]
    return found


def test_the_shipped_vectors_can_be_named(demo):
    url, _ = demo
    data = httpx.get(f"{url}/v1/steering/vectors").json()["data"]
    assert {"empathy", "concise"} <= {v["id"] for v in data}
    for vector in data:
        assert {"low", "medium", "strong"} <= set(vector["presets"])


def test_the_curl_it_prints_works(demo):
    _, log = demo
    printed = log.read_text()
    command = re.search(r"  (curl .*?\}\}?')\n\n", printed, re.DOTALL)[1]
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert '"vector": "' in done.stdout, done.stdout + done.stderr


def test_the_python_it_prints_works(demo):
    _, log = demo
    code = re.search(r"  (from openai.*?reply\.steering\))\n", log.read_text(), re.DOTALL)[1]
    done = python(code.replace("\n  ", "\n"))
    assert "'applied'" in done.stdout


def test_the_readmes_client_code_works(demo):
    url, _ = demo
    done = python(block("extra_body").replace("http://127.0.0.1:8000", url))
    assert re.search(r"low .*\n.*empathy.*\nstrong ", done.stdout)


def test_what_users_are_about_is_counted(demo):
    """The only server here with a classifier: the metrics that need one."""
    url, _ = demo
    said = {
        "I was charged twice for my order": "billing",
        "I feel so hopeless that I want to kill myself": "safety",
    }
    before = shown(httpx.get(f"{url}/metrics", timeout=30).text)
    for turn in said:
        models = httpx.get(f"{url}/v1/models", timeout=30).json()["data"]
        body = {"model": models[0]["id"], "messages": [{"role": "user", "content": turn}],
                "max_tokens": 1, "steering": {"vectors": {"empathy": "low"}}}  # fmt: skip
        httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60).raise_for_status()
    after = shown(httpx.get(f"{url}/metrics", timeout=30).text)
    for name, labels in (
        *(("steering_intents_total", {"intent": intent}) for intent in said.values()),
        ("steering_safety_overrides_total", {"tenant": "local"}),
    ):
        assert value(after, name, **labels) - value(before, name, **labels) == 1, labels
    assert wrong(CATALOGUE, after) == {}


def test_the_readmes_offline_code_works(tmp_path):
    script = tmp_path / "offline.py"
    script.write_text(block("load_vector"))
    done = subprocess.run(
        [sys.executable, script], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    answers = re.findall(r"^(0\.0|0\.5) (.*)$", done.stdout, re.MULTILINE)  # vLLM prints there too
    assert [alpha for alpha, _ in answers] == ["0.0", "0.5"], done.stdout
    steered = answers[1][1]
    assert judge.tone(steered) == "warm", steered
    assert not judge.is_degenerate(steered, "stop"), steered
    assert "48213" in steered


def python(code: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    return done
