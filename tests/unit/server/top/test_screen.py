"""What people see, at the sizes that terminals have."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, RenderableType

from steersman_server.top import figures
from steersman_server.top.compare import compare
from steersman_server.top.frame import Frame
from steersman_server.top.live import pressed
from steersman_server.top.screen import screen, waiting
from steersman_server.top.view import Sort, View

from .scenes import frame, made

VIEW = View("http://127.0.0.1:8000", 1.0, keys=True)


def lines(drawn: RenderableType, width: int, *, colour: bool = False) -> list[str]:
    console = Console(
        record=True, width=width, file=io.StringIO(), highlight=False, markup=False,
        force_terminal=colour, color_system="truecolor" if colour else None,
    )  # fmt: skip
    console.print(drawn)
    return console.export_text(styles=colour).splitlines()


def shown(frame: Frame, width: int, height: int | None = None, view: View = VIEW) -> list[str]:
    return lines(screen(frame, view, width, height), width)


def test_80x24_has_everything_in_its_place() -> None:
    found = shown(frame(), 80, 24)
    assert len(found) == 24
    text = "\n".join(found)
    for said in ("demo", "9f1c27d4", "processes 2", "r418", "kill switch off",
                 "self-test passed", "run 23", "wait 2", "degenerate", "tokens/s",
                 "admission p50", "/step"):  # fmt: skip
        assert said in "\n".join(found[:4]), said
    for name in ("acme-support", "globex", "empathy", "playful", "empathy-dose=low", "billing",
                 "alpha_out_of_range", "safety overrides"):  # fmt: skip
        assert name in text, name
    globex = next(line for line in found if line.startswith("globex"))
    assert "x0.5" in globex
    assert "%!" in globex  # a mark for those who see no colour
    assert found[-1].startswith("q quit  s sort: requests  p pause")


def test_120x40_shows_more_columns() -> None:
    found = shown(frame(), 120, 40)
    assert len(found) == 40
    text = "\n".join(found)
    for said in ("vllm 0.32.0", "http://127.0.0.1:8000", "KV 37%", "token p50", "SAMPLED"):
        assert said in text, said
    assert any("[||||||||| ]" in line for line in found)


@given(st.integers(1, 220), st.integers(1, 60))
def test_no_line_is_wider_and_no_screen_higher(width: int, height: int) -> None:
    found = shown(frame(), width, height)
    assert max(map(cell_len, found)) <= width
    assert len(found) <= height


@given(st.text(max_size=30), st.text(max_size=30), st.integers(20, 130))
def test_names_of_any_kind_keep_their_line(tenant: str, vector: str, width: int) -> None:
    """Labels come from callers: wide characters, markup and escapes stay text in one line."""
    requests = (("tenant", tenant), ("reason", vector), ("outcome", "unsteered"))
    applied = (("vector", vector), ("version", "1"), ("preset", "none"))
    series = {
        "steering_requests_total": {requests: 4.0}, "steering_applied_total": {applied: 2.0},
        "steering_intents_total": {(("intent", tenant),): 1.0},
        "steering_refusals_total": {(("code", vector),): 1.0},
    }  # fmt: skip
    found = shown(compare(made(0), made(1, series)), width, 24)
    assert len(found) == 24
    assert max(map(cell_len, found)) <= width
    assert "\x1b" not in "".join(found)


def test_every_row_is_there_without_a_height() -> None:
    many = {
        (("tenant", f"t{i}"), ("reason", "none"), ("outcome", "unsteered")): i + 1.0
        for i in range(80)
    }
    found = compare(made(0), made(1, {"steering_requests_total": many}))
    assert sum(line[:1] == "t" and line[1].isdigit() for line in shown(found, 100)) == 80
    cut = shown(found, 80, 24)
    assert any(line.startswith("+ ") and "more" in line for line in cut)
    assert cut[5].startswith("t79")  # most requests first


def test_what_is_not_known_is_a_dash() -> None:
    text = "\n".join(shown(compare(made(0), made(1)), 120, 40))
    assert "requests/s    -" in text
    assert "kill switch -" in text
    assert "no requests yet" in text
    assert "no vector was applied yet" in text


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ({"killed": True}, "KILL SWITCH ON"),
        ({"self_test": False}, "SELF-TEST FAILED"),
        ({"workers_error": "gone"}, "WORKERS DO NOT ANSWER  gone"),
        ({"stale": True, "registry_error": "refused"}, "last known state: refused"),
    ],
)
def test_alarms_stand_out_with_and_without_colour(server: dict[str, object], said: str) -> None:
    alarmed = replace(frame(), server=replace(frame().server, **server))  # type: ignore[arg-type]
    plain = shown(alarmed, 80, 24)
    assert said in plain[1]
    assert len(plain) == 24
    styled = lines(screen(alarmed, VIEW, 80, 24), 80, colour=True)
    assert said in styled[1]
    assert "\x1b[1" in styled[1]


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    console = Console(width=80, file=out, force_terminal=True, highlight=False)
    killed = replace(frame(), server=replace(frame().server, killed=True))
    console.print(screen(killed, VIEW, 80, 24))
    assert "KILL SWITCH ON" in out.getvalue()
    assert "\x1b[1m" in out.getvalue()  # bold is no colour
    for code in ("\x1b[31", "\x1b[1;31", ";41m", "[32m", ";46m"):
        assert code not in out.getvalue()


def test_orders() -> None:
    def first(sort: Sort) -> str:
        found = shown(frame(), 80, 24, replace(VIEW, sort=sort))
        return found[5].split()[0]

    assert first(Sort.REQUESTS) == "acme-support"
    assert first(Sort.STEERED) == "acme-support"
    assert first(Sort.REFUSED) == "globex"
    assert first(Sort.DEGENERATE) == "globex"
    degenerate = shown(frame(), 80, 24, replace(VIEW, sort=Sort.DEGENERATE))
    vectors = next(i for i, line in enumerate(degenerate) if line.startswith("VECTOR"))
    assert degenerate[vectors + 1].startswith("playful")


def test_keys_go_round() -> None:
    view, seen = VIEW, []
    for _ in Sort:
        seen.append(view.sort)
        view = pressed(view, "s")
    assert seen == list(Sort)
    assert view == VIEW
    assert pressed(VIEW, "p").paused
    assert not pressed(pressed(VIEW, "p"), "p").paused
    assert pressed(VIEW, "x") == VIEW
    assert any("PAUSED" in line for line in shown(frame(), 80, 24, pressed(VIEW, "p")))


def test_one_tenant() -> None:
    found = shown(frame(), 80, 24, replace(VIEW, tenant="initech"))
    assert any(line.startswith("initech") for line in found)
    assert not any(line.startswith("acme-support") for line in found)
    nobody = shown(frame(), 80, 24, replace(VIEW, tenant="nobody"))
    assert "nobody: none yet" in "\n".join(nobody)


def test_an_outage_is_on_top_and_the_last_figures_stay() -> None:
    found = shown(frame(), 80, 24, replace(VIEW, outage="no answer from it"))
    assert found[1].startswith(" NO DATA  no answer from it")
    assert any(line.startswith("acme-support") for line in found)
    assert "no answer" in lines(waiting(replace(VIEW, outage="no answer"), 80), 80)[0]


@pytest.mark.parametrize(
    ("got", "said"),
    [
        (figures.rate(None), "-"), (figures.rate(0.0), "0"), (figures.rate(0.25), "0.25"),
        (figures.rate(0.999), "1.0"), (figures.rate(31.04), "31.0"), (figures.rate(999.4), "999"),
        (figures.rate(999.9), "1.0k"), (figures.rate(31_040.0), "31k"),
        (figures.share(0.0), "0%"), (figures.share(0.001), "<1%"), (figures.share(0.999), ">99%"),
        (figures.share(1.0), "100%"), (figures.share(0.0123, 1), "1.2%"),
        (figures.share(None), "-"), (figures.alpha(0.5), "+0.50"), (figures.alpha(-2.0), "-2.00"),
        (figures.span(None), "-"), (figures.span(0.00032), "320us"),
        (figures.span(0.0042), "4.2ms"), (figures.span(0.9999), "1.0s"),
        (figures.span(59.99), "1m"), (figures.span(11_220), "3h07m"),
        (figures.span(187_200), "2d04h"), (figures.count(12.0), "12"), (figures.count(2e4), "20k"),
    ],
)  # fmt: skip
def test_figures(got: str, said: str) -> None:
    assert got == said


@given(st.floats(0, 1e12))
def test_rates_are_short(value: float) -> None:
    assert len(figures.rate(value)) <= 5
