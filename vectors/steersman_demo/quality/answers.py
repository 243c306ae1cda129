"""Answers of the demo model, unsteered to far over-steered: what the detectors are measured on.

Truth is the demo's own judge, which knows every word that the corpus can say.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from steersman_demo import heldout, judge
from steersman_demo.heldout import Prompt
from steersman_demo.sample import sample
from steersman_demo.steering import UNSTEERED, Steering, steering_of
from steersman_vectors.schedule import CONSTANT, AnySchedule
from steersman_vectors.vector import SteeringVector, from_differences

ALPHAS = (-4.0, 1.0, 2.0, 4.0, 8.0, 16.0)
"""In halves of the raw difference: 1 is about what the shipped vectors add at `strong`."""
LAYERS = (1, 2, 4)
UNSTEERED_ANSWERS = 84
ANSWERS = 12
"""Of each vector, layer, schedule and alpha."""
PAIRS = 120
"""Conversations that directions of layers other than the shipped ones are read off."""
TEMPERATURE = 0.8


@dataclass(frozen=True)
class Steered:
    """One answer, how it was made, and the truth about it."""

    vector: str
    """`none` without steering."""
    layer: int
    schedule: str
    """`header`: on the token before the answer only; `constant`: on every token of it."""
    alpha: float
    prompt: str
    """The user's latest turn."""
    text: str
    finish_reason: str
    degenerate: bool
    """As `judge.is_degenerate` says."""
    looped: bool
    """As `judge.loops` says."""


def generate(model_dir: Path, library: Path) -> Iterator[Steered]:
    """Yields all answers; the same each time on the same machine."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)  # batches are small: more threads wait for each other
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32).eval()

    def answers(prompts: Sequence[Prompt], steering: Steering, seed: int) -> Iterator[Answered]:
        chats = [prompt.messages for prompt in prompts]
        given = sample(model, tokenizer, chats, steering, TEMPERATURE, seed)
        for prompt, answer in zip(prompts, given, strict=True):
            yield prompt.messages[-1]["content"], answer.text, answer.finish_reason

    for each in answers(heldout.prompts(UNSTEERED_ANSWERS, seed=1), UNSTEERED, 0):
        yield _judged("none", 0, "constant", 0.0, *each)
    for seed, (vector, layer, name, schedule, alpha) in enumerate(_configurations(
        model, tokenizer, library
    ), 1):  # fmt: skip
        steering = steering_of([(vector, alpha)], schedule)
        for each in answers(heldout.prompts(ANSWERS, seed=100 + seed), steering, seed):
            yield _judged(vector.card.name, layer, name, alpha, *each)


Answered = tuple[str, str, str]
"""User's turn, answer, finish reason."""


def _configurations(
    model: object, tokenizer: object, library: Path
) -> Iterator[tuple[SteeringVector, int, str, AnySchedule, float]]:
    from steersman_demo.library import NAMES, load

    for shipped in (load(library, name) for name in NAMES):
        for layer in LAYERS:
            own = layer in shipped.layers
            made = _shipped_at if own else partial(_at_layer, model, tokenizer)
            vector = made(shipped, layer)
            for name, schedule in (("header", shipped.card.schedule), ("constant", CONSTANT)):
                for alpha in ALPHAS:
                    yield vector, layer, name, schedule or CONSTANT, alpha


def _shipped_at(shipped: SteeringVector, layer: int) -> SteeringVector:
    """The shipped direction at that block, from the centre to the behaviour."""
    raw_norm = shipped.card.layers[layer].raw_norm
    assert raw_norm is not None, "`extract` measures it"
    half = raw_norm / 2 * shipped.directions[layer]
    return from_differences({layer: half}, name=shipped.card.name, scale="raw")


def _at_layer(
    model: object, tokenizer: object, shipped: SteeringVector, layer: int
) -> SteeringVector:
    """The direction of the same contrast at another block."""
    from steersman_demo.directions import centred_difference, contrast_chats, last_token_states

    name = shipped.card.name
    toward, away = (
        last_token_states(model, tokenizer, chats)[layer]  # type: ignore[arg-type]
        for chats in contrast_chats(name, PAIRS)
    )
    difference = centred_difference(toward, away).numpy()
    return from_differences({layer: difference}, name=name, scale="raw")


def _judged(
    vector: str, layer: int, schedule: str, alpha: float, prompt: str, text: str, finish: str
) -> Steered:
    return Steered(
        vector, layer, schedule, alpha, prompt, text, finish,
        judge.is_degenerate(text, finish), judge.loops(text),
    )  # fmt: skip


def write(path: Path, answers: Sequence[Steered]) -> None:
    """Write one line of JSON each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(asdict(each)) + "\n" for each in answers))


def read(path: Path) -> list[Steered]:
    """Read what `write` wrote."""
    return [Steered(**json.loads(line)) for line in path.read_text().splitlines()]
