"""Do all servers see the same registry, and is it well?"""

from __future__ import annotations

from ..declare import (
    BLUE,
    GREEN,
    RED,
    SERVERS,
    YELLOW,
    Dashboard,
    Query,
    Row,
    lines,
    stat,
)
from ..promql import count, rate, top

SERVER = "{{instance}}"

NOW = Row(
    "Now",
    (
        stat("Registry", "Stale while any server is not answered by Redis and serves from its last "
             "known state. Requests go on; changes do not arrive. Runbook registry-stale.",
             "max(steering_registry_stale{})", says=((0, "fresh", GREEN), (1, "stale", RED))),
        stat("Age", "Since the registry last confirmed what the slowest server serves.",
             "max(steering_registry_age_seconds{})", unit="s", steps=((10, YELLOW), (60, RED)),
             decimals=1),
        stat("Revision", "The newest revision that a server serves.",
             "max(steering_registry_revision{})", base=BLUE, decimals=0),
        stat("Behind", "Revisions between the newest and the oldest server. More than 0 for longer "
             "than a few seconds: one has lost its connection. Runbook registry-lag.",
             "max(steering_registry_revision{}) - min(steering_registry_revision{})",
             steps=((1, YELLOW), (10, RED)), decimals=0),
        stat("Mismatched vectors", "Vectors whose newest version was made for another base model, "
             "after an upgrade for instance. `steersman vectors stale` lists them.",
             "max(steering_vectors_mismatched{})", steps=((1, RED),), decimals=0),
        stat("Kill switch", "On while any server serves everybody unsteered.",
             "max(steering_kill_switch{})", says=((0, "off", GREEN), (1, "on", RED))),
    ),
)  # fmt: skip

OVER_TIME = Row(
    "Over time",
    (
        lines("Revision by server", "All servers should climb together, within a second.",
              Query(top("steering_registry_revision{}"), SERVER), decimals=0),
        lines("Age by server", "A line that climbs is a server that Redis does not answer.",
              Query(top("steering_registry_age_seconds{}"), SERVER), unit="s", low=0.0),
        lines("Stale servers", "1 while a server is served from its last known state.",
              Query(top("steering_registry_stale{}"), SERVER), decimals=0, low=0.0, high=1.0),
        lines("Changes", "Revisions per server in five minutes: how much operators and pipelines "
              "change. A steady high rate is a script that runs wild; `steersman audit`.",
              Query(top("max by (instance) (delta(steering_registry_revision{}[5m]))"), SERVER),
              decimals=0),
        lines("Errors by code", "Failed attempts to follow the registry, in five minutes. "
              "`registry_corrupt` names a value that something else wrote.",
              Query(count("steering_registry_errors_total{}", "code", "5m"), "{{code}}"),
              decimals=0),
        lines("Mismatched vectors", "By server: one that runs another model than the rest shows "
              "here first.",
              Query(top("steering_vectors_mismatched{}"), SERVER), decimals=0),
        lines("Fallbacks", "Requests served unsteered because a tenant's own steering could not be "
              "had, by code. Mismatched or retired vectors in defaults and rules.",
              Query(top(rate("steering_fallbacks_total{}", "code")) + " > 0", "{{code}}"),
              unit="reqps"),
        lines("Lost lines of the decision log", "Lines that were not written, in five minutes: the "
              "disk is full or slow. Requests are served all the same.",
              Query(count("steering_decisions_lost_total{}", window="5m"), "lost"), decimals=0,
              colours=(("lost", RED),)),
        lines("Kill switch by server", "1 while it is on. A server alone has the file "
              "`kill-switch` in its data directory.",
              Query(top("steering_kill_switch{}"), SERVER), decimals=0, low=0.0, high=1.0),
    ),
)  # fmt: skip

BOARD = Dashboard(
    "steersman-registry", "Steersman: registry",
    "Revisions, age and errors of the registry, and what follows from it.",
    (NOW, OVER_TIME), (SERVERS,),
)  # fmt: skip
