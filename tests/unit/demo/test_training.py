"""Training: a few steps learn something, save a model that loads, and resume where they stopped."""

from itertools import islice
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from steersman_demo import train as training
from steersman_demo.batches import BATCH_TOKENS, FACT_WEIGHT, USER_WEIGHT, batches
from steersman_demo.tokenizer import train_tokenizer
from steersman_demo.train import Recipe, learning_rate, train

RECIPE = Recipe(seed=3, steps=4, warmup_steps=2, tokenizer_conversations=500, batch_tokens=512)


@pytest.fixture(autouse=True)
def _threads_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training sets two, which spin for each other where other tests keep the cores busy."""
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)


def test_batches_weigh_answers_and_repeat_for_a_seed() -> None:
    tokenizer = train_tokenizer(0, 500)
    first, again = (next(batches(tokenizer, 5)) for _ in range(2))
    assert torch.equal(first.ids, again.ids)
    assert first.ids.numel() <= BATCH_TOKENS
    known = torch.tensor([0.0, USER_WEIGHT, 1.0, FACT_WEIGHT])
    assert torch.isin(first.weights, known).all()
    spoken = tokenizer.decode(first.ids[0][first.weights[0] >= 1.0])
    assert "<|im_start|>" not in spoken
    assert spoken.endswith("<|im_end|>")


def test_learning_rate_warms_up_and_decays() -> None:
    rates = [learning_rate(step, Recipe(steps=1000)) for step in range(1000)]
    assert max(rates) == pytest.approx(Recipe.peak_lr)
    assert rates[0] < rates[50] < rates[99]
    assert rates[-1] < 2 * Recipe.final_lr


def test_smoke_training_saves_a_model_that_loads(tmp_path: Path) -> None:
    train(RECIPE, tmp_path / "model", tmp_path / "checkpoint.pt", compiled=False)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert model.dtype == torch.bfloat16
    assert model.generation_config.eos_token_id == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert not (tmp_path / "checkpoint.pt").exists()


def test_interrupted_training_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_EVERY", 2)
    train(RECIPE, tmp_path / "whole", tmp_path / "a.pt", compiled=False)

    class PowerCutError(Exception):
        pass

    def stream(*args: object) -> object:
        yield from islice(batches(*args), 3)  # type: ignore[arg-type]
        raise PowerCutError

    with monkeypatch.context() as broken:
        broken.setattr(training, "batches", stream)
        with pytest.raises(PowerCutError):
            train(RECIPE, tmp_path / "resumed", tmp_path / "b.pt", compiled=False)
    train(RECIPE, tmp_path / "resumed", tmp_path / "b.pt", compiled=False)
    files = [tmp_path / name / "model.safetensors" for name in ("whole", "resumed")]
    assert files[0].read_bytes() == files[1].read_bytes()
