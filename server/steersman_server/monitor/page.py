"""`docs/metrics.md`, made of the catalogue: `make metrics-page`."""

from __future__ import annotations

import sys
from pathlib import Path

from ..access.routes import classify
from ..tenants.tenant import OTHER
from . import engine_watch
from .bounded import MAX_SERIES
from .catalogue import CATALOGUE, Declared
from .metrics import (
    MAX_FLAGS,
    MAX_INTENTS,
    MAX_PRESETS,
    MAX_REASONS,
    MAX_TENANTS,
    MAX_VARIANTS,
    MAX_VECTORS,
    MAX_VERSIONS,
)

BOUNDS = {
    "tenant": MAX_TENANTS,
    "reason": MAX_REASONS,
    "vector": MAX_VECTORS,
    "version": MAX_VERSIONS,
    "preset": MAX_PRESETS,
    "intent": MAX_INTENTS,
    "flag": MAX_FLAGS,
    "variant": MAX_VARIANTS,
}

INTRODUCTION = f"""\
# Metrics

Made by `make metrics-page` of `server/steersman_server/monitor/catalogue.py`.
`tests/e2e/test_metrics.py` compares that list, in both directions, with what running servers
show.

`GET /metrics` answers in Prometheus's text format, vLLM's own metrics (`vllm:...`) beside these
(`steering_...`). Units are base units, and counters end in `_total`. Where one process serves,
prometheus-client adds `NAME_created`, when a counter or histogram began, to each. Do not rely
on the `_sum` of a histogram whose buckets begin below 0 (`steering_alpha`,
`steering_quality_nll_rise`): it can fall, and prometheus-client leaves it out where one process
serves. A counter with the label `sign` stands beside each: `(positive - negative) / count` is the
mean.

Where the values of a label are a closed set (codes, findings, verdicts), their series begin at 0,
so that `increase()` sees the first of each. Of labels that operators or clients name it does not:
a series that begins at 1 has no increase.

## Scraping

`/metrics` is of the class `{classify("/metrics").value}`: where there are keys, it wants one of
an operator with any role. Where nobody has a key and the server listens on this machine only,
it wants none. Make a key for Prometheus, and let it read it from a file:

```sh
steersman keys create --role viewer --label prometheus > prometheus.key
```

```yaml
scrape_configs:
  - job_name: steersman
    scrape_interval: 15s
    authorization:
      type: Bearer
      credentials_file: /etc/prometheus/prometheus.key
    static_configs:
      - targets: ["localhost:8000"]
```

`steersman serve ... --public-route /metrics` gives it to anybody who can connect. Names of
tenants, rules and vectors are in it, and never a key, a prompt or an answer.

## Several processes

With `--api-server-count 2` or more, whichever API process is scraped answers for all of them.
vLLM makes the folder that they share (`PROMETHEUS_MULTIPROC_DIR`) for each start: leave that
variable unset. Counters and histograms are sums. A gauge is the lowest, the highest or the most
recent of the processes' values, as its meaning says; an API process that is just starting
counts as 0 for a second or so, so alerts on the registry's revision need a `for:`. In this mode
a metric without any observation is absent, not 0.

The metrics of the engine are asked from the workers every {engine_watch.EVERY_S:g} seconds by
one API process, the first that lives; those of the registry are set by each, every second.
`worker` is a place in data, tensor and pipeline parallelism, such as `dp0-tp1-pp0`. A worker
that starts again counts from 0, and the counters go on. All tensor-parallel workers compute the
same tokens: sum `steering_tokens_total` over `{{worker=~".*-tp0-pp0"}}`. The boot self-test and
its vectors are counted too.

## How many series

Tenants are labels of counters only, never of histograms. The values that come first have a
label of their own, those beyond these numbers share `{OTHER}`; the same holds for what is
beyond {MAX_SERIES:,} series of one metric. Each API process counts for itself, so that there
may be more of either with several.

"""

TITLES = "| name | type | labels | meaning |\n|---|---|---|---|"


def page() -> str:
    """Returns the page, in the order of the catalogue."""
    groups = list(dict.fromkeys(metric.group for metric in CATALOGUE))
    bounds = "| label | at most |\n|---|---:|\n" + "".join(
        f"| `{label}` | {most} |\n" for label, most in BOUNDS.items()
    )
    tables = [f"## {group}\n\n{TITLES}\n{_rows(group)}" for group in groups]
    return INTRODUCTION + bounds + "\n" + "\n".join(tables)


def _rows(group: str) -> str:
    return "".join(_row(metric) for metric in CATALOGUE if metric.group == group)


def _row(metric: Declared) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    meaning = metric.help.replace("|", "\\|")
    return f"| `{metric.name}` | {metric.kind} | {labels} | {meaning} |\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page())
