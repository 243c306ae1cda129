"""What does steering cost the engine?"""

from __future__ import annotations

from ..declare import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SERVERS,
    TEAL,
    YELLOW,
    Dashboard,
    Query,
    Row,
    lines,
    stat,
    table,
)
from ..promql import mean, quantile, rate, share, top

WORKER = "instance, worker"
OF_WORKER = "{{instance}} {{worker}}"
HOST_SHARE = rate("steering_step_host_seconds_total{}", WORKER)
ROWS_SHARE = "steering_rows_in_use{} / steering_rows{}"
QUANTILES = (0.5, 0.95, 0.99)
COLOURS = (("p50", GREEN), ("p95", YELLOW), ("p99", ORANGE))


def quantiles(histogram: str) -> tuple[Query, ...]:
    """Returns three quantiles of a histogram."""
    return tuple(Query(quantile(q, histogram), f"p{q * 100:.0f}") for q in QUANTILES)


NOW = Row(
    "Now",
    (
        stat("Generated", "Tokens per second that the engine generates.",
             rate("vllm:generation_tokens_total{}"), base=BLUE, decimals=1),
        stat("Running", "Requests that the engine works on.",
             "sum(vllm:num_requests_running{})", base=BLUE, decimals=0),
        stat("Waiting", "Requests that wait for the engine. Above 0 for long: it is full.",
             "sum(vllm:num_requests_waiting{})", steps=((1, YELLOW), (32, RED)), decimals=0),
        stat("Host time", "Share of wall time that steering takes of the busiest worker's "
            "host. The "
             "budget is 3%; runbook overhead.",
             f"max({HOST_SHARE})", unit="percentunit", steps=((0.01, YELLOW), (0.03, RED)),
             decimals=2),
        stat("Rows", "Rows in use of the fullest worker's pool. It is as large as "
            "`max_num_seqs`, so "
             "it cannot run out; near 100% every running request has a plan of its own.",
             f"max({ROWS_SHARE})", unit="percentunit", steps=((0.8, YELLOW), (0.95, RED))),
        stat("Self-test", "Whether every steered layer of every worker still has its hook. "
            "When not, "
             "requests may run unsteered: take the server out; runbook self-test-failed.",
             "min(steering_self_test_passed{})", says=((0, "failed", RED), (1, "passed", GREEN))),
    ),
)  # fmt: skip

SPEED = Row(
    "The engine",
    (
        lines("Tokens", "Tokens per second: prompts, answers, and positions that were "
            "computed with "
              "a gate that is not 0, prompts included.",
              Query(rate("vllm:generation_tokens_total{}"), "generated"),
              Query(rate("vllm:prompt_tokens_total{}"), "prompts"),
              Query("max(sum by (instance, worker) (rate(steering_tokens_total{}"
                    "[$__rate_interval])))", "steered, busiest worker"),
              colours=(("generated", BLUE), ("prompts", GREY),
                       ("steered, busiest worker", PURPLE))),
        lines("Time to first token", "From vLLM: waiting for the engine, then the prompt. "
              "Above one second with few waiting, prompts are long.",
              *quantiles("vllm:time_to_first_token_seconds{}"), unit="s", colours=COLOURS),
        lines("Time between tokens", "From vLLM: what readers of a stream feel.",
              *quantiles("vllm:inter_token_latency_seconds{}"), unit="s", colours=COLOURS),
        lines("Requests in the engine", "Running and waiting ones, and those whose plan a worker "
              "knows.",
              Query("sum(vllm:num_requests_running{})", "running"),
              Query("sum(vllm:num_requests_waiting{})", "waiting"),
              Query("max(steering_tracked_requests{})", "with a plan, busiest worker"),
              decimals=0, colours=(("running", BLUE), ("waiting", ORANGE),
                                   ("with a plan, busiest worker", PURPLE))),
        lines("Whole requests", "From vLLM: arrival to last token.",
              *quantiles("vllm:e2e_request_latency_seconds{}"), unit="s", colours=COLOURS),
        lines("Caches", "KV cache in use, and the share of prompt tokens that the prefix "
            "cache had. "
              "Plans that differ share no steered blocks: many distinct doses lower the hits.",
              Query("max(vllm:kv_cache_usage_perc{})", "KV cache in use"),
              Query(share(rate("vllm:prefix_cache_hits_total{}"),
                          rate("vllm:prefix_cache_queries_total{}")), "prefix cache hits"),
              unit="percentunit", low=0.0, high=1.0,
              colours=(("KV cache in use", ORANGE), ("prefix cache hits", TEAL))),
    ),
)  # fmt: skip

