"""What does a tenant get?"""

from __future__ import annotations

from ..declare import (
    BLUE,
    ORANGE,
    PURPLE,
    RED,
    SERVERS,
    TENANT,
    WINDOW,
    YELLOW,
    Dashboard,
    Query,
    Row,
    lines,
    stat,
    table,
)
from ..promql import count, rate, share, top, wilson
from .overview import OUTCOMES

CHOSEN = 'tenant=~"$tenant"'
REQUESTS = "steering_requests_total"
ANSWERS = "steering_quality_answers_total"
ALL = f"{REQUESTS}{{{CHOSEN}}}"
STEERED = f'{REQUESTS}{{{CHOSEN}, outcome="steered"}}'
REFUSED = f'{REQUESTS}{{{CHOSEN}, outcome="refused"}}'
SAMPLED = f'{ANSWERS}{{{CHOSEN}, steered="yes"}}'
BROKEN = f'{ANSWERS}{{{CHOSEN}, steered="yes", verdict="degenerate"}}'

CHOSEN_TENANTS = Row(
    "The chosen tenants",
    (
        stat("Requests", "Requests per second of the chosen tenants.", rate(ALL), unit="reqps",
             base=BLUE),
        stat("Steered", "Share of their requests that ran with a vector.",
             share(rate(STEERED), rate(ALL)), unit="percentunit", base=PURPLE),
        stat("Refused", "Share that admission refused: limits, unknown vectors, doses above a cap.",
             share(rate(REFUSED), rate(ALL)), unit="percentunit",
             steps=((0.05, YELLOW), (0.2, RED))),
        stat("Degenerate, steered", "Share of their sampled steered answers that nobody can want, "
             "over the window. Lower the dose in its policy or default, or let back-off do it.",
             share(rate(BROKEN, window="$window"), rate(SAMPLED, window="$window")),
             unit="percentunit", steps=((0.02, YELLOW), (0.05, RED))),
        stat("Safety overrides", "Requests served unsteered for a safety intent, in the time "
            "shown.",
             count(f"steering_safety_overrides_total{{{CHOSEN}}}"), decimals=0, base=BLUE),
        stat("Backed off", "Tenants whose steering has been scaled down or switched off by itself, "
             "of all tenants. `steersman tenants backoff list` says which.",
             "max(steering_backed_off_tenants{})", steps=((1, ORANGE),), decimals=0),
    ),
)  # fmt: skip

COMPARED = Row(
    "Tenants compared, in the time shown",
    (
        table(
            "Tenants", "A row for each chosen tenant. The interval is 95% (Wilson): with few "
            "sampled answers it is wide, and a high rate says little.",
            Query(count(ALL, "tenant"), "requests", "short"),
            Query(share(count(STEERED, "tenant"), count(ALL, "tenant")), "steered", "percentunit"),
            Query(share(count(REFUSED, "tenant"), count(ALL, "tenant")), "refused", "percentunit"),
            Query(count(SAMPLED, "tenant"), "steered answers sampled", "short"),
            Query(share(count(BROKEN, "tenant"), count(SAMPLED, "tenant")), "degenerate",
                  "percentunit"),
            Query(wilson(count(BROKEN, "tenant"), count(SAMPLED, "tenant"), -1), "at least",
                  "percentunit"),
            Query(wilson(count(BROKEN, "tenant"), count(SAMPLED, "tenant"), 1), "at most",
                  "percentunit"),
            height=6,
        ),
    ),
)  # fmt: skip

OVER_TIME = Row(
    "Over time",
    (
        lines("Requests by outcome", "What became of the chosen tenants' requests.",
              Query(rate(ALL, "outcome"), "{{outcome}}"),
              unit="reqps", stacked=True, colours=OUTCOMES),
        lines("Why", "What decided about their requests: the request itself, a default, a rule, a "
              "profile, or what took steering away.",
              Query(top(rate(ALL, "reason")), "{{reason}}"), unit="reqps"),
        lines("Steered share by tenant", "A tenant that falls alone has a flag or a rule of "
            "its own "
              "behind it: `steersman explain --tenant T`.",
              Query(top(share(rate(STEERED, "tenant"), rate(ALL, "tenant"))), "{{tenant}}"),
              unit="percentunit", low=0.0, high=1.0),
        lines("Degenerate, steered", "Share of sampled steered answers that nobody can want, by "
              "tenant. The eight worst.",
              Query(top(share(rate(BROKEN, "tenant", "$window"),
                              rate(SAMPLED, "tenant", "$window"))),
                    "{{tenant}}"), unit="percentunit", low=0.0),
        lines("Degenerate, unsteered", "The same of unsteered answers: what the model does by "
              "itself on these prompts. Compare before blaming a vector.",
              Query(
                  top(share(
                      rate(f'{ANSWERS}{{{CHOSEN}, steered="no", verdict="degenerate"}}', "tenant",
                           "$window"),
                      rate(f'{ANSWERS}{{{CHOSEN}, steered="no"}}', "tenant", "$window"),
                  )), "{{tenant}}"), unit="percentunit", low=0.0),
        lines("Back-offs", "Times that steering was scaled down or switched off by itself, by "
              "action, in the window. Only tenants that opted in; only an operator restores.",
              Query(count(f"steering_backoffs_total{{{CHOSEN}}}", "action", "$window"),
                    "{{action}}"), decimals=0,
              colours=(("scaled", ORANGE), ("off", RED))),
        lines("Safety overrides", "Requests served unsteered for a safety intent, by tenant.",
              Query(top(rate(f"steering_safety_overrides_total{{{CHOSEN}}}", "tenant")),
                    "{{tenant}}"), unit="reqps", width=12),
        lines("Refused share by tenant", "The eight tenants that are refused most. One alone is "
              "its client; all together are the registry or a limit.",
              Query(top(share(rate(REFUSED, "tenant"), rate(ALL, "tenant"))), "{{tenant}}"),
              unit="percentunit", low=0.0, width=12),
    ),
)  # fmt: skip

BOARD = Dashboard(
    "steersman-tenant", "Steersman: tenant",
    "What one or several tenants get: outcomes, reasons, quality, back-off.",
    (CHOSEN_TENANTS, COMPARED, OVER_TIME), (SERVERS, TENANT, WINDOW),
)  # fmt: skip
