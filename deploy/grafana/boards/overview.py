"""Is steering doing what it should, for everybody, right now?"""

from __future__ import annotations

from ..declare import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SERVERS,
    WINDOW,
    YELLOW,
    Dashboard,
    Query,
    Row,
    lines,
    stat,
)
from ..promql import mean, mean_of_signed, quantile, rate, share, top

REQUESTS = "steering_requests_total"
ANSWERS = "steering_quality_answers_total"
PAIRS = "steering_quality_pairs_total"
OUTCOMES = (("steered", PURPLE), ("unsteered", GREY), ("refused", RED))


def degenerate(steered: str) -> str:
    """Returns the share of sampled answers that nobody can want."""
    part = rate(f'{ANSWERS}{{steered="{steered}", verdict="degenerate"}}', window="$window")
    return share(part, rate(f'{ANSWERS}{{steered="{steered}"}}', window="$window"))


NOW = Row(
    "Now",
    (
        stat(
            "Requests", "Requests per second that admission decided about, refused ones included.",
            rate(f"{REQUESTS}{{}}"), unit="reqps", base=BLUE,
        ),
        stat(
            "Steered", "Share of requests that ran with a vector. Falls to 0 when a flag, the kill "
            "switch or a safety intent takes steering away: see Why below.",
            share(rate(f'{REQUESTS}{{outcome="steered"}}'), rate(f"{REQUESTS}{{}}")),
            unit="percentunit", base=PURPLE,
        ),
        stat(
            "Refused", "Share of requests that admission refused. Look at Refusals by code; the "
            "runbook is refusal-surge.",
            share(rate(f'{REQUESTS}{{outcome="refused"}}'), rate(f"{REQUESTS}{{}}")),
            unit="percentunit", steps=((0.05, YELLOW), (0.2, RED)),
        ),
        stat(
            "Degenerate, steered", "Share of the sampled steered answers that repeat themselves, "
            "switch language, are gibberish or empty. Above 5% a dose is too high: find the tenant "
            "on its dashboard and the vector on the experiment's.",
            degenerate("yes"), unit="percentunit", steps=((0.02, YELLOW), (0.05, RED)),
        ),
        stat(
            "Steering", "Off while the kill switch is on anywhere: every request is served "
            "unsteered. `steersman kill-switch off` ends it.",
            "max(steering_kill_switch{})", says=((0, "on", GREEN), (1, "killed", RED)),
        ),
        stat(
            "Alerts", "Alerts that fire now, of the rules in deploy/prometheus/rules. Each has a "
            "runbook. 0 as well where the rules are not loaded.",
            '', steps=((1, RED),),
            queries=(Query('count(ALERTS{alertstate="firing"}) or vector(0)', all_servers=True),),
        ),
    ),
)  # fmt: skip

TRAFFIC = Row(
    "Traffic",
    (
        lines(
            "Requests by outcome", "What became of requests. A step between steered and unsteered "
            "is a flag or a rule that changed: `steersman audit` has the change.",
            Query(rate(f"{REQUESTS}{{}}", "outcome"), "{{outcome}}"),
            unit="reqps", stacked=True, colours=OUTCOMES,
        ),
        lines(
            "Requests by tenant", "The eight busiest tenants. `other` are those beyond the "
            "bound of "
            "tenants with a label of their own.",
            Query(top(rate(f"{REQUESTS}{{}}", "tenant")), "{{tenant}}"), unit="reqps",
        ),
        lines(
            "Why", "What decided: request, default, policy and profile rules, or what took "
            "steering "
            "away (kill_switch, flag_off, safety_override). `none` are refusals.",
            Query(top(rate(f"{REQUESTS}{{}}", "reason")), "{{reason}}"), unit="reqps",
        ),
        lines(
            "Refusals by code", "The stable codes of refused requests. A new release of a client "
            "often shows as one code; `steersman decisions` has the requests.",
            Query(top(rate("steering_refusals_total{}", "code")) + " > 0", "{{code}}"),
            unit="reqps",
        ),
        lines(
            "Turned away at the gate", "Requests with a wrong, revoked or expired key, to closed "
            "routes, with bodies too large: nothing was decided about them. A surge of one code is "
            "a client whose key has ended, or somebody who tries keys.",
            Query(top(rate("steering_access_refusals_total{}", "code")) + " > 0", "{{code}}"),
            unit="reqps",
        ),
        lines(
            "Vectors applied", "The eight vectors that act on most requests.",
            Query(top(rate("steering_applied_total{}", "vector")), "{{vector}}"), unit="reqps",
        ),
        lines(
            "Time of admission", "What a request waits for its decision. Above 25 ms at p99 "
            "something blocks the event loop: an HTTP classifier, or a vector loaded on demand.",
            *(
                Query(quantile(q, "steering_admission_seconds{}"), f"p{q * 100:.0f}")
                for q in (0.5, 0.95, 0.99)
            ),
            unit="s", colours=(("p50", GREEN), ("p95", YELLOW), ("p99", ORANGE)),
        ),
    ),
)  # fmt: skip

