"""A calibration of the demo's own vector by the real engine, and two vectors as one sum."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from steersman_demo.heldout import prompts as heldout_prompts
from steersman_demo.judges import warm
from steersman_vectors.calibrate.gates import Bounds, gates_of
from steersman_vectors.calibrate.joint import combined
from steersman_vectors.calibrate.order import Asking, Measured, Order
from steersman_vectors.calibrate.prompts import split
from steersman_vectors.calibrate.run import calibrate
from steersman_vectors.calibrate.search import Space
from steersman_vectors.formats import native
from steersman_vectors.judges.facts import facts_judge
from steersman_vectors.judges.findings import finding_judge
from steersman_vectors.message import Message
from steersman_vectors.sweep.contract import Ask, Dose
from steersman_vectors.sweep.grid import LayerSet
from steersman_vectors.sweep.prompts import SweepPrompt
from vllm_steersman.offline_engine import VllmEngine, open_engine

pytestmark = pytest.mark.engine

VECTORS = Path(__file__).parents[2] / "vectors"
# Of 40 prompts, 20 or so in either half: the gates must be as loose as that.
LOOSE = Bounds(degenerate=0.4, kl=2.0, facts_drop=0.4, refusal_rise=0.4)


@pytest.fixture(scope="module")
def engine() -> Iterator[VllmEngine]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        environment.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        with open_engine(
            VECTORS / "demo-model", layers=None, max_num_seqs=32, dtype="float32"
        ) as booted:
            yield booted


def library(name: str):
    return native.load(VECTORS / "library" / name / "vector.safetensors")


def asked(count: int) -> list[SweepPrompt]:
    return [
        SweepPrompt(
            str(at),
            tuple(Message(turn["role"], turn["content"]) for turn in prompt.messages),
            [[fact] for fact in prompt.truth.facts],
        )
        for at, prompt in enumerate(heldout_prompts(count, 11))
    ]


class Silent:
    """The engine, of which nothing may be asked any more."""

    def __init__(self, engine: VllmEngine) -> None:
        self.layers, self.fingerprint, self.load = engine.layers, engine.fingerprint, engine.load

    def answer(self, asks):
        assert list(asks) == []
        return iter(())

    weigh = answer


@pytest.mark.soak  # four minutes: hundreds of answers
@pytest.mark.timeout(1200)
def test_the_demo_gets_its_dial_and_is_asked_nothing_twice(engine, tmp_path):
    order = Order(
        vector=library("empathy"),
        model=engine.fingerprint,
        space=Space(
            (LayerSet("own", None),), (0.25, 0.5), gates_of(LOOSE, facts=True, unsafe=False), 0
        ),
        prompts=split({"prompts": asked(40)}),
        behaviour="warm",
        measured=(
            Measured("warm", "prompts", warm()),
            Measured("degenerate", "prompts", finding_judge("degenerate")),
            Measured("refusal", "prompts", finding_judge("refusal")),
            Measured("facts", "prompts", facts_judge()),
        ),
        asking=Asking(max_tokens=80),
        schedule=library("empathy").card.schedule,
        system_prompts=("Be kind.",),
    )
    done = calibrate(engine, order, tmp_path)
    record = done.record
    assert record.why_none is None
    strong = record.presets["strong"]
    assert strong.confirmed
    assert strong.heldout.figures["warm"].value > record.unsteered["warm"].value
    assert strong.heldout.changes["warm"].low > 0
    assert 0 < strong.heldout.figures["kl"].value < 2
    assert record.unsteered["facts"].value > 0.7
    assert record.prompted[0].figures["warm"].n == record.prompts["heldout"]
    assert native.loads(native.dumps(done.vector)).card.presets["strong"].evidence["half"]
    texts = {each.alpha: each.text for each in record.examples}
    assert texts[0.0] != texts[strong.alpha]

    again = calibrate(Silent(engine), order, tmp_path)
    assert again.record.model_copy(update={"seconds": record.seconds}) == record


@pytest.mark.timeout(1200)
def test_two_vectors_are_the_vector_of_their_sum(engine):
    one, other = library("empathy"), library("concise")
    schedule = one.card.schedule
    digests = [engine.load(one), engine.load(other)]
    both = engine.load(combined([(one, 0.7), (other, -0.4)]))
    two = Dose(((digests[0], 0.7), (digests[1], -0.4)), schedule=schedule)
    sums = Dose(((both, 1.0),), schedule=schedule)
    asks = [Ask(each.messages, dose, max_tokens=24) for each in asked(6) for dose in (two, sums)]
    answers = dict(engine.answer(asks))
    for at in range(0, len(asks), 2):
        assert answers[at].token_ids == answers[at + 1].token_ids
        assert answers[at].logprobs == pytest.approx(answers[at + 1].logprobs, abs=1e-4)
