"""Compare the solution of all orbits of a mock survey with the truth."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from galcen import config
from galcen.astrometry.plate_quality import (
    LIMIT,
    NOT_JUDGED,
    Estimates,
    Frame,
    chi2_passes,
    common_frame,
    place_terms,
)
from galcen.astrometry.solution_quality import (
    DEGREE,
    by_magnitude,
    fit_patterns,
    joint_error,
    power,
    zero_point,
)
from galcen.io.claims import claiming
from galcen.io.comparison_schema import (
    ALL,
    COMPARED_CAMERA,
    COMPARED_JOINT,
    COMPARED_MAGNITUDES,
    COMPARED_PATTERNS,
    COMPARED_POWER,
    COMPARED_RESIDUALS,
    COMPARED_SOURCES,
    COMPARED_ZERO,
    COMPARISON,
)
from galcen.io.hdf5 import create, open_product, read_array, read_columns, write_columns
from galcen.io.iterative_schema import DRAWS, ITERATIVE, ITERATIVE_HISTORY, TABLES, Flag
from galcen.io.plate_quality_schema import KINDS, QUALITY_CAMERA, QUALITY_MOTION
from galcen.io.schema import Table
from galcen.mapping.catalogue_covariance import ERRORS, PARAMETERS
from galcen.mapping.space_motion import offsets
from galcen.stages.compared_camera import compare_cameras, read_calibrated, residuals_on_focal_plane
from galcen.stages.inputs import read_inputs
from galcen.stages.judged_motion import estimates_of, judged_parameters
from galcen.stages.true_sources import TrueSources, read_true_sources

Columns = dict[str, np.ndarray]

log = logging.getLogger(__name__)


class Files(NamedTuple):
    """What is compared."""

    solution: Path
    stars: Path
    catalogue: Path
    injected: list[Path]


class Judged(NamedTuple):
    """Sources that the measurements determine, against the truth."""

    found: Columns
    """Rows of the solution."""
    kind: np.ndarray
    hw: np.ndarray
    place: np.ndarray
    """East and north from the middle of the field [deg], (2, n)."""
    estimates: Estimates
    frame: Frame
    error: np.ndarray
    """As stated, (n, 5)."""
    is_marginal: bool
    draws: np.ndarray
    """Of the posterior about the solution, (n_draw, n, 5)."""

    def rows(self, kind: int) -> np.ndarray:
        """Rows of a class, or of all."""
        return np.flatnonzero((self.kind == kind) | (kind == ALL))


@claiming("output")
def run(files: Files, output: Path, options: dict[str, Any]) -> None:
    """Compare sources, zero point, patterns over the field and camera.

    Parameters
    ----------
    files
        Products of `solve_iterative`, `survey_sources` and `expose`.
    output
        Numbers and verdicts; what the report shows of the solution.
    options
        `solver.calibration` of the configuration: what may be run as terms of the distortion.

    Raises
    ------
    SchemaError
        A file is missing or damaged, sources or orbits do not belong together.
    """
    # Directions need float64.
    jax.config.update("jax_enable_x64", True)
    solver = {"solver": options["solver"]} if "solver" in options else {}
    calibration = config.parse(solver, "options of compare").solver.calibration
    inputs = read_inputs("compare", options, [*files[:3], *files.injected])
    truth = read_true_sources(files.stars, files.catalogue)
    with open_product(files.solution, ITERATIVE) as file:
        solution = {table.name: read_columns(file, table) for table in TABLES}
        draws = read_array(file, DRAWS).transpose(1, 0, 2)
        told = {name: str(value) for name, value in file.attrs.items()}
    where = str(files.solution)
    judged = judge(solution["iterative_sources"], truth, told["is_marginal"] == "True", where, draws)
    calibrated = read_calibrated(told, solution, where, calibration.term_modules)
    cameras, picture = compare_cameras(calibrated, files.injected, where)
    numbers = _numbers(solution["iterative_sources"], truth, told, where)
    tables: list[tuple[Table, Columns]] = [
        *source_tables(judged),
        (COMPARED_CAMERA, cameras),
        (QUALITY_CAMERA, picture),
        (COMPARED_RESIDUALS, residuals_on_focal_plane(calibrated)),
        (ITERATIVE_HISTORY, solution["iterative_history"]),
    ]
    attributes = inputs.attributes() | numbers
    kept = ("scheme", "is_marginal")
    attributes |= {name: told[name] for name in kept}
    with create(output, COMPARISON, attributes) as file:
        for table, columns in tables:
            write_columns(file, table, columns)
    _tell(tables, numbers)


def judge(
    found: Columns, truth: TrueSources, is_marginal: bool, where: str, draws: np.ndarray | None = None
) -> Judged:
    """Put the sources that the measurements determine beside the truth.

    Parameters
    ----------
    found
        Table `ITERATIVE_SOURCES`.
    truth
        The sources.
    is_marginal
        Whether the stated errors hold what all sources have in common.
    where
        Begins the message of an error.
    draws
        Of the posterior about the solution, (n_draw, n_src, 5), where there are any.
    """
    draws = np.zeros((0, len(found["source_id"]), len(PARAMETERS))) if draws is None else draws
    measured = np.isfinite([found[name] for name in (*PARAMETERS, *ERRORS)]).all(axis=0)
    # Where the prior alone stands, it is the catalogue that would be judged.
    measured &= found["flags"] & (Flag.HELD_BY_PRIOR | Flag.NOT_MEASURED) == 0
    found = {name: values[measured] for name, values in found.items()}
    rows = truth.rows(found["source_id"], where)
    ra, dec = (truth.catalogue[name][rows] for name in ("ra", "dec"))
    estimates = estimates_of(found, truth, rows)
    frame = common_frame(place_terms(ra, dec), estimates, is_stated=is_marginal)
    error = np.stack([found[name] for name in ERRORS], axis=-1)
    known = (truth.kind[rows], truth.hw[rows], _places(ra, dec))
    return Judged(found, *known, estimates, frame, error, is_marginal, draws[:, measured])


def source_tables(judged: Judged) -> list[tuple[Table, Columns]]:
    """Every table about sources."""
    frame, miss, error = judged.frame, judged.estimates.miss, judged.error
    every, parameters = (ALL, *range(len(KINDS))), range(len(PARAMETERS))
    joint = [
        {"kind": k, **joint_error(frame, judged.estimates, judged.rows(k), judged.is_marginal)._asdict()}
        for k in every
    ]
    parallax = PARAMETERS.index("parallax")
    zero = [{"kind": k, **zero_point(frame, miss, error, parallax, judged.rows(k))._asdict()} for k in every]
    patterns, powers = _patterns(judged)
    bins = [
        {"kind": np.full(len(part["n"]), k), "parameter": np.full(len(part["n"]), p), **part}
        for k in every
        for p in parameters
        for mine in (judged.rows(k),)
        for part in (by_magnitude(judged.hw[mine], miss[mine, p], error[mine, p]),)
    ]
    return [
        (QUALITY_MOTION, _columns(judged_parameters(frame, miss, error, judged.kind), QUALITY_MOTION)),
        (COMPARED_SOURCES, _sources(judged)),
        (COMPARED_JOINT, _columns(joint, COMPARED_JOINT)),
        (COMPARED_ZERO, _columns(zero, COMPARED_ZERO)),
        (COMPARED_PATTERNS, _columns(patterns, COMPARED_PATTERNS)),
        (COMPARED_POWER, _columns(powers, COMPARED_POWER)),
        (COMPARED_MAGNITUDES, {name: np.concatenate([b[name] for b in bins]) for name in bins[0]}),
    ]


def _patterns(judged: Judged) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Rows of the tables of patterns and of their power; none for too few sources."""
    patterns, powers = [], []
    place = judged.place / max(float(np.abs(judged.place).max(initial=0.0)), 1e-12)
    for parameter in range(len(PARAMETERS)):
        draws = judged.draws[:, :, parameter]
        fitted = fit_patterns(judged.frame, judged.estimates.miss, judged.error, parameter, place, draws)
        if fitted is None:
            continue
        error = np.sqrt(np.diagonal(fitted.covariance))
        patterns += [
            {"parameter": parameter, "degree_x": i, "degree_y": j, "amplitude": value, "error": sigma}
            for (i, j), value, sigma in zip(fitted.degrees, fitted.amplitude, error, strict=True)
        ]
        powers += [
            {"parameter": parameter, "degree": ALL if k is None else k, **power(fitted, k)._asdict()}
            for k in (None, *range(DEGREE + 1))
        ]
    return patterns, powers


