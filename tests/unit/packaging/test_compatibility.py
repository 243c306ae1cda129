"""docs/compatibility.md says what the code does: every test, refusal and list in it is real."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import transformers as hf

from steersman_server.admission.request import SteeringRequest
from steersman_vectors.plan import MAX_TERMS
from tests.engine.test_architectures import ARCHITECTURES
from tests.unit.vectors.test_template_families import FAMILIES
from vllm_steersman import compat

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/compatibility.md").read_text()


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """Returns the cells of a section's table, without its heading."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}


def refusals(**differs) -> list[str]:
    """Returns what is refused with every option on that the plugin looks at."""
    model = SimpleNamespace(
        enable_sleep_mode=True, is_encoder_decoder=True, runner_type="pooling",
        hf_text_config=hf.DeepseekV3Config(), dtype=torch.float16, architecture="CohereForCausalLM",
    )  # fmt: skip
    parallel = SimpleNamespace(
        use_ubatching=True, use_sequence_parallel_moe=True, enable_hc_sp=True,
        prefill_context_parallel_size=2, enable_elastic_ep=True, enable_fault_tolerance=True,
        world_size=2, data_parallel_size=1,
    )  # fmt: skip
    options = {
        "speculative_config": "ngram", "use_v2_model_runner": True, "model_config": model,
        "scheduler_config": SimpleNamespace(async_scheduling=True), "parallel_config": parallel,
        "kv_transfer_config": "connector",
        "compilation_config": SimpleNamespace(pass_config=SimpleNamespace(enable_sp=True)),
        "cache_config": SimpleNamespace(
            kv_sharing_fast_prefill=True, enable_prefix_caching=True
        ),
    } | differs  # fmt: skip
    config = SimpleNamespace(**options)
    return compat.refused_features(config, token_scale=True, reads=True, capture=True)


def test_every_test_that_is_named_exists():
    named = re.findall(r"`((?:unit|engine|engine_v2|gpu|e2e)/[\w/]+\.py)(?:::(\w+))?`", PAGE)
    assert len(named) > 20
    for file, test in named:
        path = ROOT / "tests" / file
        assert path.is_file(), file
        assert not test or test in functions_of(path), f"{file} has no {test}"


def test_every_path_is_shown_by_a_test():
    assert [row[0] for row in rows("Ways through the engine") if "::test_" not in row[2]] == []


def test_what_is_refused_at_start_is_in_the_table_word_for_word():
    said = [row[0] for row in rows("Refused when the server or the engine starts")]
    assert sorted(said) == sorted({*refusals(), *refusals(use_v2_model_runner=False)})


def test_what_is_refused_per_request_has_a_code_of_ours():
    sources = [*(ROOT / "plugins").rglob("*.py"), *(ROOT / "server").rglob("*.py")]
    sources += (ROOT / "vectors/steersman_vectors").rglob("*.py")
    source = "".join(path.read_text() for path in sources)
    ours = set(re.findall(r'code="(\w+)"', source))
    assert 'code=f"{what}_conflict"' in source
    ours |= {f"{what}_conflict" for what in re.findall(r'_agreed\("(\w+)"', source)}
    for what, codes in rows("Refused per request"):
        assert set(re.findall(r"`(\w+)`", codes)) <= ours, what


def test_no_refusal_of_intake_or_of_a_vector_is_missing():
    named = set(re.findall(r"`(\w+)`", "".join(c for _, c in rows("Refused per request"))))
    vectors = ROOT / "vectors/steersman_vectors"
    sources = [ROOT / "plugins/vllm_steersman/intake.py", vectors / "plan.py", vectors / "reach.py"]
    made = {c for path in sources for c in re.findall(r'code="(\w+)"', path.read_text())}
    made |= {"scale_not_served", "vector_layers_not_served"}  # of engine_contract.why_not_served
    assert made - {"engine_option_unsupported"} <= named  # that one ends the start


def test_how_many_vectors_a_request_may_have_is_what_the_code_takes():
    limits = SteeringRequest.model_fields["vectors"].metadata
    (in_field,) = [limit.max_length for limit in limits if hasattr(limit, "max_length")]
    (row,) = [row for row in rows("Ways through the engine") if "vectors per request" in row[0]]
    assert row[0].startswith(
        f"up to {MAX_TERMS} vectors per request ({in_field} in the `steering` field)"
    )
    said = [row[0] for row in rows("Refused per request") if row[0].startswith("more than")]
    assert [int(n) for n in re.findall(r"\d+", said[0])] == [MAX_TERMS, in_field]


def test_the_architectures_are_those_that_are_tested():
    table = {row[0]: row[1:] for row in rows("Architectures")}
    in_one_test = set(table) - {"llama", "idefics3"}
    assert in_one_test == set(ARCHITECTURES)
    by_norm = {name for name, word in table.values() if word == "yes"}
    assert by_norm == compat.TOKEN_SCALE_ARCHITECTURES


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_is_the_class_that_hugging_face_names(name):
    (row,) = [row for row in rows("Architectures") if row[0] == name]
    assert row[1] == ARCHITECTURES[name].model.__name__


def test_the_template_families_are_those_that_are_tested():
    listed = section("Chat templates").split("\n\n")[1]
    assert set(listed.split(", ")) == {name.split()[0] for name in FAMILIES} - {"llama2"}


def test_the_versions_are_those_that_may_start():
    assert section("vLLM").split(";")[0].strip() == ", ".join(compat.VERIFIED_VERSIONS)
