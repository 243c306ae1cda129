"""The lines above the tables: what runs, where it stands, what it does. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rich.text import Text

from ..cli.output import printable
from .figures import UNKNOWN, count, rate, share, span
from .frame import Frame, Load, Server
from .view import View

BAD, WORRY, GOOD, LABEL = "bold red", "bold yellow", "green", "cyan"
ALARM = "bold white on red"
DEGENERATE_BAD, DEGENERATE_WORRY = 0.05, 0.02
HOST_WORRY = 0.05
AGE_WORRY_S = 10.0


def header(frame: Frame, view: View, width: int) -> Iterator[Text]:
    """Yields lines that fit the width, alarms first where there are any."""
    yield _fit(_title(frame, view), width)
    yield from (_fit(line, width) for line in _alarms(frame.server, view))
    yield _fit(_state(frame.server), width)
    yield _fit(_requests(frame.load), width)
    yield _fit(_tokens(frame.load), width)


def verdict_style(degenerate: float | None) -> str:
    """Returns the colour of a share of degenerate answers."""
    if degenerate is None:
        return "dim"
    if degenerate >= DEGENERATE_BAD:
        return BAD
    return WORRY if degenerate >= DEGENERATE_WORRY else ""


def verdict(degenerate: float | None) -> Text:
    """Returns it in colour, and with a mark for those who see none."""
    mark = "!" if degenerate is not None and degenerate >= DEGENERATE_BAD else ""
    return Text(share(degenerate, 1) + mark, verdict_style(degenerate))


def meter(value: float | None, cells: int, style: str = GOOD) -> Text:
    """Returns a bar as htop draws it."""
    full = 0 if value is None else round(min(max(value, 0.0), 1.0) * cells)
    return Text.assemble("[", ("|" * full, style), (" " * (cells - full), ""), "]")


def _title(frame: Frame, view: View) -> list[Text]:
    server = frame.server
    model = printable(server.model or UNKNOWN).rstrip("/").rpartition("/")[2]
    parts = [
        Text.assemble(("steersman top", "bold")),
        Text(time.strftime("%H:%M:%S", time.localtime(frame.unix))),
        Text(model or UNKNOWN, "bold"),
        Text(printable((server.fingerprint or UNKNOWN).removeprefix("sha256:"))[:8], "dim"),
        _fact("up", span(server.uptime_s)),
        _fact("processes", count(server.processes)),
        _fact("workers", count(server.workers)),
    ]
    if server.vllm is not None:
        parts.append(_fact("vllm", printable(server.vllm)))
    return [*parts, Text(printable(view.url), "dim")]


def _alarms(server: Server, view: View) -> Iterator[list[Text]]:
    if view.outage is not None:
        yield [Text(f" NO DATA  {printable(view.outage)}", ALARM)]
    if server.killed:
        yield [Text(" KILL SWITCH ON  everybody is served unsteered ", ALARM)]
    if server.self_test is False:
        yield [Text(" SELF-TEST FAILED  a steered layer has lost its hook ", ALARM)]
    if server.workers_error is not None:
        yield [Text(f" WORKERS DO NOT ANSWER  {printable(server.workers_error)} ", ALARM)]
    if server.stale:
        why = f": {printable(server.registry_error)}" if server.registry_error else ""
        yield [Text(f"registry silent, serving the last known state{why}", WORRY)]


def _state(server: Server) -> list[Text]:
    old = server.stale or (server.registry_age_s or 0.0) > AGE_WORRY_S
    registry = "STALE" if server.stale else "" if server.registry_age_s is None else "old"
    killed = {None: (UNKNOWN, "dim"), True: ("ON", ALARM), False: ("off", GOOD)}[server.killed]
    tested = {None: (UNKNOWN, "dim"), True: ("passed", GOOD), False: ("FAILED", ALARM)}
    backed = server.backed_off
    return [
        _fact("registry", f"r{count(server.revision)}" if server.revision is not None else UNKNOWN),
        Text(f"{span(server.registry_age_s)} {registry}".strip(), WORRY if old else ""),
        _fact("kill switch", *killed),
        _fact("self-test", *tested[server.self_test]),
        _fact("backed off", count(backed), WORRY if backed else ""),
    ]


def _requests(load: Load) -> list[Text]:
    return [
        _fact("requests/s", f"{rate(load.requests_per_s):>4}", "bold"),
        Text.assemble(("steered ", LABEL), meter(load.steered, 8), f" {share(load.steered)}"),
        _fact("run", count(load.running)),
        _fact("wait", count(load.waiting), WORRY if load.waiting else ""),
        Text.assemble(("degenerate ", LABEL), verdict(load.degenerate)),
        _fact("refused/s", rate(load.refused_per_s), WORRY if load.refused_per_s else ""),
        _fact("KV", share(load.kv_cache)),
        _fact("rows", share(load.rows)),
    ]


def _tokens(load: Load) -> list[Text]:
    worry = WORRY if (load.host or 0.0) >= HOST_WORRY else ""
    admission = f"{span(load.admission_p50_s)} p99 {span(load.admission_p99_s)}"
    return [
        _fact("tokens/s", f"{rate(load.generated_per_s):>4}", "bold"),
        _fact("prompt/s", rate(load.prompted_per_s)),
        _fact("admission p50", admission),
        _fact("host", f"{share(load.host, 1)} {span(load.host_per_step_s)}/step", worry),
        _fact("token p50", f"{span(load.token_p50_s)} p99 {span(load.token_p99_s)}"),
    ]


def _fact(label: str, value: str, style: str = "") -> Text:
    return Text.assemble((f"{label} ", LABEL), (value, style))


def _fit(parts: list[Text], width: int) -> Text:
    """Returns as many of the parts as fit, two blanks apart; the first is cut if it must be."""
    line = parts[0].copy()
    for part in parts[1:]:
        if line.cell_len + 2 + part.cell_len > width:
            break
        line = Text.assemble(line, "  ", part)
    line.truncate(width, overflow="ellipsis")
    line.no_wrap = True
    return line
