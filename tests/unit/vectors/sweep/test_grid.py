"""The grid: every cell once, in order; what does the same thing is asked once; ids that last."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError
from steersman_vectors.sweep.grid import (
    UNSTEERED,
    Grid,
    LayerSet,
    check,
    configurations,
    from_json,
    key_of,
    runs,
    runs_of,
    settings,
    to_json,
)

from .samples import PLAIN, grids


@given(grids)
def test_runs_are_what_a_plain_product_asks_for_and_no_more(grid: Grid) -> None:
    check(grid)
    wanted: list[tuple[object, ...]] = []
    for vector, chosen, alpha in itertools.product(grid.vectors, grid.layer_sets, grid.alphas):
        layers = vector.layers if chosen.layers is None else chosen.layers
        for prompt, sample in itertools.product(grid.prompts, range(grid.samples)):
            does = (
                ("steered", vector.digest, layers, alpha) if alpha else ("unsteered",)
            )  # two vectors of other names have other digests here
            wanted.append((*does, prompt.id, sample))
    assert configurations(grid) == len(wanted)
    made = runs(grid)
    given_back = [
        (
            *(
                ("steered", run.setting.vector.digest, run.setting.layers, run.setting.alpha)
                if run.setting.steers and run.setting.vector
                else ("unsteered",)
            ),
            run.prompt.id,
            run.sample,
        )
        for run in made
    ]
    assert given_back == list(dict.fromkeys(wanted))
    assert len({run.id for run in made}) == len(made)


@given(grids)
def test_every_setting_finds_its_answers_among_the_runs(grid: Grid) -> None:
    ids = {run.id for run in runs(grid)}
    for setting in (*settings(grid), *([UNSTEERED] if 0.0 in grid.alphas else [])):
        wanted = [run.id for run in runs_of(grid, setting)]
        assert len(set(wanted)) == len(wanted) == len(grid.prompts) * grid.samples
        assert ids.issuperset(wanted)


@given(grids, st.randoms())
def test_ids_do_not_depend_on_what_else_is_asked_or_in_which_order(grid: Grid, rng) -> None:
    def shuffled(values):
        return tuple(rng.sample(values, len(values)))

    other = replace(
        grid,
        vectors=shuffled(grid.vectors),
        layer_sets=shuffled(grid.layer_sets),
        alphas=shuffled(grid.alphas),
        prompts=shuffled(grid.prompts)[: rng.randint(1, len(grid.prompts))],
    )
    assert {run.id for run in runs(other)} <= {run.id for run in runs(grid)}


@given(grids)
def test_what_changes_an_answer_changes_its_id(grid: Grid) -> None:
    ids = {run.id for run in runs(grid)}
    for changed in (
        replace(grid, model="sha256:" + "b" * 64),
        replace(grid, temperature=0.5),
        replace(grid, max_tokens=grid.max_tokens + 1),
        replace(grid, seed=grid.seed + 1),
    ):
        assert ids.isdisjoint(run.id for run in runs(changed))
        assert key_of(changed) != key_of(grid)


@given(grids)
def test_draws_are_the_same_under_every_setting(grid: Grid) -> None:
    seeds: dict[tuple[str, int], int] = {}
    for run in runs(grid):
        assert seeds.setdefault((run.prompt.id, run.sample), run.seed) == run.seed
        assert 0 <= run.seed < 2**48
    assert len(set(seeds.values())) == len(seeds)


@given(grids)
def test_a_grid_is_json_and_back(grid: Grid) -> None:
    assert from_json(to_json(grid)) == grid
    assert key_of(from_json(to_json(grid))) == key_of(grid)


@given(grids)
def test_ids_last(grid: Grid) -> None:
    """Alpha -0.0 is 0, and greedy answers have no seed."""
    greedy = replace(grid, temperature=0.0, samples=1, alphas=(-0.0, 0.5))
    assert {run.id for run in runs(greedy)} == {
        run.id for run in runs(replace(greedy, alphas=(0.0, 0.5), seed=grid.seed + 1))
    }


def test_the_reference_size() -> None:
    from steersman_vectors.message import Message
    from steersman_vectors.sweep.grid import GridVector
    from steersman_vectors.sweep.prompts import SweepPrompt

    grid = Grid(
        model="sha256:" + "a" * 64,
        vectors=tuple(GridVector(f"v{i}", f"sha256:{i:064d}", tuple(range(8))) for i in range(4)),
        layer_sets=tuple(LayerSet(f"{i}", (i,)) for i in range(8)),
        alphas=(0.05, 0.2, 0.35, 0.55, 0.75),
        prompts=tuple(SweepPrompt(f"p{i}", (Message("user", "hello"),)) for i in range(8)),
    )
    assert configurations(grid) == len(runs(grid)) == 1280
    # An id is kept in files: it may not change between versions.
    assert runs(grid)[0].id == "97a60af7cd9b50b4"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"alphas": ()}, "--alphas: got none"),
        ({"alphas": (0.1, 0.1)}, "--alphas: got one twice"),
        ({"alphas": (0.0, -0.0)}, "--alphas: got one twice"),
        ({"alphas": (float("nan"),)}, "finite"),
        ({"alphas": (0.1, -1e7)}, "from -1e\\+06 to 1e\\+06"),
        ({"samples": 0}, "at least 1"),
        ({"max_tokens": 0}, "at least 1"),
        ({"temperature": -1.0}, "at least 0"),
        ({"samples": 2, "temperature": 0.0}, "greedy answers are all the same"),
        ({"layer_sets": (LayerSet("dense:3-9", (3, 9)),)}, "has directions at"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(change, said) -> None:
    with pytest.raises(CallerError, match=said):
        check(replace(PLAIN, **change))
