"""A calibration end to end on a planted engine: found, confirmed, kept, gone on with, refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from steersman_vectors.calibrate.order import Asking, Measured, Order, bound
from steersman_vectors.calibrate.prompts import half_of, split
from steersman_vectors.calibrate.record import Calibration
from steersman_vectors.calibrate.run import Calibrated, calibrate
from steersman_vectors.errors import CallerError
from steersman_vectors.formats import native
from steersman_vectors.judges.by_text import ByText
from steersman_vectors.judges.contract import Measure, Verdict

from .planted_engine import PlantedEngine, planted_order, planted_vector, prompts

STRENGTH = {(0, 1, 2): 3.0, (1,): 1.0, (0, 1): 0.02}


def engine(**changed) -> PlantedEngine:
    return PlantedEngine(strength=STRENGTH.__getitem__, **changed)


@dataclass(frozen=True)
class Whole:
    """A calibration that nothing disturbed."""

    order: Order
    engine: PlantedEngine
    done: Calibrated
    told: list[tuple[int, int]]
    folder: Path


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Whole:
    order, booted, told = planted_order(), engine(), []
    folder = tmp_path_factory.mktemp("whole")
    done = calibrate(booted, order, folder, lambda *at: told.append(at))
    return Whole(order, booted, done, told, folder)


def test_a_dial_is_found_confirmed_and_written_with_its_evidence(whole):
    order, booted, told, done = whole.order, whole.engine, whole.told, whole.done
    record, card = done.record, done.vector.card
    assert record.why_none is None
    assert record.layer_set in ("own", "single")  # either does it; 0,1 hardly does anything
    layers = {"own": (0, 1, 2), "single": (1,)}[record.layer_set]
    assert done.vector.layers == layers
    cliff = 2.0 / STRENGTH[layers]
    assert cliff * 0.8 < record.alpha_max <= cliff
    assert record.cliff_seen
    assert list(card.presets) == ["low", "medium", "strong"]
    alphas = [preset.alpha for preset in card.presets.values()]
    assert alphas == sorted(alphas)
    assert alphas[-1] <= card.alpha_max == record.alpha_max
    for name, preset in card.presets.items():
        held = record.presets[name].heldout
        assert held.failed == ()
        said = preset.evidence["changes"]["keywords:warm"]
        assert said["value"] == pytest.approx(held.changes["keywords:warm"].value, rel=1e-3)
        assert said["low"] > 0
        assert said["n"] == record.prompts["heldout"]
        assert preset.evidence["figures"]["kl"]["high"] <= 0.1
    # A third, two thirds and nearly all of what is reached.
    shifts = [record.presets[n].calibration.changes["keywords:warm"].value for n in card.presets]
    assert shifts[0] / shifts[2] == pytest.approx(1 / 2.85, abs=0.15)
    assert shifts[1] / shifts[2] == pytest.approx(2 / 2.85, abs=0.15)
    (prompted,) = record.prompted
    assert prompted.changes["keywords:warm"].low > 0
    assert card.quality["calibration"]["prompted"][0]["system_prompt"] == "Answer warmly."
    assert card.quality["layers"] == {
        layer: {"snr": float(int(layer) + 1)} for layer in map(str, layers) if int(layer) < 2
    }
    assert card.recipe["command"] == "steersman vectors extract ..."
    assert card.recipe["calibration"]["judge"] == "keywords:warm.txt"
    assert {each.alpha for each in record.examples} >= {0.0, *alphas}
    assert native.loads(native.dumps(done.vector)).card == card
    assert Calibration.model_validate_json(record.model_dump_json()) == record
    most = bound(order)
    assert booted.answered <= most.answers
    assert booted.weighed <= 2 * most.weighings
    assert told[-1][0] == told[-1][1] == max(at for at, _ in told)


def test_a_calibration_that_was_stopped_goes_on_where_it_was(whole, tmp_path):
    order, expected = whole.order, whole.done
    asked = 0
    for stop in (100, 1500, 900, 1):
        stopped = engine(give_up_after=stop)
        with pytest.raises(KeyboardInterrupt):
            calibrate(stopped, order, tmp_path / "parts")
        asked += stopped.answered
    cut = next(iter(sorted((tmp_path / "parts").glob("*.jsonl"))))
    cut.write_bytes(cut.read_bytes() + b'{"id": "cut in the mid')
    last = engine()
    done = calibrate(last, order, tmp_path / "parts")
    assert asked + last.answered == whole.engine.answered
    assert done.record.model_copy(update={"seconds": 0}) == expected.record.model_copy(
        update={"seconds": 0}
    )
    assert done.vector.card == expected.vector.card
    again = engine()
    calibrate(again, order, tmp_path / "parts")
    assert (again.answered, again.weighed) == (0, 0)


def test_a_vector_that_passes_no_gate_is_written_without_presets_and_says_so(tmp_path):
    done = calibrate(engine(cliff=0.0), planted_order(), tmp_path)
    assert done.record.presets == {}
    assert done.record.alpha_max is None
    assert "no setting passes the gates; even layers" in done.record.why_none
    assert "degenerate 1 (" in done.record.why_none
    card = done.vector.card
    assert card.presets == {}
    assert card.quality["calibration"]["why_no_presets"] == done.record.why_none
    assert done.vector.layers == (0, 1, 2)


def test_what_breaks_on_the_other_half_is_not_offered(tmp_path):
    order = planted_order()
    held = {each.messages[-1].content for each in order.prompts.of("heldout", "prompts")}
    done = calibrate(engine(breaks=held.__contains__), order, tmp_path)
    assert done.record.presets
    assert not any(each.confirmed for each in done.record.presets.values())
    assert done.record.why_none.startswith("no preset is confirmed on the held-out half: low: ")
    assert done.vector.card.presets == {}
    assert done.vector.card.alpha_max is None
    assert set(done.vector.card.quality["calibration"]["not_confirmed"]) == set(done.record.presets)


def test_the_dial_goes_the_way_that_was_asked(tmp_path):
    order = replace(planted_order(), toward="lower")
    done = calibrate(engine(), order, tmp_path)
    assert "no more than chance" in done.record.why_none


def test_too_few_prompts_are_refused_before_anything_is_asked(tmp_path):
    booted = engine()
    with pytest.raises(CallerError, match="not enough prompts to decide"):
        calibrate(booted, planted_order(100), tmp_path)
    assert booted.answered == 0


def test_halves_are_of_what_is_asked_and_never_leak():
    given = prompts(400)
    found = split({"prompts": given})
    halves = [found.of("calibration", "prompts"), found.of("heldout", "prompts")]
    assert sorted(p.id for half in halves for p in half) == sorted(f"prompts/{p.id}" for p in given)
    assert all(170 <= len(half) <= 230 for half in halves)
    loud = [replace(p, messages=tuple(replace(m, content=m.content.upper()) for m in p.messages))
            for p in given]  # fmt: skip
    assert [half_of(p) for p in loud] == [half_of(p) for p in given]
    with pytest.raises(CallerError, match="asked in the calibration half too") as leak:
        split({"prompts": given[:10]}, {"prompts": loud[9:20]})
    assert leak.value.code == "prompts_leak"
    apart = split({"prompts": given[:10]}, {"prompts": given[10:30]})
    assert (apart.fewest("prompts"), len(apart.of("heldout"))) == (10, 20)
    with pytest.raises(CallerError, match="one half"):
        split({"prompts": given[:1]})


def test_the_answers_of_another_vector_are_not_taken_for_its_own(whole):
    second = engine()
    calibrate(second, planted_order(vector=planted_vector(seed=1)), whole.folder)
    assert second.answered == whole.engine.answered


class Drawn(PlantedEngine):
    """Says with which seed it was asked."""

    def say(self, ask):
        answer = super().say(ask)
        return replace(answer, text=f"{answer.text} seed{ask.seed}")


def test_several_answers_to_a_prompt_are_one_value_and_compared_on_their_own_draws(whole, tmp_path):
    """The planted engine answers alike whatever is drawn: nothing may be found more surely."""
    seen: set[str] = set()

    def same_draw(item):
        own, base = item.answer.text.split()[-1], item.baseline.text.split()[-1]
        seen.add(own)
        return Verdict(float(own == base))

    asking = Asking(temperature=0.8, samples=2, max_tokens=64)
    draws = Measured("same", "prompts", ByText(Measure("same", "higher", 0, 1, "share"), same_draw))
    order = planted_order(asking=asking, measured=(*whole.order.measured, draws))
    booted = Drawn(strength=STRENGTH.__getitem__)
    record = calibrate(booted, order, tmp_path).record
    assert booted.answered == 2 * whole.engine.answered <= bound(order).answers
    assert bound(order).steps == 2 * bound(whole.order).steps
    alone = whole.done.record
    assert record.samples == 2
    assert record.layer_set == alone.layer_set
    assert record.alpha_max == alone.alpha_max
    for name, preset in alone.presets.items():
        ours = record.presets[name]
        assert ours.alpha == preset.alpha
        for measure, estimate in preset.heldout.figures.items():
            if measure == "keywords:warm":
                continue  # a word more, so less dense
            found = ours.heldout.figures[measure]
            assert found.n == estimate.n
            for field in ("value", "low", "high"):
                assert getattr(found, field) == pytest.approx(getattr(estimate, field), abs=1e-9)
    assert len(seen) > len(order.prompts.of("calibration", "prompts"))
    for point in record.curve:
        assert point.figures["same"].value == 1
