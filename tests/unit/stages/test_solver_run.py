"""What stands around the solver: checkpoints that give the same answer, and what the ranks gather."""

import logging
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from galcen.astrometry.iterative.options import Options
from galcen.astrometry.iterative.problem import start
from galcen.io.problem_file import read_problem_file
from galcen.io.solver_checkpoint import Saved
from galcen.parallel.comm import World
from galcen.stages import solver_run
from galcen.stages.problem_orbits import problem_of
from problem_mock import write_problem
from solver_mock import Killed, solve

ALONE = World()


@pytest.fixture
def problem(tmp_path):
    write_problem(tmp_path / "problem.h5")
    return problem_of(read_problem_file(tmp_path / "problem.h5"))


def test_an_interrupted_solution_ends_the_same(problem, tmp_path, caplog):
    """To the last bit, wherever it was interrupted."""
    hooks = partial(solver_run.hooks, problem, ALONE, tmp_path / "checkpoint", "hash", None)
    through = solve(problem, Options(), ALONE, solver_run.hooks(problem, ALONE, tmp_path / "a", "hash", None))
    for after in (1, 2):
        with pytest.raises(Killed):
            solve(problem, Options(), ALONE, hooks(), killed_after=after)
    with caplog.at_level(logging.INFO):
        resumed = solve(problem, Options(), ALONE, hooks())
    assert "going on after 2 steps" in caplog.text
    assert resumed.history == through.history
    assert [type(value) for line in resumed.history for value in line] == [
        type(value) for line in through.history for value in line
    ]
    for got, expected in zip(resumed.state[:3], through.state[:3], strict=True):
        np.testing.assert_array_equal(got, expected)
    for name in ("weight", "exposure_noise"):
        for got, expected in zip(getattr(resumed, name), getattr(through, name), strict=True):
            np.testing.assert_array_equal(got, expected)
    for got, expected in zip(resumed.state.exposure, through.state.exposure, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_checkpoint_of_other_unknowns_is_not_used(problem, caplog):
    state = start(problem)
    shared = {"source": state.source[:-1], "unit": state.unit, "chip": state.chip}
    orbits = {o.number: {"exposure": v} for o, v in zip(problem.orbits, state.exposure, strict=True)}
    assert solver_run.to_progress(Saved(shared, orbits), problem) is None
    assert "other unknowns" in caplog.text


def test_the_identity_tells_options_and_inputs_apart():
    """Not the allowed number of steps, and not where products are made."""
    one = solver_run.identity({"robust": True, "max_outer": 8}, {"a.h5": "1"})
    assert one == solver_run.identity({"max_outer": 20, "robust": True, "products": "host"}, {"a.h5": "1"})
    assert one != solver_run.identity({"robust": False, "max_outer": 8}, {"a.h5": "1"})
    assert one != solver_run.identity({"robust": True, "max_outer": 8}, {"a.h5": "2"})


def test_orbits_are_gathered_by_number():
    got = solver_run.gathered(ALONE, [7, 3], {"a": [np.ones(1), np.zeros(2)], "b": [np.ones(3), np.ones(4)]})
    assert list(got) == [3, 7]
    assert got[3]["a"].tolist() == [0, 0]
    assert len(got[7]["b"]) == 3
    assert solver_run.gathered(ALONE, [], {"a": []}) == {}


def test_the_log_tells_who_makes_the_products(caplog):
    """One line for ranks alike."""
    ranks = SimpleNamespace(gather=lambda own: [own, "there: JAX on gpu 0", own])
    with caplog.at_level(logging.INFO):
        solver_run.tell_products(ranks, "host")
    first, second = (record.getMessage() for record in caplog.records)
    assert "rank(s) 0, 2 on " in first
    assert "loops on the CPU" in first
    assert second.endswith("rank(s) 1 on there: JAX on gpu 0")
