"""The page: it stands alone, says what the records say, and data stay data."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman_vectors.calibrate.record import Calibration, Estimate, ExampleAnswer, Gate
from steersman_vectors.formats import native
from steersman_vectors.quality.judge import judge
from steersman_vectors.report import number_text
from steersman_vectors.report.contents import Contents
from steersman_vectors.report.dial import letter, side_measures
from steersman_vectors.report.page import page
from steersman_vectors.vector import SteeringVector

from . import samples
from .reading import number, of_class, plots, read, sections, table, text

HOSTILE = "</style><script>alert(1)</script> | \"quoted\" 'single' & <img src=x onerror=y> `a`"


def contents(record: Calibration | None, vector: SteeringVector | None = None) -> Contents:
    made = vector or samples.vector()
    return Contents(made.card, native.digest(native.dumps(made)), record)


ALL = {
    "calibrated": lambda: contents(samples.calibration()),
    "failed": lambda: contents(samples.failing()),
    "bare": lambda: contents(None, samples.vector(tuple(range(32)), of=32)),
    "imported": lambda: contents(None, samples.vector(quality={}, recipe={}, data_hash="")),
}


class _Tags(HTMLParser):
    """What a lenient reader makes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs


@pytest.mark.parametrize("name", ALL)
def test_the_page_needs_nothing_else_and_runs_nothing(name: str) -> None:
    data = page(ALL[name]()).decode()
    seen = _Tags()
    seen.feed(data)
    assert not seen.tags & {"script", "link", "iframe", "object", "embed", "img", "a", "base"}
    names = {name for name, _ in seen.attributes}
    assert not names & {"src", "href", "xlink:href", "srcset", "style"}
    assert not [name for name in names if name.startswith("on")]
    addresses = re.findall(r"\w+://[^\s\"'<)]+", data)
    assert set(addresses) <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in data
    assert "url(" not in data
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:") in (
        seen.attributes
    )


@pytest.mark.parametrize("name", ALL)
def test_the_same_contents_give_the_same_bytes(name: str) -> None:
    assert page(ALL[name]()) == page(ALL[name]())


@pytest.mark.parametrize("name", ALL)
def test_every_picture_says_what_it_shows_and_stays_within_its_edges(name: str) -> None:
    for plot in plots(read(ALL[name]())):
        assert plot.get("role") == "img"
        assert plot.get("aria-label")
        _, _, width, height = map(float, plot.get("viewBox", "").split())
        for each in plot.iter():
            for axis, most in (("x", width), ("cx", width), ("y", height), ("cy", height)):
                assert 0 <= float(each.get(axis, 0)) <= most
            for pair in each.get("points", "").split():
                at_x, at_y = map(float, pair.split(","))
                assert 0 <= at_x <= width
                assert 0 <= at_y <= height


def test_the_dots_stand_where_the_figures_are() -> None:
    """Read back as a person would: by the axis, not by the code that drew it."""
    record = samples.calibration()
    points = [each for each in record.curve if each.layer_set == "single"]
    for plot in plots(sections(read(contents(record)))["Dose and response"]):
        dots = [each for each in of_class(plot, "dot")]
        assert len(dots) == len(points)
        ticks = [(float(t.get("y", 0)) - 4, number(text(t))) for t in of_class(plot, "tick end")]
        main = [tick for tick in ticks if tick[0] < 300][:6]
        (y0, v0), (y1, v1) = main[0], main[-1]
        for dot, point in zip(dots, points, strict=True):
            read_off = v0 + (float(dot.get("cy", 0)) - y0) / (y1 - y0) * (v1 - v0)
            assert read_off == pytest.approx(point.figures["warm"].value, abs=0.002)
            assert ("failed" in dot.get("class", "")) == bool(point.failed)