QUALITY = Row(
    "Quality of sampled answers",
    (
        lines(
            "Degenerate answers", "Share of sampled answers that nobody can want, beside that of "
            "unsteered ones. If both rise, it is the model or the prompts; if only the steered one "
            "does, it is the dose.",
            Query(degenerate("yes"), "steered"), Query(degenerate("no"), "unsteered"),
            unit="percentunit", low=0.0, colours=OUTCOMES,
        ),
        lines(
            "What was found, steered", "Findings per sampled steered answer; one answer may have "
            "several. Truncated answers and refusals are counted and not called degenerate.",
            Query(
                rate('steering_quality_findings_total{steered="yes"}', "finding", "$window")
                + " / on() group_left() ("
                + rate(f'{ANSWERS}{{steered="yes"}}', window="$window") + " > 0)",
                "{{finding}}",
            ),
            unit="percentunit", low=0.0,
        ),
        lines(
            "Sampled answers", "How many answers the shares beside it rest on, and those that were "
            "sampled and not looked at, because the judge is behind for instance.",
            Query(rate(f"{ANSWERS}{{}}", "steered"), "steered: {{steered}}"),
            Query(rate("steering_quality_skipped_total{}", "why"), "skipped: {{why}}"),
            unit="reqps",
        ),
        lines(
            "Length of answers", "Median tokens of an answer. A steered tenant whose answers grow "
            "to `max_tokens` is often one that loops.",
            *(
                Query(
                    quantile(
                        0.5, f'steering_quality_answer_tokens{{steered="{steered}"}}',
                        window="$window",
                    ), name,
                )
                for steered, name in (("yes", "steered"), ("no", "unsteered"))
            ),
            colours=OUTCOMES,
        ),
        lines(
            "Unlikelihood of answers", "Mean negative log-likelihood of an answer's tokens under "
            "the model that gave them, in nats. The further the steered one rises above the other, "
            "the less the model believes what it says; near 0 it may be in a loop.",
            *(
                Query(
                    mean(f'steering_quality_nll{{steered="{steered}"}}', window="$window"), name,
                )
                for steered, name in (("yes", "steered"), ("no", "unsteered"))
            ),
            unit="nats", colours=OUTCOMES, decimals=2,
        ),
        lines(
            "Rise of unlikelihood", "By how much steered answers are above the mean of the same "
            "tenant's unsteered ones, in nats per token. A p90 above 1 is worth a look at the "
            "vector's dose.",
            Query(
                mean_of_signed("steering_quality_nll_rise{}", "steering_quality_nll_moved_total{",
                               window="$window"), "mean",
            ),
            *(
                Query(quantile(q, "steering_quality_nll_rise{}", window="$window"),
                      f"p{q * 100:.0f}")
                for q in (0.5, 0.9)
            ),
            unit="nats", decimals=2,
            colours=(("mean", BLUE), ("p50", GREEN), ("p90", ORANGE)),
        ),
    ),
)  # fmt: skip

PAIRED = Row(
    "The same request steered and unsteered (--quality-shadow)",
    (
        lines(
            "Degenerate answers of pairs", "Shares of the same requests' answers with and without "
            "steering: what is above the unsteered line is steering's own doing. Empty without "
            "shadow runs.",
            *(
                Query(
                    share(
                        rate(f'{PAIRS}{{{side}_verdict="degenerate"}}', window="$window"),
                        rate(f"{PAIRS}{{}}", window="$window"),
                    ), side,
                )
                for side in ("steered", "unsteered")
            ),
            unit="percentunit", low=0.0, colours=OUTCOMES,
        ),
        lines(
            "Length, steered by unsteered", "Of the answers of a pair: 1 is the same number of "
            "tokens.",
            *(
                Query(
                    quantile(q, "steering_quality_pair_length_ratio{}", window="$window"),
                    f"p{q * 100:.0f}",
                )
                for q in (0.1, 0.5, 0.9)
            ),
            decimals=2, colours=(("p10", GREEN), ("p50", BLUE), ("p90", ORANGE)),
        ),
        lines(
            "Rise of NLL within pairs", "By how much the mean negative log-likelihood of the "
            "steered answer of a pair is above that of the unsteered one, in nats per token.",
            Query(
                mean_of_signed("steering_quality_pair_nll_rise{}",
                               "steering_quality_pair_nll_moved_total{", window="$window"), "mean",
            ),
            *(
                Query(
                    quantile(q, "steering_quality_pair_nll_rise{}", window="$window"),
                    f"p{q * 100:.0f}",
                )
                for q in (0.5, 0.9)
            ),
            unit="nats", decimals=2,
            colours=(("mean", BLUE), ("p50", GREEN), ("p90", ORANGE)),
        ),
    ),
)  # fmt: skip

INTENTS = Row(
    "Intents and safety",
    (
        lines(
            "Intents", "The eight most frequent intents of user turns; `none` where the classifier "
            "abstained. A shift without a campaign behind it means that the classifier no longer "
            "fits the traffic.",
            Query(top(rate("steering_intents_total{}", "intent")), "{{intent}}"), unit="reqps",
        ),
        lines(
            "Safety overrides by tenant", "Requests served unsteered because the turn is about "
            "safety. This is right; a surge is worth reading in `steersman decisions`.",
            Query(top(rate("steering_safety_overrides_total{}", "tenant")), "{{tenant}}"),
            unit="reqps",
        ),
        lines(
            "Flags with a say", "Requests in which a flag's variant had a say: the gates that took "
            "steering away, and the flags of experiments.",
            Query(
                top(rate("steering_flag_variants_total{}", "flag, variant")),
                "{{flag}}: {{variant}}"
            ),
            unit="reqps",
        ),
    ),
)  # fmt: skip

BOARD = Dashboard(
    "steersman-overview", "Steersman: overview",
    "What steering does to traffic, for all tenants: outcomes, quality, intents.",
    (NOW, TRAFFIC, QUALITY, PAIRED, INTENTS), (SERVERS, WINDOW),
)  # fmt: skip
