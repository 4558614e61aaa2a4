"""Solve all orbits of the survey at once: sources, attitudes and camera."""

import hashlib
import json
import logging
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from galcen import config
from galcen.astrometry.iterative import solve as solver
from galcen.astrometry.iterative.options import Options
from galcen.astrometry.iterative.problem import Problem
from galcen.astrometry.iterative.result import Patterns, Result
from galcen.astrometry.iterative_products import (
    Measured,
    calibration_columns,
    exposure_columns,
    history_columns,
    map_columns,
    no_residuals,
    residual_sums,
    source_columns,
)
from galcen.config.solver import Solver
from galcen.io.hdf5 import create, write_array, write_columns
from galcen.io.iterative_schema import (
    DRAWS,
    ITERATIVE,
    ITERATIVE_CALIBRATION,
    ITERATIVE_EXPOSURES,
    ITERATIVE_HISTORY,
    ITERATIVE_MAP,
    ITERATIVE_SOURCES,
    ITERATIVE_UNITS,
    Flag,
)
from galcen.io.lineage import hash_files
from galcen.io.schema import Table
from galcen.io.solver_checkpoint import remove
from galcen.parallel.comm import World
from galcen.parallel.partition import own_share
from galcen.random import key
from galcen.stages.inputs import read_inputs
from galcen.stages.iterative_problem import Survey, build, read_survey
from galcen.stages.problem_prediction import check_predictions
from galcen.stages.solver_run import (
    checkpoint_folder,
    hooks,
    identity,
    running,
    sole_writer,
    tell_products,
    warn_of_errors,
    warn_of_idle,
)

STAGE = "solve_iterative"

NO_PART_OF_THE_SOLUTION = {"enabled", "ranks", "gpus", "products"}
"""Of the section: a solution goes on from its checkpoint whatever they are."""

Columns = dict[str, np.ndarray]

log = logging.getLogger(__name__)


class Own(NamedTuple):
    """What a rank adds to the product."""

    exposures: list[Columns]
    """Columns of `ITERATIVE_EXPOSURES` of each of its orbits."""
    residuals: np.ndarray
    """Sums over its measurements, see `residual_sums`."""


def run(
    exposures: list[Path], catalogue: Path, output: Path, options: dict[str, Any], n_rank: int | None = None
) -> None:
    """Five parameters of every source of the catalogue, attitudes and camera, from all orbits together.

    Parameters
    ----------
    exposures
        Measurements of all blocks of orbits.
    catalogue
        What is known of the sources before.
    output
        The solution, written by rank 0; checkpoints lie beside it until it is written.
    options
        Sections `seed` and `solver` of the configuration, and of `survey` the epoch of the plan.
    n_rank
        Number of ranks that must be there; None: as many as were started.

    Raises
    ------
    SchemaError
        A file is damaged or does not fit the others, an orbit has no exposure with three stars, or
        measurements are not where they are predicted.
    ConfigError
        There are more or fewer ranks than asked for, or colours are asked for that the catalogue has not.
    ConvergenceError
        The solution does not settle.
    ResourceError
        A checkpoint cannot be written.
    """
    jax.config.update("jax_enable_x64", True)
    settings = _settings(options)
    choices, epoch = settings.solver, settings.survey.plan.epoch
    with running(n_rank) as ranks, sole_writer(output, ranks):
        begin = time.perf_counter()
        inputs = read_inputs(STAGE, options, [catalogue, *exposures], hashes=partial(_hashes, ranks))
        survey = read_survey(exposures, catalogue, choices, epoch)
        kept = choices.model_dump(mode="json", exclude=NO_PART_OF_THE_SOLUTION)
        others = {"seed": settings.seed, "epoch": epoch, "version": options.get("version")}
        run_identity = identity(kept | others, ranks.broadcast(inputs.digests()))
        ranks.agree(run_identity, "options, version of galcen or files")
        if ranks.size > 1:
            ranks.agree(_digest(survey), "the catalogue or the list of orbits that they have read")
        mine = own_share(ranks)(np.array([orbit.n_obs for orbit in survey.orbits]))
        problem, tables = build(survey, choices, mine)
        check_predictions(problem, f"{catalogue} with {exposures[0]}")
        _tell(survey, problem, ranks)
        warn_of_idle(ranks, len(mine))
        tell_products(ranks, choices.products)
        folder = checkpoint_folder(output)
        calls = hooks(problem, ranks, folder, run_identity, key(settings.seed, STAGE))
        # Without references it is the priors that decide the frame: how much of it, is told.
        has_reference = bool(survey.catalogue["is_reference"].any())
        asked = solver_options(choices)._replace(with_patterns=not has_reference)
        result = solver.solve(problem, asked, ranks, calls)
        if result.patterns is not None and ranks.rank == 0:
            _tell_patterns(result.patterns)
        own = own_products(survey, problem, tables, result)
        parts, residuals = ranks.gather(own.exposures), ranks.sum(own.residuals)
        if parts is not None:
            every = [columns for part in parts for columns in part]
            attributes = inputs.attributes() | solution_attributes(survey, choices, result)
            made = product_tables(survey, problem, result, every, residuals)
            _write(output, attributes, made, result.draws)
            warn_of_errors(result.chi2, result.dof, str(output))
        remove(folder, ranks)
        log.info(
            "%d sources, %d steps, chi2/dof %.5f, %.1f s",
            *(len(result.n_obs), len(result.history)),
            *(result.chi2 / result.dof, time.perf_counter() - begin),
        )


