"""Whatever a caller writes as a plan: refused at intake, or executed as the definition says.

Nothing that passes intake may fail later, inside of the engine: a block key, a row or a route that
raises there ends every request.
"""

from __future__ import annotations

import json
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.engine_contract import CONFIG_KEY, intake_of
from steersman_vectors.errors import CallerError
from steersman_vectors.plan import MAX_ALPHA, MAX_POSITION, decode_plan
from steersman_vectors.reach import Reach
from steersman_vectors.schedule import gate_reference
from tests.unit.plugins.plans import turns
from tests.unit.plugins.test_engine_state import VECTORS, make_state
from vllm_steersman.intake import take_in
from vllm_steersman.prefix_cache import block_key

DIGESTS = sorted(VECTORS)
PROMPT = tuple(range(40))
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
ALPHAS = st.floats(-2 * MAX_ALPHA, 2 * MAX_ALPHA) | st.floats() | st.integers()
TERMS = st.lists(st.tuples(st.sampled_from([*DIGESTS, "sha256:x", ""]), ALPHAS), max_size=70)
FLOORS = st.floats(0, 1) | st.floats()
SCHEDULES = (
    st.just({"kind": "constant"})
    | st.fixed_dictionaries(
        {"kind": st.just("linear"), "tokens": st.integers(-1, 10**7)}, optional={"floor": FLOORS}
    )
    | st.fixed_dictionaries(
        {"kind": st.just("exponential"), "half_life_tokens": st.floats(0, 1e7)},
        optional={"floor": FLOORS},
    )
    | JSON
)
POSITIONS = st.integers(0, 60) | st.integers(MAX_POSITION - 99, MAX_POSITION + 9) | st.integers()
TURNS = st.lists(st.tuples(POSITIONS, POSITIONS | st.none()), max_size=4) | st.lists(
    POSITIONS, max_size=6
).map(lambda p: [list(pair) for pair in zip(sorted(p)[::2], [*sorted(p)[1::2], None])])  # noqa: B905
SCOPES = st.sampled_from(["generation", "all", "assistant", "everywhere", None]) | JSON
NEARLY_VALID = st.fixed_dictionaries(
    {
        "terms": st.lists(
            st.tuples(st.sampled_from(DIGESTS), st.floats(-MAX_ALPHA, MAX_ALPHA)), max_size=5
        ),
        "schedule": st.fixed_dictionaries(
            {"kind": st.just("linear"), "tokens": st.integers(1, 10**6), "floor": st.floats(0, 1)}
        )
        | st.fixed_dictionaries(
            {
                "kind": st.just("exponential"),
                "half_life_tokens": st.floats(0, 1e6) | st.sampled_from([5e-324, 1e-300, 1e-3]),
                "floor": st.floats(0, 1),
            }
        ),
    }
)
BOUND = st.tuples(NEARLY_VALID, TURNS | turns()).map(lambda pair: {**pair[0], "turns": pair[1]})
TURNS_OF = {"generation": ((len(PROMPT) - 1, None),), "all": ((0, None),)}
"""Of a prompt without assistant turns; `assistant` needs a chat template."""
SCOPED = st.tuples(NEARLY_VALID, st.sampled_from(["generation", "all"])).map(
    lambda pair: {**pair[0], "scope": pair[1]}
)
WIRES = st.fixed_dictionaries(
    {"terms": TERMS | JSON}, optional={"schedule": SCHEDULES, "scope": SCOPES, "turns": TURNS}
)


def taken_in(wire: Any) -> Any:
    """Returns the plan as it leaves intake, None for unsteered; raises `CallerError`."""
    config = SimpleNamespace(
        additional_config={CONFIG_KEY: {}}, model_config=SimpleNamespace(dtype=torch.float32)
    )
    processor = SimpleNamespace(vllm_config=config, tokenizer=None)
    intake_of(processor).resident.update(dict.fromkeys(DIGESTS, Reach(1.0, 0)))
    params = SimpleNamespace(extra_args={"steering": wire})
    asked = SimpleNamespace(sampling_params=params, prompt_token_ids=PROMPT, resumable=False)
    return take_in(processor, asked).sampling_params.extra_args.get("steering")


@given(BOUND | SCOPED | WIRES | JSON, st.data())
def test_what_passes_intake_is_executed_to_the_letter(wire: Any, data: st.DataObject) -> None:
    try:
        taken = taken_in(wire)
    except CallerError:
        return
    asked = decode_plan(wire)
    if taken is None:
        assert not asked.terms
        return
    plan = decode_plan(json.loads(json.dumps(taken)))
    assert (plan.terms, plan.schedule) == (asked.terms, asked.schedule)
    assert plan.turns == (TURNS_OF[asked.scope] if asked.turns is None else asked.turns)
    state = make_state()
    state.add("a", plan)
    edges = [edge for turn in plan.turns for edge in turn if edge is not None] or [0]
    around = max(0, data.draw(st.sampled_from(edges)) + data.draw(st.integers(-20, 20)))
    count = data.draw(st.integers(1, 30))
    computed = np.array([around], dtype=np.int32 if around < 2**31 else np.int64)
    state.step(["a"], computed, np.array([count]))
    got_rows = state.buffers.token_row[:count].tolist()
    got_gates = state.buffers.token_gate[:count, 0].tolist()
    for offset in range(count):
        position = around + offset
        inside = [s for s, e in plan.turns if s <= position and (e is None or position < e)]
        gate = gate_reference(plan.schedule, position - inside[0]) if inside else 0.0
        assert (got_rows[offset] != 0) == bool(inside)
        assert math.isclose(got_gates[offset], gate, rel_tol=1e-5, abs_tol=1e-7)
    assert torch.isfinite(state.buffers.rows).all()
    key = block_key(plan, around, around + count)
    assert (key is None) == (not any(got_rows))
