"""The figures: intervals, varied words, and each answer counted where it belongs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.quality.judge import judge
from steersman_vectors.sweep.contract import Answer
from steersman_vectors.sweep.grid import runs
from steersman_vectors.sweep.heat_map import heat_maps
from steersman_vectors.sweep.results import Results
from steersman_vectors.sweep.rows import row_of
from steersman_vectors.sweep.summary import distinct, summarise

from .samples import PLAIN, answers, grids

LOOP = Answer("I am sorry. " * 40, "length", (7, 8) * 20, (-0.25,) * 40)
FINE = Answer("Your order leaves today.", "stop", (1, 2, 3, 4), (-1.0, -2.0, -3.0, -4.0))


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(1, 3))
def test_distinct_is_counted_by_hand(ids, n):
    grams = ["-".join(map(str, ids[i : i + n])) for i in range(len(ids)) if i + n <= len(ids)]
    expected = len(set(grams)) / len(grams) if grams else None
    assert distinct(ids, n) == expected


@given(grids, st.data())
def test_every_setting_is_the_mean_of_its_own_answers(grid, data):
    """Against numpy over a flat table of all answers, found by what they were steered by."""
    made = runs(grid)
    said = data.draw(st.lists(answers, min_size=len(made), max_size=len(made)))
    there = data.draw(st.sets(st.sampled_from([run.id for run in made])))
    rows = {r.id: row_of(r, a) for r, a in zip(made, said, strict=True) if r.id in there}
    for summary in summarise(Results(grid, rows)):
        setting = summary.setting
        vector = setting.vector
        own = [
            row
            for row in rows.values()
            if (row.digest, row.layers, row.alpha)
            == (
                (None, (), 0.0)
                if vector is None
                else (vector.digest, setting.layers, setting.alpha)
            )
        ]
        assert summary.answers == len(own)
        assert summary.mean_tokens == pytest.approx(
            np.mean([len(row.token_ids) for row in own]) if own else None
        )
        scored = [np.mean(row.logprobs) for row in own if row.logprobs]
        assert summary.mean_logprob == pytest.approx(np.mean(scored) if scored else None)
        asked = {prompt.id: prompt.asked for prompt in grid.prompts}
        broken = [judge(asked[r.prompt], r.text, r.finish_reason).degenerate for r in own]
        assert summary.degenerate == sum(broken)
        assert summary.degenerate_rate == (sum(broken) / len(own) if own else None)


def test_loops_are_degenerate_and_show_in_the_map():
    grid = replace(PLAIN, alphas=(0.0, 0.5, 2.0))
    rows = {}
    for run in runs(grid):
        rows[run.id] = row_of(run, LOOP if run.setting.alpha == 2.0 else FINE)
    summaries = summarise(Results(grid, rows))
    unsteered, *steered = summaries
    assert unsteered.setting.vector is None
    assert unsteered.degenerate == 0
    assert unsteered.mean_logprob == -2.5
    assert len(steered) == len(grid.vectors) * len(grid.layer_sets) * 2
    for summary in steered:
        assert summary.degenerate_rate == (1.0 if summary.setting.alpha == 2.0 else 0.0)
        assert summary.distinct_2 == (2 / 39 if summary.setting.alpha == 2.0 else 1.0)
    maps = heat_maps(summaries, lambda summary: summary.degenerate_rate)
    assert [heat.vector for heat in maps] == [vector.name for vector in grid.vectors]
    for heat in maps:
        assert heat.alphas == (0.5, 2.0)
        assert heat.rules == tuple(chosen.rule for chosen in grid.layer_sets)
        assert heat.cells == ((0.0, 1.0),) * len(heat.rules)
    assert not math.isnan(summaries[0].degenerate_high)
