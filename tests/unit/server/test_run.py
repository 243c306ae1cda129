"""What `steersman serve` checks before vLLM takes over."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest

from steersman_server.serve.run import ServeOptions, check_port_is_free, serve
from steersman_vectors.engine_contract import EngineSteering
from steersman_vectors.errors import CallerError, OperatorError


@pytest.mark.parametrize("options", [(), (socket.SO_REUSEPORT,)])
def test_a_port_that_another_process_listens_on_is_named_with_the_remedy(options):
    with socket.socket() as other:
        for option in options:
            other.setsockopt(socket.SOL_SOCKET, option, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(OperatorError, match=f"127.0.0.1:{port}: another process.*--port") as no:
            check_port_is_free("127.0.0.1", port)
    assert no.value.code == "port_in_use"
    check_port_is_free("127.0.0.1", port)


def test_an_address_that_this_machine_does_not_have():
    with pytest.raises(OperatorError) as refusal:
        check_port_is_free("192.0.2.1", 0)
    assert refusal.value.code == "address_unavailable"


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    shape = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", **shape}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("gone", None, "classifier_not_found"),
        ("gone.toml", None, "classifier_not_found"),
        ("rules.toml", "kind = 'rulez'", "classifier_invalid"),
        ("rules.yaml", "kind: rules", "classifier_invalid"),
    ],
)
def test_a_wrong_classifier_is_named_before_anything_starts(model, tmp_path, name, text, code):
    intents, data = tmp_path / name, tmp_path / "data"
    if text is not None:
        intents.write_text(text)
    with pytest.raises(CallerError, match=name) as refusal:
        serve(ServeOptions(str(model), data, EngineSteering(), intents=intents))
    assert refusal.value.code == code
    assert not data.exists()  # no registry was opened


def test_the_command_says_so_without_a_traceback(model, tmp_path):
    main = "from steersman_server.cli.main import main; main()"
    command = [sys.executable, "-c", main, "serve", str(model), "--intents", str(tmp_path / "gone"),
               "--data-dir", str(tmp_path / "data")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    assert "gone" in done.stderr
    assert "Traceback" not in done.stderr
