"""Which requests are looked at."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from steersman_server.monitor.metrics import DecisionMetrics
from steersman_server.quality.logprob_gate import LogprobGate
from steersman_server.quality.sampler import gives_answers, is_sampled
from steersman_server.quality.watch import QualityWatch
from tests.unit.server.quality.samples import UNSTEERED

RATES = st.floats(0, 1)
CHAT = "/v1/chat/completions"


@given(st.text(), RATES, RATES)
def test_a_smaller_sample_is_part_of_a_larger_one(request_id, one, other):
    small, large = sorted((one, other))
    assert is_sampled(request_id, large) or not is_sampled(request_id, small)
    assert is_sampled(request_id, 1.0)
    assert not is_sampled(request_id, 0.0)


def test_the_rate_is_about_kept():
    sampled = sum(is_sampled(f"request-{number}", 0.05) for number in range(20_000))
    assert 900 < sampled < 1100  # 5% of 20,000 is 1,000; fixed ids, so this never changes


def test_what_is_no_answer_is_not_looked_at():
    assert gives_answers({"max_tokens": 1})
    assert not gives_answers({"max_tokens": 0})
    assert not gives_answers({"use_beam_search": True})


def test_the_tap_has_the_latest_user_turn():
    watch = QualityWatch(1.0, DecisionMetrics(), LogprobGate(1.0))
    body = {"messages": [{"role": "user", "content": "first"}, {"role": "user", "content": "last"}]}
    assert watch.tap("id", CHAT, body, UNSTEERED)._prompt == "last"
    assert watch.tap("id", CHAT, {}, UNSTEERED)._prompt == ""
    assert (
        QualityWatch(0.0, DecisionMetrics(), LogprobGate(1.0)).tap("id", CHAT, body, UNSTEERED)
        is None
    )
