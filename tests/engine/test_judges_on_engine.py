"""Likelihood and KL by the engine that serves are those of Hugging Face forwards with hooks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from steersman_vectors.extract.contract import Read
from steersman_vectors.extract.hf import open_source
from steersman_vectors.judges.contract import Judgeable
from steersman_vectors.judges.likelihood import DivergenceJudge, SurprisalJudge
from steersman_vectors.judges.readout_file import along, judges_along
from steersman_vectors.judges.readout_model import PromptTokens, SourceOnDemand, end_tokens_of
from steersman_vectors.message import Message
from steersman_vectors.sweep.contract import UNSTEERED, Answer, Ask, Dose
from tests.engine.engines import TOLERANCE, make_vectors
from tests.tiny_model import TEXT
from tests.unit.vectors.judges.answers import judged
from tests.unit.vectors.judges.tiny_engine import TinyEngine
from vllm_steersman.offline_engine import VllmEngine, open_engine

pytestmark = pytest.mark.engine

VOCABULARY = 320


@pytest.fixture(scope="module")
def engine(model_dir) -> Iterator[VllmEngine]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        environment.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        with open_engine(
            model_dir, layers=None, max_num_seqs=8, dtype="float32", max_model_len=512
        ) as booted:
            yield booted


def test_judges_agree_on_either_engine(engine: VllmEngine, model_dir) -> None:
    vector = make_vectors()["unit"]
    digest = engine.load(vector)
    slow = TinyEngine(model_dir)
    slow.vectors[digest] = {
        layer: torch.tensor(direction) for layer, direction in vector.directions.items()
    }
    items = []
    for at, (prompt, said) in enumerate([(TEXT[0], TEXT[2]), (TEXT[1], TEXT[3]), (TEXT[3], "yes")]):
        ids = tuple(slow.tokenizer(said)["input_ids"])
        answer = Answer(said, "stop", ids, (0.0,) * len(ids))
        for dose in (UNSTEERED, Dose(((digest, 0.5 * (at + 1)),)), Dose(((digest, 8.0),))):
            items.append(Judgeable((Message("user", prompt),), answer, dose, baseline=answer))

    for make in (
        SurprisalJudge,
        lambda one: DivergenceJudge(one, top=VOCABULARY),
        DivergenceJudge,
    ):
        ours = [each.value for each in judged(make(engine), *items)]
        theirs = [each.value for each in judged(make(slow), *items)]
        assert ours == pytest.approx(theirs, abs=10 * TOLERANCE)

    exact = judged(DivergenceJudge(engine, top=VOCABULARY), *items)
    for bound, whole in zip(judged(DivergenceJudge(engine), *items), exact, strict=True):
        assert 0 <= bound.value <= whole.value + TOLERANCE
    assert [each.value for each in exact[::3]] == [0.0, 0.0, 0.0]
    assert all(each.value > 0.01 for each in exact[2::3])


def test_read_outs_read_what_the_engine_said(engine: VllmEngine, model_dir) -> None:
    """Prompts are rendered as the engine does, and states are a plain forward's."""
    vector = make_vectors()["unit"]
    slow = TinyEngine(model_dir)
    prompts = [(Message("user", text),) for text in TEXT]
    prompts.append((Message("system", TEXT[1]), Message("user", "Hi"), Message("assistant", "Yes"),
                    Message("user", TEXT[0])))  # fmt: skip
    tokens = PromptTokens(model_dir)
    assert [tokens(each) for each in prompts] == [slow.prompt_ids(each) for each in prompts]
    asks = [Ask(messages, max_tokens=12) for messages in prompts]
    answers = dict(engine.answer(asks))
    items = [Judgeable(messages, answers[at]) for at, messages in enumerate(prompts)]
    wanted = {"it": along(vector, "unit", 2)}
    with SourceOnDemand(open_source, model_dir, [2]) as source:
        judges = judges_along(wanted, source, tokens, end_tokens_of(model_dir))
        said = judged(judges["it"], *items)
    for item, verdict in zip(items, said, strict=True):
        prompt = slow.prompt_ids(item.messages)
        answer = tuple(token for token in item.answer.token_ids if token not in {1})
        if not answer:
            assert verdict.value is None
            continue
        whole = (*prompt, *answer)
        ((_, seen),) = slow.read([Read(whole, ((len(prompt), len(whole)),))])
        norm = vector.card.layers[2].residual_norm or 1.0
        expected = seen.mean[0, 2] @ vector.directions[2] / norm
        assert verdict.value == pytest.approx(expected, abs=1e-3)