def _settings(options: dict[str, Any]) -> config.Config:
    names = ("seed", "solver", "survey")
    return config.parse({n: options[n] for n in names if n in options}, "options of solve-iterative")


def _write(
    output: Path, attributes: dict[str, str], tables: list[tuple[Table, Columns]], draws: np.ndarray
) -> None:
    with create(output, ITERATIVE, attributes) as file:
        for table, columns in tables:
            write_columns(file, table, columns)
        drawn = write_array(file, DRAWS, draws.transpose(1, 0, 2).astype(np.float32))
        drawn.attrs["description"] = "draws of the posterior about the solution: source, probe, parameter"
        drawn.attrs["unit"] = "mas, mas, mas, mas/yr, mas/yr"


def _hashes(ranks: World, paths: Sequence[Path]) -> dict[Path, str]:
    """sha256 of all files; each rank reads its part of them.

    By their places in the list: if ranks name different files, that is seen once they have read them.
    """
    parts = ranks.share(list(hash_files(paths[ranks.rank :: ranks.size]).values()))
    return {path: parts[i % ranks.size][i // ranks.size] for i, path in enumerate(paths)}


def _digest(survey: Survey) -> str:
    """sha256 of what all ranks have read: on each machine a path may name another copy."""
    orbits = [(orbit.number, orbit.n_obs, orbit.begin, orbit.end) for orbit in survey.orbits]
    digest = hashlib.sha256(f"{survey.camera.to_json()} {orbits}".encode())
    for name in sorted(survey.catalogue):
        digest.update(np.ascontiguousarray(survey.catalogue[name]).view(np.uint8))
    return digest.hexdigest()


def _tell_patterns(patterns: Patterns) -> None:
    log.warning(
        "priors decide %d of 15 patterns over the field (mean and slopes of each parameter); posterior over "
        "prior variance: %s",
        patterns.n_by_prior,
        json.dumps(patterns.ratio.round(4).tolist()),
    )


def solver_options(choices: Solver) -> Options:
    """Choices of the solver, out of the section."""
    own = {"with_patterns"}
    return Options(**{name: getattr(choices, name) for name in Options._fields if name not in own})


def own_products(survey: Survey, problem: Problem, tables: dict[int, Columns], result: Result) -> Own:
    """What the rank's own orbits add to the product."""
    n_chip, side = problem.camera.n_chip, survey.camera.side_pixel
    parts, sums = [], no_residuals(n_chip)
    for k, orbit in enumerate(problem.orbits):
        measured = Measured(result.residual[k], result.weight[k], result.exposure_noise[k])
        columns = exposure_columns(orbit, result.in_convention.exposure[k], measured)
        exposure_id = tables[orbit.number]["exposure_id"]
        parts.append(columns | {"exposure_id": exposure_id, "orbit": np.full(orbit.n_exp, orbit.number)})
        sums = sums + residual_sums(orbit, measured, n_chip, side)
    return Own(parts, sums)


def product_tables(
    survey: Survey, problem: Problem, result: Result, exposures: list[Columns], residuals: np.ndarray
) -> list[tuple[Table, Columns]]:
    """All tables of the product.

    Parameters
    ----------
    survey, problem, result
        What was solved; of the problem, only what all ranks share is used.
    exposures
        Of all orbits of all ranks.
    residuals
        Sums over all measurements, see `residual_sums`.
    """
    known = survey.catalogue
    sources = source_columns(known["ra"], known["dec"], problem.camera, result, survey.epoch)
    flags = (
        np.where(result.is_held_by_prior, Flag.HELD_BY_PRIOR, 0)
        | np.where(result.n_obs == 0, Flag.NOT_MEASURED, 0)
        | np.where(known["is_reference"] > 0, Flag.REFERENCE, 0)
        | np.where(known["is_artificial"] > 0, Flag.ARTIFICIAL, 0)
    )
    together = {name: np.concatenate([part[name] for part in exposures]) for name in exposures[0]}
    order = np.argsort(together["exposure_id"], kind="stable")
    orbits = survey.orbits
    begin, end = (np.array([getattr(orbit, name) for orbit in orbits]) for name in ("begin", "end"))
    units = {
        "orbit": np.array([orbit.number for orbit in orbits]),
        "unit": survey.units.unit,
        "t": 0.5 * (begin + end),
        "t_begin": survey.units.begin,
        "t_end": survey.units.end,
        "n_obs": np.array([orbit.n_obs for orbit in orbits]),
    }
    return [
        (ITERATIVE_SOURCES, sources | {"source_id": known["source_id"], "flags": flags}),
        (ITERATIVE_EXPOSURES, {name: values[order] for name, values in together.items()}),
        (ITERATIVE_UNITS, units),
        (ITERATIVE_CALIBRATION, calibration_columns(problem, result.in_convention)),
        (ITERATIVE_HISTORY, history_columns(result.history)),
        (ITERATIVE_MAP, map_columns(residuals, survey.camera.side_pixel)),
    ]


def solution_attributes(survey: Survey, choices: Solver, result: Result) -> dict[str, str]:
    """What the file says of the whole solution."""
    calibration = choices.calibration
    numbers = {
        "t0": survey.epoch,
        **{
            name: float(getattr(result, name))
            for name in ("chi2", "dof", "mean_parallax", "mean_parallax_error")
        },
    }
    return {
        **{name: repr(value) for name, value in numbers.items()},
        "scheme": choices.scheme,
        "is_marginal": str(bool(result.is_marginal)),
        "camera": survey.camera.to_json(),
        "distortion_order": str(choices.distortion_order),
        "extra_terms": json.dumps(list(calibration.extra_terms)),
        "calibration": json.dumps(calibration.model_dump(mode="json"), sort_keys=True),
    }


def _tell(survey: Survey, problem: Problem, ranks: World) -> None:
    """How large the problem is; rank 0 speaks for all."""
    if ranks.rank:
        return
    references = int(np.count_nonzero(survey.catalogue["is_reference"]))
    if not references:
        log.warning("no reference star; the priors of the others alone tie the solution to the sky")
    log.info(
        "%d sources, %d of them references; %d orbits, %d measurements; %d units of the calibration with %d "
        "unknowns each; %d ranks",
        len(survey.catalogue["source_id"]),
        references,
        len(survey.orbits),
        sum(orbit.n_obs for orbit in survey.orbits),
        problem.n_unit,
        problem.n_unit_unknown,
        ranks.size,
    )
