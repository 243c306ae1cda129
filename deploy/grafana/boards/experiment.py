"""What does a vector do, and which variant of a flag is better?"""

from __future__ import annotations

from ..declare import (
    GREEN,
    ORANGE,
    RED,
    SERVERS,
    WINDOW,
    YELLOW,
    Dashboard,
    Query,
    Row,
    Variable,
    bars,
    heatmap,
    lines,
    table,
)
from ..promql import count, mean, mean_of_signed, rate, share, top, wilson

VECTOR = 'vector=~"$vector"'
FLAG = 'flag=~"$flag"'
VARIANT = "flag, variant"
SEEN = f"steering_flag_variants_total{{{FLAG}}}"
ANSWERS = f"steering_quality_variant_answers_total{{{FLAG}}}"
BROKEN = f'steering_quality_variant_answers_total{{{FLAG}, verdict="degenerate"}}'
TOKENS = f"steering_quality_variant_tokens{{{FLAG}}}"
NLL = f"steering_quality_variant_nll{{{FLAG}}}"
BY_VECTOR = f"steering_quality_vector_answers_total{{{VECTOR}}}"
BROKEN_BY_VECTOR = f'steering_quality_vector_answers_total{{{VECTOR}, verdict="degenerate"}}'


def of_flag(series: str) -> str:
    """Returns a variant's part of its flag's traffic."""
    whole = f"sum by (flag) (increase({series}[$__range]))"
    return f"{count(series, VARIANT)} / on (flag) group_left () ({whole} > 0)"


EXPERIMENT = Row(
    "Experiment: the variants of $flag",
    (
        table(
            "Variants compared, in the time shown", "All that is known of each variant, in "
            "one row. "
            "Where two intervals of degenerate answers do not overlap the difference is no chance; "
            "where they do, let the test run on. Tokens and nats are means.",
            Query(count(SEEN, VARIANT), "requests", "short"),
            Query(of_flag(SEEN), "share of traffic", "percentunit"),
            Query(count(ANSWERS, VARIANT), "answers sampled", "short"),
            Query(share(count(BROKEN, VARIANT), count(ANSWERS, VARIANT)), "degenerate",
                  "percentunit"),
            Query(wilson(count(BROKEN, VARIANT), count(ANSWERS, VARIANT), -1), "at least",
                  "percentunit"),
            Query(wilson(count(BROKEN, VARIANT), count(ANSWERS, VARIANT), 1), "at most",
                  "percentunit"),
            Query(mean(TOKENS, VARIANT, "$__range"), "tokens per answer", "short"),
            Query(mean(NLL, VARIANT, "$__range"), "nats per token", "nats"),
            height=6,
        ),
        lines(
            "Share of traffic", "How requests are spread over the variants. It should be what "
            "`flags rollout` says; users are put into buckets, so few users spread unevenly.",
            Query(f"{rate(SEEN, VARIANT)} / on (flag) group_left () ({rate(SEEN, 'flag')} > 0)",
                  "{{variant}}"),
            unit="percentunit", stacked=True, low=0.0, high=1.0,
        ),
        bars(
            "Degenerate, with its interval", "The 95% interval (Wilson) of each variant's "
            "degenerate "
            "rate, in the time shown. Compare the lower end of one with the upper end of another.",
            Query(wilson(count(BROKEN, VARIANT), count(ANSWERS, VARIANT), -1),
                  "{{variant}}: at least"),
            Query(share(count(BROKEN, VARIANT), count(ANSWERS, VARIANT)), "{{variant}}: measured"),
            Query(wilson(count(BROKEN, VARIANT), count(ANSWERS, VARIANT), 1),
                  "{{variant}}: at most"),
            unit="percentunit", low=0.0, steps=((0.02, YELLOW), (0.05, ORANGE)), decimals=2,
        ),
        lines(
            "Degenerate answers", "Share of sampled answers that nobody can want, over the window.",
            Query(share(rate(BROKEN, VARIANT, "$window"), rate(ANSWERS, VARIANT, "$window")),
                  "{{variant}}"),
            unit="percentunit", low=0.0,
        ),
        lines(
            "Length of answers", "Mean tokens per answer, over the window.",
            Query(mean(TOKENS, VARIANT, "$window"), "{{variant}}"), width=12,
        ),
        lines(
            "Unlikelihood of answers", "Mean negative log-likelihood of an answer's tokens, in "
            "nats, over the window: the higher, the less the model believes what it says.",
            Query(mean(NLL, VARIANT, "$window"), "{{variant}}"), unit="nats",
            width=12, decimals=2,
        ),
    ),
)  # fmt: skip

