"""`galcen solve-iterative --problem`: the answer, and what is around the solver."""

import logging
import os
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import solver_mock
from galcen.astrometry.iterative import solve as solver
from galcen.config.iterative_problem import IterativeProblem, parse
from galcen.errors import ConfigError, ConvergenceError
from galcen.stages import solve_problem
from mpi import mpiexec
from problem_mock import N_EXPOSURE, write_problem
from reference import reference_file


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "problem.h5"
    write_problem(path)
    return path


def _answer(path):
    """All datasets that the solver fills."""
    with h5py.File(path) as file:
        found = {name: values[()] for name, values in file["solution"].items()}
        return found | {name: file["observations"][name][()] for name in ("nx_fit_pix", "ny_fit_pix")}


@pytest.fixture
def mocked(monkeypatch):
    monkeypatch.setattr(solve_problem, "solve", solver_mock.solve)


def test_the_answer_is_in_the_order_of_the_file(path, mocked, caplog):
    """Predictions and attitudes; a line for each step; no checkpoint is left."""
    with caplog.at_level(logging.INFO):
        solve_problem.run(path, path.with_name("answer.h5"), IterativeProblem())
    answer = _answer(path.with_name("answer.h5"))
    with h5py.File(path) as file:
        for name in ("nx", "ny"):
            np.testing.assert_array_equal(
                answer[f"{name}_fit_pix"], file[f"observations/{name}_pix"][...] - 0.25
            )
    with h5py.File(path.with_name("answer.h5")) as file:
        assert file.attrs["chi2_data"] > 0
        assert file.attrs["is_marginal"]
        assert "seed" in file.attrs["configuration"]
    # Orbits 7, 3, 5, 7, 3, 5: the mock moves all exposures of an orbit alike.
    attitude = answer["attitude_scale"]
    np.testing.assert_array_equal(attitude[:3], attitude[3:])
    assert len(np.unique(attitude[:, 0])) == 3
    assert attitude.shape == (N_EXPOSURE, 5)
    assert answer["A_um"].shape == answer["B_um"].shape == (18,)
    np.testing.assert_allclose(answer["sigma"] ** 2, np.diagonal(answer["cov5"], axis1=1, axis2=2))
    assert sum("measurements/s" in record.message for record in caplog.records) == solver_mock.N_STEP
    assert sorted(file.name for file in path.parent.iterdir()) == ["answer.h5", "problem.h5"]


def test_an_exposure_of_few_stars_is_warned_of(path, mocked, caplog):
    with h5py.File(path, "a") as file:
        exposure = file["observations/exposure"][...]
        keep = np.flatnonzero((exposure != 4) | (np.cumsum(exposure == 4) <= 2))
        for name in list(file["observations"]):
            values = file["observations"][name][...][keep]
            del file["observations"][name]
            file["observations"][name] = values
    solve_problem.run(path, path.with_name("answer.h5"), IterativeProblem())
    assert "exposures 4 have fewer than 3 stars; their priors decide" in caplog.text


@pytest.mark.parametrize("error", [solver_mock.Killed, ConvergenceError])
def test_a_failed_solution_keeps_its_checkpoint_and_writes_no_answer(path, monkeypatch, mocked, error):
    """With more steps allowed, the same command goes on from there, to the same answer."""

    def failing(problem, options, ranks, hooks):
        try:
            return solver_mock.solve(problem, options, ranks, hooks, killed_after=2)
        except solver_mock.Killed:
            raise error("did not settle") from None

    output, other = path.with_name("answer.h5"), path.with_name("other.h5")
    with monkeypatch.context() as patch:
        patch.setattr(solve_problem, "solve", failing)
        with pytest.raises(error, match="did not settle"):
            solve_problem.run(path, output, IterativeProblem())
    assert not output.exists()
    assert (path.parent / "answer.h5.checkpoint" / "state.h5").exists()
    solve_problem.run(path, output, IterativeProblem(max_outer=20))
    assert not (path.parent / "answer.h5.checkpoint").exists()
    solve_problem.run(path, other, IterativeProblem())
    for name, values in _answer(other).items():
        np.testing.assert_array_equal(_answer(output)[name], values, err_msg=name)


MOCKED = """
import sys
from pathlib import Path
import solver_mock
from galcen.config.iterative_problem import IterativeProblem
from galcen.parallel.comm import world
from galcen.stages import solve_problem
solve_problem.solve = solver_mock.solve
problem, output, n_rank, *seeds = sys.argv[1:]
settings = IterativeProblem(seed=int(seeds[world().rank]) if seeds else 1)
solve_problem.run(Path(problem), Path(output), settings, int(n_rank))
"""

PATHS = os.pathsep.join([*sys.path, str(Path(__file__).parents[2])])


