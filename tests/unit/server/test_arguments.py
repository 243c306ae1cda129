"""vLLM's arguments completed for steering."""

from __future__ import annotations

from argparse import Namespace

import pytest

from steersman_server.serve.arguments import (
    api_keys,
    check_public,
    check_reachable,
    check_shadows,
    complete,
    is_loopback,
    plugin_allowlist,
)
from steersman_vectors.engine_contract import WORKER_EXTENSION, EngineSteering
from steersman_vectors.errors import OperatorError

STEERING = EngineSteering(layers=(1, 3))


def arguments(**changes) -> Namespace:
    base = {
        "api_key": None,
        "host": None,
        "uds": None,
        "worker_extension_cls": "",
        "additional_config": {},
        "headless": False,
        "grpc": False,
        "model_tag": "m",
        "revision": None,
        "code_revision": None,
        "tokenizer": None,
        "tokenizer_revision": None,
        "hf_config_path": None,
        "hf_overrides": {},
        "load_format": "auto",
        "config_format": "auto",
        "tokenizer_mode": "auto",
        "max_logprobs": 20,
        "quantization": None,
    }
    return Namespace(**{**base, **changes})


def test_steering_is_added_and_the_rest_is_kept():
    args = complete(arguments(additional_config={"mine": 1}), STEERING)
    assert args.host == "127.0.0.1"
    assert args.worker_extension_cls == WORKER_EXTENSION
    assert args.additional_config["mine"] == 1
    assert args.additional_config["steering"]["layers"] == [1, 3]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.test"])
def test_other_machines_need_a_key(host):
    with pytest.raises(OperatorError, match="--api-key") as refusal:
        check_reachable(host, None, has_key=False)
    assert refusal.value.code == "keys_required"
    check_reachable(host, None, has_key=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_this_machine_does_not(host):
    assert is_loopback(host)
    check_reachable(host, None, has_key=False)


@pytest.mark.parametrize(
    ("given", "environment", "keys"),
    [
        (None, None, ()),
        (["k"], None, ("k",)),
        (["k", "l"], "m", ("k", "l")),
        (None, "k", ("k",)),
        (None, "", ()),
        ([], " ", ()),
    ],
)
def test_what_counts_as_a_key(given, environment, keys):
    assert api_keys(given, environment) == keys


def test_the_gate_has_the_keys_and_vllm_has_none():
    assert complete(arguments(api_key=["k"]), STEERING).api_key is None


@pytest.mark.parametrize("given", [[""], ["  "], ["k", ""]])
def test_an_empty_key_is_refused(given):
    with pytest.raises(OperatorError, match="--api-key is empty"):
        api_keys(given, "k")


def test_a_unix_socket_does_not():
    check_reachable("0.0.0.0", "/run/x", has_key=False)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"worker_extension_cls": "my.Ext"}, "my.Ext"),
        ({"headless": True}, "--headless"),
        ({"grpc": True}, "--grpc"),
        ({"data_parallel_multi_port_external_lb": True}, "--data-parallel-multi-port-external-lb"),
    ],
)
def test_what_contradicts_steering_is_refused(changes, named):
    with pytest.raises(OperatorError, match=named):
        complete(arguments(**changes), STEERING)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"revision": "main"}, "--revision"),
        ({"code_revision": "main"}, "--code-revision"),
        ({"tokenizer": "other"}, "--tokenizer"),
        ({"tokenizer_revision": "main"}, "--tokenizer-revision"),
        ({"hf_config_path": "other"}, "--hf-config-path"),
        ({"hf_overrides": {"num_hidden_layers": 2}}, "--hf-overrides"),
        ({"load_format": "dummy"}, "--load-format dummy"),
        ({"max_logprobs": 0}, "--max-logprobs 0"),
        ({"quantization": "fp8"}, "--quantization"),
        ({"quantization_config": {"linear": "fp8"}}, "--quantization-config"),
    ],
)
def test_what_would_serve_another_model_than_is_fingerprinted_is_refused(changes, named):
    with pytest.raises(OperatorError, match=named) as refusal:
        complete(arguments(**changes), STEERING)
    assert refusal.value.code == "engine_option_unsupported"
    assert complete(arguments(tokenizer="m"), STEERING)


HF = {
    "load_format": ["auto", "hf", "safetensors", "fastsafetensors", "instanttensor"],
    "config_format": ["auto", "hf"],
    "tokenizer_mode": ["auto", "hf", "deepseek_v32", "cohere", "HF"],
}
MISTRAL = {key: ["auto", "mistral"] for key in HF}
NEVER = {
    "load_format": ["pt", "npcache", "sharded_state", "tensorizer", "runai_streamer", "mine"],
    "config_format": ["mine"],
    "tokenizer_mode": ["slow", "kimi_audio", "mine"],
}
HF_FILES = ["model.safetensors", "config.json", "params.json", "tekken.json", "tokenizer.json"]


@pytest.mark.parametrize(
    ("files", "allowed"),
    [(HF_FILES, HF), (["consolidated.safetensors", *HF_FILES], MISTRAL)],
)
@pytest.mark.parametrize("field", list(HF))
def test_formats_in_which_vllm_reads_other_files_of_the_folder_are_refused(
    tmp_path, files, allowed, field
):
    for name in files:
        (tmp_path / name).write_text("x")
    for value in {*HF[field], *MISTRAL[field], *NEVER[field]}:
        args = arguments(**{"model_tag": str(tmp_path), "tokenizer": None, field: value})
        if value in allowed[field]:
            assert complete(args, STEERING)
            continue
        with pytest.raises(OperatorError, match="Leave it out") as refusal:
            complete(args, STEERING)
        assert f"--{field.replace('_', '-')} {value}" in refusal.value.message
        assert refusal.value.code == "engine_option_unsupported"


def test_what_mistral_has_no_own_file_for_is_read_as_hugging_face_s(tmp_path):
    (tmp_path / "consolidated.safetensors").write_text("x")
    base = {"model_tag": str(tmp_path), "load_format": "mistral"}
    for changes in ({"config_format": "hf"}, {"tokenizer_mode": "hf"}):
        assert complete(arguments(**base, **changes), STEERING)
    for changes in ({"config_format": "mistral"}, {"tokenizer_mode": "mistral"}):
        with pytest.raises(OperatorError, match="mistral"):
            complete(arguments(**base, **changes), STEERING)


def test_naming_our_plugin_keeps_the_others():
    assert plugin_allowlist("mine,other") == "mine,other,steersman"
    assert plugin_allowlist("") == "steersman"
    assert {"steersman", "lora_filesystem_resolver"} <= set(plugin_allowlist(None).split(","))


@pytest.mark.parametrize("route", ["/v1/chat/completions", "/invocations", "/admin/v1/tenants"])
def test_what_must_know_its_caller_cannot_be_public(route):
    with pytest.raises(OperatorError, match="whose request"):
        check_public([route])
    check_public(["/metrics", "/openapi.json", "/load"])


def test_more_shadows_than_answers_looked_at_are_refused():
    check_shadows(0.05, 0.05)
    check_shadows(0.0, 0.0)
    with pytest.raises(OperatorError, match="larger --quality-sample"):
        check_shadows(0.1, 0.05)