def test_the_table_behind_the_curve_has_every_figure() -> None:
    record = samples.calibration()
    head, *rows = table(sections(read(contents(record)))["Dose and response"])
    assert head == ["alpha", "warm", "degenerate", "answers", "gates failed"]
    points = [each for each in record.curve if each.layer_set == "single"]
    assert len(rows) == len(points)
    for row, point in zip(rows, points, strict=True):
        assert number(row[0]) == point.alpha
        for cell, measure in ((row[1], "warm"), (row[2], "degenerate")):
            found = point.figures[measure]
            shown = [number(each + "%") for each in re.findall(r"[\d.]+(?=%)", cell)]
            assert shown == pytest.approx([found.value, found.low, found.high], abs=0.00051)
        assert row[4] == (", ".join(point.failed) or "none")


def test_side_effects_and_prompting_have_every_figure() -> None:
    record = samples.calibration()
    found = sections(read(contents(record)))
    effects = {row[0].split(" ")[0]: row for row in table(found["Side effects"])}
    beside = {row[0]: row for row in table(found["Beside prompting"])}
    for measure in side_measures(record):
        told = record.measures[measure]
        assert number(effects[measure][2]) == pytest.approx(
            record.unsteered[measure].value, abs=0.006, rel=0.01
        )
        for column, preset in enumerate(record.presets.values(), 3):
            now = preset.heldout.figures[measure]
            shown = number_text.estimate_parts(now, told)[0]
            assert number(shown) == pytest.approx(now.value, abs=0.051, rel=0.02)
            assert effects[measure][column].startswith(shown)
            change = preset.heldout.changes.get(measure)
            if change is not None and measure != "degenerate":
                low, high = number_text.change_parts(change, told)[1:]
                assert effects[measure][column].endswith(f"{low} to {high}")
    for index, each in enumerate(record.prompted):
        row = beside[f"prompt {letter(index)}"]
        assert number(row[1]) == pytest.approx(each.figures["warm"].value, abs=0.00051)
        assert each.system_prompt in text(found["Beside prompting"])


def test_heat_maps_have_every_setting_and_box_the_presets() -> None:
    record = samples.calibration()
    section = sections(read(contents(record)))["Layers and alphas"]
    for heat, measure in zip(of_class(section, "heat"), ("warm", "degenerate"), strict=True):
        head, *rows = [[text(cell) for cell in row] for row in heat.iter("tr")]
        assert [number(cell) for cell in head[1:]] == sorted(samples.ALPHAS)
        by_name = {row[0]: row[1:] for row in rows}
        for point in record.curve:
            (cells,) = [c for name, c in by_name.items() if name.startswith(point.layer_set)]
            cell = cells[sorted(samples.ALPHAS).index(point.alpha)]
            assert float(cell) == pytest.approx(100 * point.figures[measure].value, abs=0.51)
        assert len(of_class(heat, "chosen")) == len(record.presets)


def curve_of(kinds: list[str], alphas: list[float], most: float | None) -> Calibration:
    """Returns a calibration on one layer set whose points pass, fail or are undecided."""
    gate = Gate(measure="facts", compared="change", at_least=-0.05)
    seen = {
        "passes": Estimate(value=0.0, low=-0.02, high=0.02, n=400),
        "undecided": Estimate(value=-0.04, low=-0.08, high=0.0, n=400),
        "fails": Estimate(value=-0.2, low=-0.3, high=-0.1, n=400),
    }
    points = [
        samples.point(alpha, cliff=50.0).model_copy(
            update={
                "changes": {**samples.point(alpha).changes, "facts": seen[kind]},
                "failed": () if kind == "passes" else ("facts",),
            }
        )
        for kind, alpha in zip(kinds, alphas, strict=True)
    ]
    return samples.calibration(gates=(gate,), curve=tuple(points), presets={}, alpha_max=most,
                               why_none="planted")  # fmt: skip


KINDS = st.lists(st.sampled_from(["passes", "undecided", "fails"]), min_size=1, max_size=8)