def _sources(judged: Judged) -> Columns:
    miss, found = judged.estimates.miss, judged.found
    return {
        **{name: found[name] for name in ("source_id", "n_obs", *ERRORS)},
        "kind": judged.kind,
        "hw": judged.hw,
        "x": judged.place[0],
        "y": judged.place[1],
        **dict(zip((f"{name}_miss" for name in PARAMETERS), miss.T, strict=True)),
    }


def _places(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Places on the tangent plane [deg] about the middle of the field."""
    if not len(ra):
        return np.zeros((2, 0))
    # The mean of the vectors: a field may lie across ra = 0.
    angle = np.radians(ra)
    middle = np.degrees(np.arctan2(np.sin(angle).mean(), np.cos(angle).mean()))
    half = 0.5 * (dec.min() + dec.max())
    return np.stack(offsets(ra, dec, np.full_like(ra, middle), np.full_like(dec, half))) / 3.6e6


def _numbers(found: Columns, truth: TrueSources, told: Mapping[str, str], where: str) -> dict[str, str]:
    """What the solution says of itself, and the mean parallax of all sources against the truth."""
    chi2, dof = float(told["chi2"]), float(told["dof"])
    rows = truth.rows(found["source_id"], where)
    true = float(truth.motion.parallax[rows].mean()) if len(rows) else np.nan
    zero, error = float(told["mean_parallax"]) - true, float(told["mean_parallax_error"])
    is_known = np.isfinite([zero, error]).all() and error > 0
    values = {
        "chi2": chi2,
        "dof": dof,
        "chi2_passes": int(chi2_passes(chi2, dof)),
        "mean_parallax_zero": zero,
        "mean_parallax_error": error,
        "mean_parallax_passes": int(abs(zero) <= LIMIT * error) if is_known else NOT_JUDGED,
    }
    return {name: repr(value) for name, value in values.items()}


def _columns(rows: Sequence[Mapping[str, float]], table: Table) -> Columns:
    return {c.name: np.array([row[c.name] for row in rows], dtype=np.dtype(c.dtype)) for c in table.columns}


def _tell(tables: Sequence[tuple[Table, Columns]], numbers: Mapping[str, str]) -> None:
    """How many verdicts there are of each kind."""
    for table, columns in tables:
        if "passes" in columns:
            verdict = columns["passes"]
            log.info("%s: %d pass, %d fail", table.name, np.sum(verdict == 1), np.sum(verdict == 0))
    log.info(
        "chi2/dof %.4f, mean parallax off by %+.3f uas +- %.3f uas",
        float(numbers["chi2"]) / float(numbers["dof"]),
        1e3 * float(numbers["mean_parallax_zero"]),
        1e3 * float(numbers["mean_parallax_error"]),
    )
