"""A dashboard as Grafana's JSON model (schema 39: Grafana 11 and 12 read it as it is)."""

from __future__ import annotations

from typing import Any, assert_never

from .declare import INSTANCE, Dashboard, Kind, Panel, Query, Row, Variable

SCHEMA = 39
COLUMNS = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WORDS = {"nats": "suffix: nats"}

Json = dict[str, Any]


def dashboard(board: Dashboard) -> Json:
    """Returns the whole page."""
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": ["steersman"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,  # one crosshair through all panels
        "refresh": "30s",
        "time": {"from": board.since, "to": "now"},
        "timezone": "browser",
        "annotations": {"list": [alerts()]},
        "links": [
            {
                "type": "dashboards",
                "title": "Steersman",
                "tags": ["steersman"],
                "asDropdown": True,
                "includeVars": False,
                "keepTime": True,
            }
        ],
        "templating": {"list": [source(), *(variable(v) for v in board.variables)]},
        "panels": placed(board.rows),
    }


def placed(rows: tuple[Row, ...]) -> list[Json]:
    """Returns headings and panels where they stand, from left to right and down."""
    out: list[Json] = []
    top = 0
    for row in rows:
        at = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
        out.append({"id": len(out) + 1, "type": "row", "title": row.title, "collapsed": False,
                    "gridPos": at, "panels": []})  # fmt: skip
        left, top, tallest = 0, top + 1, 0
        for one in row.panels:
            if left + one.width > COLUMNS:
                left, top, tallest = 0, top + tallest, 0
            at = {"x": left, "y": top, "w": one.width, "h": one.height}
            out.append(panel(one, len(out) + 1, at))
            left, tallest = left + one.width, max(tallest, one.height)
        top += tallest
    return out


def panel(one: Panel, number: int, at: Json) -> Json:
    """Returns one panel."""
    made: Json = {
        "id": number,
        "type": one.kind,
        "title": one.title,
        "description": one.description,
        "datasource": SOURCE,
        "gridPos": at,
        "targets": [target(q, one.kind, i) for i, q in enumerate(one.queries)],
        "fieldConfig": {"defaults": defaults(one), "overrides": overrides(one)},
        "options": options(one),
    }
    if one.kind == "table":
        made["transformations"] = columns(one)
    return made


def target(query: Query, kind: Kind, at: int) -> Json:
    """Returns one query; tables and bars are asked for the newest value only."""
    instant = kind in ("table", "bargauge")
    shape = {"table": "table", "heatmap": "heatmap"}.get(kind, "time_series")
    legend = query.legend if kind != "table" else ""
    return {"refId": chr(ord("A") + at), "datasource": SOURCE, "expr": query.scoped,
            "legendFormat": legend or "__auto", "format": shape, "instant": instant,
            "range": not instant}  # fmt: skip


def defaults(one: Panel) -> Json:
    """Returns how all values of a panel are shown."""
    made: Json = {
        "unit": WORDS.get(one.unit, one.unit),
        "color": {"mode": "palette-classic-by-name" if one.kind == "timeseries" else "thresholds"},
        "thresholds": {
            "mode": "absolute",
            "steps": [
                {"value": None, "color": one.base},
                *({"value": value, "color": colour} for value, colour in one.steps),
            ],
        },
        "mappings": mappings(one),
    }
    if one.kind == "timeseries":
        made["custom"] = {
            "lineWidth": 2,
            "fillOpacity": 25 if one.stacked else 8,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if one.stacked else "none", "group": "A"},
        }
    for key, value in (("decimals", one.decimals), ("min", one.low), ("max", one.high)):
        if value is not None:
            made[key] = value
    return made


def mappings(one: Panel) -> list[Json]:
    """Returns the words for values."""
    if not one.says:
        return []
    words = {
        f"{value:g}": {"text": word, "color": colour, "index": i}
        for i, (value, word, colour) in enumerate(one.says)
    }
    return [{"type": "value", "options": words}]


def overrides(one: Panel) -> list[Json]:
    """Returns the colours of series, and the units of a table's columns."""
    if one.kind == "table":
        units = {q.legend: WORDS.get(q.unit, q.unit) for q in one.queries}
        return [_override(name, "unit", unit) for name, unit in units.items()]
    return [
        _override(name, "color", {"mode": "fixed", "fixedColor": colour})
        for name, colour in one.colours
    ]


def _override(name: str, key: str, value: object) -> Json:
    return {"matcher": {"id": "byName", "options": name},
            "properties": [{"id": key, "value": value}]}  # fmt: skip


def columns(one: Panel) -> list[Json]:
    """Returns how the queries of a table become its columns: rows with the same labels are one."""
    names = {f"Value #{chr(ord('A') + i)}": q.legend for i, q in enumerate(one.queries)}
    return [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": names}},
    ]


def options(one: Panel) -> Json:
    """Returns what only one kind of panel has."""
    reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    match one.kind:
        case "timeseries":
            return {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                    "tooltip": {"mode": "multi", "sort": "desc"}}  # fmt: skip
        case "stat":
            return {"colorMode": "value", "graphMode": "none" if one.says else "area",
                    "textMode": "value", "reduceOptions": reduced}  # fmt: skip
        case "bargauge":
            return {"displayMode": "gradient", "orientation": "horizontal",
                    "reduceOptions": reduced}  # fmt: skip
        case "table":
            return {"showHeader": True, "cellHeight": "sm"}
        case "heatmap":
            return {"calculate": False, "yAxis": {"unit": one.unit},
                    "color": {"mode": "scheme", "scheme": "Magma", "steps": 64},
                    "cellGap": 1}  # fmt: skip
        case _:
            assert_never(one.kind)


def source() -> Json:
    """Returns the choice of a Prometheus."""
    return {"type": "datasource", "name": "datasource", "label": "Prometheus",
            "query": "prometheus", "refresh": 1, "hide": 0, "current": {}}  # fmt: skip


def variable(one: Variable) -> Json:
    """Returns one choice at the top of the page."""
    if not one.query.startswith("label_values("):
        values = one.query.split(",")
        current = {"text": one.default, "value": one.default, "selected": True}
        return {"type": "interval", "name": one.name, "label": one.label, "query": one.query,
                "auto": False, "refresh": 2, "hide": 0, "current": current,
                "options": [{"text": v, "value": v, "selected": v == one.default} for v in values],
                }  # fmt: skip
    query = one.query
    if one.name != "instance":
        query = query.replace(",", f"{{{INSTANCE}}},", 1)
    made = {"type": "query", "name": one.name, "label": one.label, "datasource": SOURCE,
            "definition": query, "query": {"query": query, "refId": one.name}, "refresh": 2,
            "sort": 1, "hide": 0, "multi": one.many, "includeAll": one.many}  # fmt: skip
    if one.many:
        made |= {"allValue": ".*", "current": {"text": "All", "value": "$__all", "selected": True}}
    return made


def alerts() -> Json:
    """Returns marks in time where an alert began to fire."""
    return {"name": "Alerts", "enable": True, "hide": False, "iconColor": "red",
            "datasource": SOURCE, "expr": 'ALERTS{alertstate="firing", alertname=~"Steersman.*"}',
            "titleFormat": "{{alertname}}", "textFormat": "{{tenant}} {{instance}}",
            "step": "60s"}  # fmt: skip
