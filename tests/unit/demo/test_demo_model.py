"""What is shipped: the model answers, the vectors belong to it and turn its tone and length."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from steersman_demo import heldout
from steersman_demo.library import NAMES
from steersman_demo.library import load as load_from
from steersman_demo.sample import sample
from steersman_demo.steering import UNSTEERED, Steering, steering_of
from steersman_vectors.fingerprint import fingerprint
from steersman_vectors.schedule import CONSTANT
from steersman_vectors.vector import SteeringVector

from .evaluate import Scores, score

VECTORS = Path(__file__).parents[3] / "vectors"
MODEL_DIR = VECTORS / "demo-model"
PROMPTS = heldout.prompts(48, seed=31)


def load(name: str) -> SteeringVector:
    return load_from(VECTORS / "library", name)


def dosed(name: str, sign: int) -> Steering:
    vector = load(name)
    strong = vector.card.presets["strong"].alpha
    return steering_of([(vector, sign * strong)], vector.card.schedule or CONSTANT)


@pytest.fixture(scope="module")
def scores() -> dict[str, Scores]:
    tokenizer = AutoTokenizer.from_pretrained(MODEL_DIR)
    model = AutoModelForCausalLM.from_pretrained(MODEL_DIR, dtype=torch.float32).eval()
    chats = [prompt.messages for prompt in PROMPTS]
    settings = {
        "unsteered": UNSTEERED,
        "warm": dosed("empathy", 1),
        "cold": dosed("empathy", -1),
        "short": dosed("concise", 1),
        "long": dosed("concise", -1),
    }
    return {
        name: score(PROMPTS, sample(model, tokenizer, chats, steering))
        for name, steering in settings.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_vectors_belong_to_the_model(name: str) -> None:
    card = load(name).card
    assert card.fingerprint == fingerprint(MODEL_DIR).digest
    assert (card.scope, card.scale) == ("assistant", "residual")


@pytest.mark.parametrize("name", ["unsteered", "warm", "cold", "short", "long"])
def test_facts_survive_and_answers_end(scores: dict[str, Scores], name: str) -> None:
    assert scores[name].facts.mean > 0.85
    assert scores[name].degenerate.mean < 0.08


def test_empathy_turns_the_tone(scores: dict[str, Scores]) -> None:
    assert scores["cold"].warm.mean < 0.15 < scores["unsteered"].warm.mean
    assert scores["unsteered"].warm.mean < 0.75 < scores["warm"].warm.mean


def test_concise_turns_the_length(scores: dict[str, Scores]) -> None:
    short, plain, long = (scores[name].words.mean for name in ("short", "unsteered", "long"))
    assert short < plain < long
    assert long - short > 12
