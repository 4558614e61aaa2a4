"""The global problem out of the files of a survey; part of the stage solve_iterative."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from galcen.astrometry.calibration_units import Units, calibration_units
from galcen.astrometry.iterative.calibration import CalibrationModel
from galcen.astrometry.iterative.problem import CameraPrior, Orbit, Problem, Sources
from galcen.astrometry.priors import catalogue_of, motion_prior
from galcen.config.solver import Solver
from galcen.errors import ConfigError, SchemaError
from galcen.io.camera_json import SizedCamera
from galcen.io.exposures import (
    OrbitMeasurements,
    camera_of,
    group_name,
    open_exposures,
    orbits_of,
    read_orbit,
)
from galcen.io.exposures_schema import ORBIT_EXPOSURES
from galcen.io.hdf5 import read_array, read_column, read_table
from galcen.io.stars_schema import INPUT_CATALOGUE
from galcen.mapping.camera import Camera
from galcen.stages.calibration_terms import Term, terms_of
from galcen.stages.plate import (
    camera_prior,
    catalogue_rows,
    exposures_from,
    prior_options,
    usable,
    width,
    with_order,
)

log = logging.getLogger(__name__)

Columns = dict[str, np.ndarray]


class Listed(NamedTuple):
    """An orbit, before it is read."""

    number: int
    path: Path
    n_obs: int
    begin: float
    """Of its exposures [Julian year]."""
    end: float


class Survey(NamedTuple):
    """What all ranks know."""

    camera: SizedCamera
    orbits: tuple[Listed, ...]
    """Ascending."""
    catalogue: Columns
    """By source_id."""
    units: Units
    """Of `orbits`."""
    epoch: float
    """Of the solution [Julian year]."""


def read_survey(exposures: Sequence[Path], catalogue: Path, options: Solver, epoch: float) -> Survey:
    """Camera, orbits and catalogue; of the measurements no more than their number.

    Raises
    ------
    SchemaError
        A file is missing or damaged, an orbit is in two of them or has no exposures, the cameras differ, or a
        source is twice in the catalogue.
    ConfigError
        Colours are asked for and no source has one.
    """
    camera, orbits = list_orbits(exposures)
    begin, end = (np.array([getattr(orbit, name) for orbit in orbits]) for name in ("begin", "end"))
    units = calibration_units(options.calibration.share, begin, end)
    return Survey(camera, orbits, _read_catalogue(catalogue, options), units, epoch)


def list_orbits(exposures: Sequence[Path]) -> tuple[SizedCamera, tuple[Listed, ...]]:
    """The camera of the files, and their orbits by number."""
    found: dict[int, Listed] = {}
    cameras: dict[str, Path] = {}
    for path in exposures:
        with open_exposures(path) as file:
            camera = camera_of(file)
            cameras.setdefault(camera.to_json(), path)
            for number in orbits_of(file):
                if number in found:
                    raise SchemaError(
                        f"{path}: orbit {number} is in {found[number].path} too; leave one of them out"
                    )
                group = file[group_name(number)]
                t = read_column(group, ORBIT_EXPOSURES, "t")
                if not len(t):
                    raise SchemaError(f"{path}: orbit {number} has no exposures; make the file again")
                n_obs = int(read_array(group, "offset")[-1])
                found[number] = Listed(number, path, n_obs, float(t.min()), float(t.max()))
    if not found:
        raise SchemaError("solve-iterative: the files hold no orbit; give those of the stage expose")
    if len(cameras) > 1:
        one, other = list(cameras.values())[:2]
        raise SchemaError(f"{other}: has another camera than {one}; make the exposures in one run")
    return camera, tuple(found[number] for number in sorted(found))


def build(survey: Survey, options: Solver, mine: Sequence[int]) -> tuple[Problem, dict[int, Columns]]:
    """The problem of a rank.

    Parameters
    ----------
    survey
        What `read_survey` found.
    options
        Section `solver` of the configuration.
    mine
        Rows in `survey.orbits` of the rank's orbits, ascending.

    Returns
    -------
    The problem, and the exposures of the rank's orbits that take part, columns of `ORBIT_EXPOSURES`.

    Raises
    ------
    SchemaError
        An orbit is damaged, has no exposure with enough stars, or a star that the catalogue has not.
    """
    listed = survey.catalogue["source_id"]
    orbits, tables = [], {}
    for row in mine:
        number, path = survey.orbits[row].number, survey.orbits[row].path
        where = f"{path}: orbit {number}"
        with open_exposures(path) as file:
            measured = usable(read_orbit(file, number), where)
        rows = catalogue_rows(listed, measured.source_id, where)
        orbits.append(_orbit(measured, rows, survey, row, options.calibration.drift))
        tables[number] = measured.exposures
    calibration = CalibrationModel(
        options.calibration.share, options.calibration.drift, options.calibration.chromatic
    )
    problem = Problem(
        solved_camera(
            survey.camera.camera,
            options.distortion_order,
            terms_of(options.calibration.extra_terms, options.calibration.term_modules),
        ),
        calibration,
        survey.units.n_unit,
        _sources(survey, options),
        _camera_prior(options),
        tuple(orbits),
    )
    return problem, tables


def solved_camera(camera: Camera, order: int, extra_terms: tuple[Term, ...]) -> Camera:
    """The camera with the distortion that is solved for.

    Parameters
    ----------
    camera
        The nominal one.
    order
        Of the polynomial.
    extra_terms
        Functions of one's own, see `calibration_terms`.
    """
    camera = with_order(camera, order)
    distortion = camera.optics.distortion._replace(extra=extra_terms)
    return camera._replace(optics=camera.optics._replace(distortion=distortion))


def _orbit(measured: OrbitMeasurements, rows: np.ndarray, survey: Survey, row: int, has_drift: bool) -> Orbit:
    t = measured.exposures["t"]
    return Orbit(
        survey.orbits[row].number,
        int(survey.units.unit[row]),
        survey.units.place(row, t) if has_drift else np.zeros(len(t)),
        jax.tree.map(np.asarray, exposures_from(measured.exposures, survey.epoch)),
        measured.offset,
        rows,
        measured.chip.astype(np.int64),
        np.stack([measured.nx, measured.ny]),
        np.stack([measured.sigma_x, measured.sigma_y]).astype(np.float64),
    )


def _read_catalogue(path: Path, options: Solver) -> Columns:
    columns = read_table(path, INPUT_CATALOGUE)
    if options.calibration.chromatic and not np.isfinite(columns["colour"]).any():
        raise ConfigError(
            f"solver.calibration.chromatic: no source of {path} has a colour; map mj and mh in "
            "survey_sources.table.columns, or leave the chromatic shifts out"
        )
    order = np.argsort(columns["source_id"], kind="stable")
    columns = {name: values[order] for name, values in columns.items()}
    twice = np.diff(columns["source_id"]) == 0
    if twice.any():
        raise SchemaError(
            f"{path}: source_id {columns['source_id'][np.argmax(twice)]} is there twice "
            f"({np.count_nonzero(twice)} such rows); keep one of them"
        )
    return columns


def _sources(survey: Survey, options: Solver) -> Sources:
    """All sources of the catalogue, with their entries there as priors at the epoch of the solution."""
    known, priors = survey.catalogue, options.priors
    prior = motion_prior(catalogue_of(known), survey.epoch, prior_options(priors))
    covariance = prior.covariance.copy()
    covariance[:, (0, 1), (0, 1)] += priors.extra_noise_mas**2
    return Sources(
        np.radians(known["ra"]),
        np.radians(known["dec"]),
        known["radial_velocity"],
        _colours(known["colour"]) if options.calibration.chromatic else np.zeros(len(known["ra"])),
        prior.mean,
        covariance,
    )


def _colours(colour: np.ndarray) -> np.ndarray:
    """Colours less their mean; that of a source without colour is the mean."""
    has = np.isfinite(colour)
    if not has.all():
        log.info("%d of %d sources have no colour; the mean stands for it", np.sum(~has), len(has))
    return np.where(has, colour - colour[has].mean(), 0.0)


def _camera_prior(options: Solver) -> CameraPrior:
    """Priors in the units of the solver."""
    shared, priors = camera_prior(options.priors), options.priors
    chromatic = [width(priors.chromatic_um)] * (2 * options.calibration.chromatic)
    return CameraPrior(
        shared.exposure,
        shared.distortion_um,
        width(priors.drift_um),
        np.concatenate([shared.chip, chromatic]),
    )