OVERHEAD = Row(
    "What steering costs",
    (
        lines("Share of wall time", "Host seconds that steering takes per second, by worker. "
            "It may "
              "hide behind the device's work; above 3% it does not.",
              Query(top(HOST_SHARE), OF_WORKER), unit="percentunit", low=0.0),
        lines("Host time per step", "Mean host time that steering takes of one engine step.",
              Query(top(f"{HOST_SHARE} / ({rate('steering_steps_total{}', WORKER)} > 0)"),
                    OF_WORKER), unit="s", low=0.0),
        lines("Steps by kind", "Unsteered ones end at the first line; settled ones have nothing to "
              "write; routed ones are where a request came, went or changed its gate.",
              Query(rate("steering_steps_total{}", "kind"), "{{kind}}"), stacked=True,
              colours=(("unsteered", GREY), ("settled", PURPLE), ("routed", ORANGE))),
        lines("Steered share of tokens", "Of the tokens that the engine was given, those computed "
              "with a gate that is not 0, in the busiest worker. Positions that the prefix cache "
              "had are in neither.",
              Query(
                  "max by (instance) (sum by (instance, worker) (rate(steering_tokens_total{}"
                  "[$__rate_interval]))) / (" + rate("vllm:generation_tokens_total{}", "instance")
                  + " + " + rate("vllm:prompt_tokens_total{}", "instance") + " - "
                  + rate("vllm:prefix_cache_hits_total{}", "instance") + " > 0)",
                  "{{instance}}"),
              unit="percentunit", low=0.0),
        lines("Time to decide", "Admission, and binding the plan to its prompt: what a "
            "request waits "
              "before the engine sees it.",
              Query(quantile(0.5, "steering_admission_seconds{}"), "admission p50"),
              Query(quantile(0.99, "steering_admission_seconds{}"), "admission p99"),
              Query(quantile(0.5, "steering_plan_build_seconds{}"), "plan p50"),
              Query(quantile(0.99, "steering_plan_build_seconds{}"), "plan p99"), unit="s",
              colours=(("admission p50", GREEN), ("admission p99", ORANGE), ("plan p50", TEAL),
                       ("plan p99", PURPLE))),
        lines("Mean time of admission", "Beside the quantiles: what all requests together pay.",
              Query(mean("steering_admission_seconds{}"), "admission"),
              Query(mean("steering_plan_build_seconds{}"), "plan"), unit="s",
              colours=(("admission", GREEN), ("plan", TEAL))),
    ),
)  # fmt: skip

MEMORY = Row(
    "Rows and vectors",
    (
        lines("Rows", "Rows that running requests use, the most that ever were, and the pool.",
              Query("max(steering_rows_in_use{})", "in use, fullest worker"),
              Query("max(steering_rows_high_water{})", "most ever"),
              Query("min(steering_rows{})", "pool, smallest worker"), decimals=0,
              colours=(("in use, fullest worker", PURPLE), ("most ever", ORANGE),
                       ("pool, smallest worker", GREY))),
        lines("Vector loads", "Vectors made resident, per second. A steady rate means that vectors "
              "are loaded on demand again and again: look at the registry's churn.",
              Query(top(rate("steering_vector_loads_total{}", WORKER)), OF_WORKER), unit="cps"),
        lines("Time per load", "Mean time to make one vector resident, beside the steps.",
              Query(top(f"{rate('steering_vector_load_seconds_total{}', WORKER)} / "
                        f"({rate('steering_vector_loads_total{}', WORKER)} > 0)"), OF_WORKER),
              unit="s"),
        lines("Resident vectors", "Vectors in a worker's host memory; they stay for its life.",
              Query(top("steering_resident_vectors{}"), OF_WORKER), decimals=0),
        lines("Their memory", "Bytes that they take, by worker.",
              Query(top("steering_resident_bytes{}"), OF_WORKER), unit="bytes"),
        lines("Workers", "Workers that answered the last question, API processes, and questions "
              "per second that were not answered.",
              Query("sum(steering_workers{})", "workers"),
              Query("sum(steering_api_processes{})", "API processes"),
              Query(rate("steering_engine_errors_total{}", "code"), "errors: {{code}}"),
              colours=(("workers", GREEN),)),
        table("What runs", "Versions, model and its fingerprint by server, and what the boot "
              "self-test took.",
              Query("max by (instance, version, vllm, model, fingerprint) (steering_info{})",
                    "up", "short"),
              Query("max by (instance, version, vllm, model, fingerprint) (steering_info{}"
                    " * on (instance) group_left () max by (instance) "
                    "(steering_self_test_seconds{}))", "self-test", "s"), height=5),
    ),
)  # fmt: skip

BOARD = Dashboard(
    "steersman-engine", "Steersman: engine and overhead",
    "vLLM's own figures beside ours: throughput, latency, host time, rows, vectors.",
    (NOW, SPEED, OVERHEAD, MEMORY), (SERVERS,),
)  # fmt: skip