def test_more_ranks_than_orbits_give_the_same_answer(path, mocked):
    """Four ranks, three orbits: to the last bit, since the mock's sums are exact."""
    alone, many = path.with_name("alone.h5"), path.with_name("many.h5")
    solve_problem.run(path, alone, IterativeProblem())
    done = mpiexec(4, "-c", MOCKED, path, many, "4", PYTHONPATH=PATHS)
    assert done.returncode == 0, done.stderr
    for name, values in _answer(alone).items():
        np.testing.assert_array_equal(_answer(many)[name], values, err_msg=name)
    assert not path.with_name("many.h5.checkpoint").exists()
    assert "1 of 4 ranks have no orbit" in done.stderr


def test_ranks_with_other_options_are_refused(path):
    done = mpiexec(2, "-c", MOCKED, path, path.with_name("answer.h5"), "2", "1", "7", PYTHONPATH=PATHS)
    assert done.returncode != 0
    assert "the ranks differ in options, version of galcen or problem file (rank 0: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not path.with_name("answer.h5").exists()


def test_a_damaged_problem_is_one_error_on_all_ranks(path):
    """Told once, though all ranks find it, and without a traceback."""
    path.write_bytes(path.read_bytes()[:5000])
    command = ["solve-iterative", "--problem", path, "--output", path.with_name("answer.h5")]
    done = mpiexec(3, "-c", "from galcen.cli import main; main()", *command, PYTHONPATH=PATHS)
    assert done.returncode != 0
    assert done.stderr.count("galcen: error") == 1
    assert "galcen: error (rank 0 of 3, " in done.stderr
    assert "truncated" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_problem_is_not_overwritten(path):
    with pytest.raises(ConfigError, match="is the problem itself"):
        solve_problem.run(path, path.parent / "." / "problem.h5", IterativeProblem())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no JSON"),
        ("[]", "expected a JSON object"),
        ('{"robust": true, "probes": 3}', "probes: unknown key; did you mean n_probe"),
        ('{"scheme": "lsqr"}', "scheme: Input should be 'cg' or 'block-gauss-seidel'"),
    ],
)
def test_bad_options_are_named(text, message):
    with pytest.raises(ConfigError, match=message):
        parse(text)
    assert parse('{"scheme": "cg"}', scheme="block-gauss-seidel").scheme == "block-gauss-seidel"


def test_the_reference_is_met(tmp_path):
    """Sources within 1e-6 sigma, predictions within 1e-6 pixel, errors within 3 %.

    Two ranks add in another order: what that leaves is the rounding of the model, 1e-10 sigma.
    """
    path = reference_file("reference/global_problem.h5")
    solve_problem.run(path, tmp_path / "alone.h5", parse("{}"), 1)
    alone, expected = _answer(tmp_path / "alone.h5"), _answer(path)
    assert (np.abs(alone["s"] - expected["s"]) / expected["sigma"]).max() < 1e-6
    np.testing.assert_allclose(alone["sigma"], expected["sigma"], rtol=0.03)
    for name in ("nx_fit_pix", "ny_fit_pix"):
        np.testing.assert_allclose(alone[name], expected[name], rtol=0, atol=1e-6)
    np.testing.assert_allclose(
        alone["mean_parallax"], expected["mean_parallax"], rtol=0, atol=1e-3 * expected["mean_parallax_sigma"]
    )
    np.testing.assert_allclose(alone["mean_parallax_sigma"], expected["mean_parallax_sigma"], rtol=1e-3)
    with h5py.File(path) as theirs, h5py.File(tmp_path / "alone.h5") as ours:
        np.testing.assert_allclose(ours.attrs["chi2_data"], theirs.attrs["chi2_data"], rtol=1e-6)
    command = ["solve-iterative", "--problem", path, "--output", tmp_path / "both.h5", "--ranks", "2"]
    command += ["--options", '{"n_probe": 0}']
    done = mpiexec(2, "-c", "from galcen.cli import main; main()", *command, PYTHONPATH=PATHS)
    assert done.returncode == 0, done.stderr
    both = _answer(tmp_path / "both.h5")
    assert (np.abs(both["s"] - alone["s"]) / alone["sigma"]).max() < 1e-9
    np.testing.assert_allclose(both["nx_fit_pix"], alone["nx_fit_pix"], rtol=0, atol=1e-9)


def test_an_interrupted_solution_of_the_reference_ends_the_same(tmp_path, monkeypatch):
    """To the last bit, by the solver itself."""
    path, settings = reference_file("reference/global_problem.h5"), parse('{"n_probe": 0}')

    def interrupted(problem, options, ranks, hooks):
        def save(progress):
            hooks.save(progress)
            if len(progress.history) == 2:
                raise solver_mock.Killed

        return solver.solve(problem, options, ranks, hooks._replace(save=save))

    with monkeypatch.context() as patch, pytest.raises(solver_mock.Killed):
        patch.setattr(solve_problem, "solve", interrupted)
        solve_problem.run(path, tmp_path / "answer.h5", settings)
    assert (tmp_path / "answer.h5.checkpoint" / "state.h5").exists()
    for name in ("answer.h5", "through.h5"):
        solve_problem.run(path, tmp_path / name, settings)
    through = _answer(tmp_path / "through.h5")
    for name, values in _answer(tmp_path / "answer.h5").items():
        np.testing.assert_array_equal(values, through[name], err_msg=name)