@settings(max_examples=40)
@given(KINDS, st.none() | st.integers(1, 8))
def test_the_safe_zone_is_what_passes_all_gates_on_the_way_up(
    kinds: list[str], most: int | None
) -> None:
    """Coherence may end later than facts do: the zone ends where the first gate does."""
    alphas = [0.5 * (at + 1) for at in range(len(kinds))]
    record = curve_of(kinds, alphas, None if most is None else 0.5 * most)
    section = sections(read(contents(record)))["Dose and response"]
    end = None
    for kind, alpha in zip(kinds, alphas, strict=True):
        if kind == "fails" or (record.alpha_max is not None and alpha > record.alpha_max):
            break
        end = alpha if kind == "passes" else end
    for plot in plots(section):
        labels = [text(each) for each in of_class(plot, "zone-label")]
        caps = [text(each) for each in of_class(plot, "cap-label")]
        dots = of_class(plot, "dot")
        if end is None:
            assert labels == []
            assert not of_class(plot, "zone")
        else:
            same = " = alpha_max" if end == record.alpha_max else ""
            assert labels == [f"safe up to {number_text.alpha(end)}{same}"]
            zone = of_class(plot, "zone")[0]
            right = float(zone.get("x", 0)) + float(zone.get("width", 0))
            inside = [
                kind for kind, dot in zip(kinds, dots, strict=True)
                if float(dot.get("cx", 0)) <= right + 0.2
            ]  # fmt: skip
            assert "fails" not in inside
            assert inside[-1] == "passes"
        apart = record.alpha_max is not None and record.alpha_max != end
        assert caps == ([f"alpha_max {number_text.alpha(record.alpha_max)}"] if apart else [])
    undecided = end is not None and "undecided" in kinds[: alphas.index(end)]
    assert ("undecided, their interval" in text(section)) == undecided
    assert ("alpha_max is of coherence alone" in text(section)) == (
        record.alpha_max is not None and record.alpha_max != end
    )


def test_layer_plots_show_the_card_and_mark_the_layers() -> None:
    made = samples.vector((12, 15), of=32)
    section = sections(read(contents(None, made)))["Layers before steering"]
    quality: Any = made.card.quality["layers"]
    shown = {figure.find("figcaption/strong").text: figure for figure in section.iter("figure")}  # type: ignore[union-attr]
    for name in ("probe_accuracy", "consistency", "stability", "snr", "adjacent_cosine"):
        (plot,) = plots(shown[name])
        measured = [each for each in quality.values() if name in each]
        assert len(of_class(plot, "dot")) == len(measured)
        assert len(of_class(plot, "chosen")) == 2
        ticks = [(float(t.get("y", 0)) - 4, number(text(t))) for t in of_class(plot, "tick end")]
        (y0, v0), (y1, v1) = ticks[0], ticks[-1]
        for dot, each in zip(of_class(plot, "dot"), measured, strict=True):
            read_off = v0 + (float(dot.get("cy", 0)) - y0) / (y1 - y0) * (v1 - v0)
            assert read_off == pytest.approx(each[name], abs=0.02 * abs(v1 - v0) + 1e-9)
    assert of_class(shown["probe_accuracy"], "band null")


def test_broken_answers_are_marked_and_those_beyond_the_dial() -> None:
    section = sections(read(contents(samples.calibration())))["Answers along the dial"]
    items = list(section.iter("li"))
    assert len(items) == len(samples.ANSWERS)
    for item, (alpha, said) in zip(items, sorted(samples.ANSWERS.items()), strict=True):
        kinds = (item.get("class") or "").split()
        assert ("broken" in kinds) == judge(samples.QUESTION, said, "stop").degenerate
        assert ("beyond" in kinds) == (alpha > 1.0)
        assert said[:700] in text(item)


def test_no_presets_says_why_and_offers_none() -> None:
    record = samples.failing()
    tree = read(contents(record))
    (status,) = of_class(tree, "status")
    assert text(status) == "Passed no gate: published without presets"
    assert record.why_none is not None
    assert record.why_none in text(sections(tree)["What is missing"])
    assert not of_class(tree, "preset")
    assert not of_class(tree, "zone")


def test_without_a_calibration_the_page_says_what_to_run() -> None:
    tree = read(contents(None))
    assert "steersman vectors calibrate" in text(sections(tree)["What is missing"])
    assert set(sections(tree)) == {"Layers before steering", "What is missing", "How it was made"}


