"""Solve a problem file: one solution of all its sources, attitudes and camera, on any number of ranks."""

import logging
import time
from pathlib import Path

import jax
import numpy as np

from galcen.astrometry.iterative.options import Options
from galcen.astrometry.iterative.problem import Problem
from galcen.astrometry.iterative.result import Result
from galcen.astrometry.iterative.solve import solve
from galcen.config.iterative_problem import IterativeProblem
from galcen.errors import ConfigError
from galcen.io.problem_answer import write_problem_answer
from galcen.io.problem_file import FEWEST_STARS, ProblemFile, read_problem_file
from galcen.io.solver_checkpoint import remove
from galcen.parallel.comm import World
from galcen.parallel.partition import own_share
from galcen.random import key
from galcen.stages.inputs import read_inputs
from galcen.stages.problem_orbits import problem_of
from galcen.stages.problem_prediction import check_file_predictions
from galcen.stages.solver_run import (
    checkpoint_folder,
    gathered,
    hooks,
    identity,
    running,
    sole_writer,
    tell_products,
    warn_of_errors,
    warn_of_idle,
)

STAGE = "solve_iterative"

Numbers = dict[str, np.ndarray | float]

log = logging.getLogger(__name__)


def run(problem_file: Path, output: Path, settings: IterativeProblem, n_rank: int | None = None) -> None:
    """Solve all orbits of a problem file at once.

    Parameters
    ----------
    problem_file
        See `galcen.io.problem_file`.
    output
        The same with the solution in it; checkpoints lie beside it until it is written.
    settings
        How to solve it.
    n_rank
        Number of ranks that must be there; None: as many as were started.

    Raises
    ------
    SchemaError
        The problem is damaged or contradicts itself, or predicts other places than the measured ones.
    ConfigError
        Wrong number of ranks, or they were not started alike.
    ConvergenceError
        The solution does not settle.
    ResourceError
        A checkpoint cannot be written.
    """
    jax.config.update("jax_enable_x64", True)
    if output.resolve() == problem_file.resolve():
        raise ConfigError(f"{output}: is the problem itself; give the answer another name")
    with running(n_rank) as ranks, sole_writer(output, ranks):
        begin = time.perf_counter()
        file = read_problem_file(problem_file, own_share(ranks))
        inputs = read_inputs(STAGE, settings.model_dump(), files={"problem file": problem_file})
        run_identity = identity(settings.model_dump(), inputs.digests())
        ranks.agree(run_identity, "options, version of galcen or problem file")
        check_file_predictions(file)
        _describe(file, ranks)
        warn_of_idle(ranks, len(file.orbits))
        tell_products(ranks, settings.products)
        problem, folder = problem_of(file, settings.distortion_order), checkpoint_folder(output)
        options = Options(**settings.model_dump(include=set(Options._fields)))
        calls = hooks(problem, ranks, folder, run_identity, key(settings.seed, STAGE))
        result = solve(problem, options, ranks, calls)
        attributes = {"chi2_data": result.chi2, "dof": result.dof, "is_marginal": result.is_marginal}
        attributes["n_step"] = len(result.history)
        predicted, attitude = _collected(file, problem, result, ranks)
        if ranks.rank == 0:
            made_by = inputs.attributes()
            solution = _solution(result) | {"attitude_scale": attitude}
            write_problem_answer(output, problem_file, solution, predicted, made_by | attributes)
            warn_of_errors(result.chi2, result.dof, str(output))
        remove(folder, ranks)
        log.info(
            "%s: %d sources, %d measurements, chi2/dof %.5f, %d steps, %.1f s",
            output,
            len(result.n_obs),
            file.n_obs,
            result.chi2 / result.dof,
            len(result.history),
            time.perf_counter() - begin,
        )


def _describe(file: ProblemFile, ranks: World) -> None:
    shares = ranks.gather((len(file.orbits), sum(len(orbit.rows) for orbit in file.orbits)))
    if shares is None:
        return
    log.info(
        "%s: %d sources, %d exposures in %d orbits, %d measurements; most on a rank: %d",
        file.path,
        len(file.sources["ra_deg"]),
        len(file.exposures["t_yr"]),
        file.n_orbit,
        file.n_obs,
        max(n_obs for _, n_obs in shares),
    )
    if len(file.sparse):
        log.warning(
            "%s: exposures %s have fewer than %d stars; their priors decide their attitude",
            file.path,
            ", ".join(map(str, file.sparse[:10])) + (", ..." if len(file.sparse) > 10 else ""),
            FEWEST_STARS,
        )


def _collected(
    file: ProblemFile, problem: Problem, result: Result, ranks: World
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions [pixel] and attitudes in the order of the file; on rank 0."""
    predicted = [orbit.pixel - left for orbit, left in zip(problem.orbits, result.residual, strict=True)]
    parts = {
        "rows": [orbit.rows for orbit in file.orbits],
        "exposures": [orbit.exposures for orbit in file.orbits],
        "predicted": predicted,
        "attitude": result.state.exposure,
    }
    orbits = gathered(ranks, [orbit.number for orbit in file.orbits], parts) or {}
    pixel, attitude = np.empty((2, file.n_obs)), np.empty((len(file.exposures["t_yr"]), 5))
    for orbit in orbits.values():
        pixel[:, orbit["rows"]] = orbit["predicted"]
        attitude[orbit["exposures"]] = orbit["attitude"]
    return pixel, attitude


def _solution(result: Result) -> Numbers:
    """Datasets of the group `solution`."""
    a, b = result.state.unit[0].reshape(2, -1)
    return {
        "s": result.state.source,
        "sigma": np.sqrt(np.diagonal(result.covariance, axis1=1, axis2=2)),
        "cov5": result.covariance,
        "A_um": a,
        "B_um": b,
        "detector": result.state.chip,
        "mean_parallax": result.mean_parallax,
        "mean_parallax_sigma": result.mean_parallax_error,
    }