VECTORS = Row(
    "Vectors",
    (
        lines(
            "Applied, by version", "Requests per second that a vector's version acts on. After "
            "`vectors promote` the new one should take over within seconds.",
            Query(top(rate(f"steering_applied_total{{{VECTOR}}}", "vector, version")),
                  "{{vector}}@{{version}}"), unit="reqps",
        ),
        lines(
            "Applied, by preset", "Which dials are in use; `none` where a number was given.",
            Query(top(rate(f"steering_applied_total{{{VECTOR}}}", "vector, preset")),
                  "{{vector}}: {{preset}}"), unit="reqps", stacked=True,
        ),
        lines(
            "Degenerate answers, by version", "Share of sampled steered answers that nobody can "
            "want. A version that is worse than its predecessor: `vectors rollback`.",
            Query(
                top(share(rate(BROKEN_BY_VECTOR, "vector, version", "$window"),
                          rate(BY_VECTOR, "vector, version", "$window"))),
                "{{vector}}@{{version}}",
            ), unit="percentunit", low=0.0,
        ),
        heatmap(
            "Alpha", "How the alphas of applied vectors are spread. A band that moves up is a new "
            "default or a client that turned the dial.",
            Query(rate(f"steering_alpha_bucket{{{VECTOR}}}", "le"), "{{le}}"), width=12,
        ),
        lines(
            "Mean alpha", "Of the requests that a vector is applied to; below 0 where it is turned "
            "around.",
            Query(top(mean_of_signed(f"steering_alpha{{{VECTOR}}}",
                                     f"steering_alpha_added_total{{{VECTOR}, ", "vector")),
                  "{{vector}}"),
            width=12, decimals=2,
        ),
    ),
)  # fmt: skip


def tone(what: str, steered: str, window: str) -> str:
    """Returns tokens or units of the read-out per second, of tokens that are steered or are not."""
    series = f'steering_tone_{what}_total{{{VECTOR}, steered="{steered}"}}'
    return rate(series, "vector", window)


def mean_cos(steered: str) -> str:
    """Returns the mean cosine that the units of the read-out stand for."""
    tokens = tone("tokens", steered, "$window")
    return f"2 * {tone('units', steered, '$window')} / ({tokens} > 0) - 1"


TONE = Row(
    "Tone: what the traffic says (servers with --readout)",
    (
        lines(
            "Tone of answers", "Mean cosine between the residual stream and the vector, of answer "
            "tokens over the window. Compare a vector's steered line with its unsteered one, or "
            "one week with another; the height alone means nothing. See docs/readout.md.",
            Query(top(mean_cos("yes")), "{{vector}}, steered"),
            Query(top(mean_cos("no")), "{{vector}}, unsteered"),
            width=12, decimals=3,
        ),
        lines(
            "Tokens measured", "Answer tokens per second that the read-out has measured, of one "
            "engine step in --readout-every. Few tokens make a line that shakes.",
            Query(top(tone("tokens", "yes", "$__rate_interval")), "{{vector}}, steered"),
            Query(top(tone("tokens", "no", "$__rate_interval")), "{{vector}}, unsteered"),
            low=0.0,
        ),
        bars(
            "Measured now", "1: the slot measures the vector that its name stands for. 0: it "
            "measures nothing; the server's log tells why (`readout_reads_nothing`).",
            Query(top(f"min by (vector) (steering_tone_reads{{{VECTOR}}})"), "{{vector}}"),
            width=4, low=0.0, high=1.0, decimals=0, base=RED, steps=((1.0, GREEN),),
        ),
    ),
)  # fmt: skip

BOARD = Dashboard(
    "steersman-experiment", "Steersman: vector and experiment",
    "What a vector does, and the variants of a flag beside each other.",
    (EXPERIMENT, VECTORS, TONE),
    (
        SERVERS,
        Variable("flag", "Flag", "label_values(steering_flag_variants_total, flag)", many=False),
        Variable("vector", "Vector", "label_values(steering_applied_total, vector)"),
        WINDOW,
    ),
)  # fmt: skip