def test_presets_without_their_record_are_told_as_the_card_has_them() -> None:
    presets = {
        "low": {"alpha": 0.25, "evidence": {"warm": {"mean": 0.64, "error": 0.01}, "n": 3000}}
    }
    tree = read(contents(None, samples.vector(presets=presets, alpha_max=1.0)))
    (status,) = of_class(tree, "status")
    assert text(status) == "Presets without their record"
    assert table(sections(tree)["Presets"])[1] == ["low", "0.25", "warm 0.64 ± 0.01; n 3,000"]
    assert "record was not given" in text(sections(tree)["What is missing"])


def test_other_vectors_beside_it_are_told() -> None:
    alone = {"empathy": {"value": -0.02, "low": -0.05, "high": 0.01, "n": 200}}
    tried = {
        "empathy": "low",
        "concise": "strong",
        "against_alone": alone,
        "half": "heldout",
        "failed": ["kl"],
    }
    quality = {"joint": {"concise": {"interference": [tried, 3], "safe": []}, "odd": None}}
    tree = read(contents(samples.calibration(), samples.vector(quality=quality)))
    row = ["low", "concise strong", "empathy −0.02 (−0.05 to 0.01)", "heldout", "kl"]
    assert table(sections(tree)["Beside other vectors"])[1:] == [row]


def test_what_did_not_hold_and_what_never_broke_is_missing() -> None:
    record = samples.calibration()
    strong = record.presets["strong"].model_copy(
        update={"confirmed": False, "why_not": "facts fell by 9 points."}
    )
    presets = {**record.presets, "strong": strong}
    changed = record.model_copy(update={"presets": presets, "cliff_seen": False})
    tree = read(contents(changed))
    said = text(sections(tree)["What is missing"])
    assert "facts fell by 9 points." in said
    assert "Nothing broke up to alpha_max 1" in said
    assert len(of_class(tree, "preset failed mark")) == 2  # the wide picture and the narrow one


def planted(words: str) -> Contents:
    """Returns contents whose every free text is these words."""
    record = samples.calibration()
    named = {"warm": words}

    def renamed(figures: dict[str, Any]) -> dict[str, Any]:
        return {named.get(name, name): each for name, each in figures.items()}

    def point(each: Any) -> Any:
        update = {"figures": renamed(each.figures), "changes": renamed(each.changes)}
        return each.model_copy(update={**update, "layer_set": words})

    strong = record.presets["strong"]
    moved = {"calibration": point(strong.calibration), "heldout": point(strong.heldout)}
    strong = strong.model_copy(update=moved)
    hostile = record.model_copy(
        update={
            "behaviour": words,
            "measures": renamed(record.measures),
            "unsteered": renamed(record.unsteered),
            "curve": tuple(point(each) for each in record.curve if each.layer_set == "single"),
            "presets": {words: strong},
            "prompted": tuple(
                each.model_copy(
                    update={"system_prompt": words, "figures": renamed(each.figures)}
                )
                for each in record.prompted
            ),
            "examples": (ExampleAnswer(prompt=words, alpha=0.5, text=words),),
            "machine": words,
            "why_none": words,
        }
    )  # fmt: skip
    texts = {"description": words, "method": words, "license": words, "data_hash": words}
    made = samples.vector(**texts, recipe={"command": words, words: words})
    return contents(hostile, made)


def shown(words: str) -> str:
    """Returns the words as XML gives them back: without what it cannot hold."""
    marked = re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", words)
    return marked.replace("\r\n", "\n").replace("\r", "\n")


def test_hostile_words_stay_words() -> None:
    tree = read(planted(HOSTILE))
    plain = {each.tag for each in read(contents(samples.calibration())).iter()}
    assert {each.tag for each in tree.iter()} <= plain | {"code", "ul"}
    (lead,) = of_class(tree, "lead")
    assert text(lead) == HOSTILE
    (asked,) = of_class(tree, "asked")
    assert text(asked) == HOSTILE
    assert HOSTILE in text(sections(tree)["How it was made"])
    assert HOSTILE in text(sections(tree)["Beside prompting"])


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(), min_size=1, max_size=60))
def test_any_words_stay_words(words: str) -> None:
    tree = read(planted(words))
    (lead,) = of_class(tree, "lead")
    assert text(lead) == shown(words)
    (item,) = sections(tree)["Answers along the dial"].iter("li")
    assert shown(words)[:700] in text(item)
