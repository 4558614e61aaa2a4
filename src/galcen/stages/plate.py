"""Solve the plates of a block of orbits."""

import json
import logging
import time
from pathlib import Path
from typing import Any

import h5py
import jax
import numpy as np
from jaxtyping import Array, Int, Key

from galcen import config
from galcen.astrometry import plate as solver
from galcen.astrometry.plate_problem import (
    CameraPrior,
    PlateProblem,
    SourcePrior,
    exposures_at,
    padded,
)
from galcen.astrometry.plate_products import (
    calibration_columns,
    exposure_columns,
    residual_map,
    source_columns,
)
from galcen.astrometry.priors import PriorOptions, catalogue_of, position_prior
from galcen.astrometry.weights import BAD
from galcen.config.plate import Plate as PlateSection
from galcen.config.plate import PlateInference, PlatePriors
from galcen.errors import ConvergenceError, SchemaError
from galcen.io.camera_json import SizedCamera
from galcen.io.claims import claiming
from galcen.io.exposures import (
    OrbitMeasurements,
    camera_of,
    group_name,
    open_exposures,
    orbits_of,
    read_orbit,
)
from galcen.io.hdf5 import create, open_product, read_attributes, read_table, write_columns
from galcen.io.plate_schema import PLATE, PLATE_CALIBRATION, PLATE_EXPOSURES, PLATE_MAP, PLATE_SOURCES
from galcen.io.stars_schema import INPUT_CATALOGUE
from galcen.mapping.camera import Camera
from galcen.mapping.linearisation import Exposure
from galcen.mapping.source_motion import Observer
from galcen.mapping.vector import Vector
from galcen.random import key
from galcen.stages.inputs import read_inputs

FEWEST_STARS = 3
"""Of an exposure: fewer do not give its attitude, and it is left out."""

MAS_PER_DEG = 3.6e6

Columns = dict[str, np.ndarray]

log = logging.getLogger(__name__)


@claiming("output")
def run(
    exposures: Path, catalogue: Path, output: Path, options: dict[str, Any], only: int | None = None
) -> None:
    """Positions of the stars, attitude and camera of each orbit of a block.

    Parameters
    ----------
    exposures
        Measurements of a block of orbits.
    catalogue
        What is known of the stars before.
    output
        A group for each orbit.
    options
        Sections `seed` and `plate` of the configuration.
    only
        Solve this orbit alone; the others are taken from `output` as it is, and without `options` these, too.

    Raises
    ------
    SchemaError
        A file is damaged or does not fit the others, or an orbit has no exposure with three stars.
    ConvergenceError
        A solution does not settle; names the orbit.
    """
    jax.config.update("jax_enable_x64", True)
    if only is not None and not options:
        # One orbit of a file is solved again as the others were, without naming the options once more.
        options = json.loads(str(read_attributes(output, ["configuration"]).get("configuration", "{}")))
    settings = config.parse({n: options[n] for n in ("seed", "plate") if n in options}, "options of plate")
    inputs = read_inputs("plate", options, [exposures, catalogue])
    known = read_table(catalogue, INPUT_CATALOGUE)
    order = np.argsort(known["source_id"], kind="stable")
    known = {name: values[order] for name, values in known.items()}
    attributes = inputs.attributes()
    with open_exposures(exposures) as file:
        orbits = orbits_of(file)
        if only is not None and only not in orbits:
            raise SchemaError(f"{exposures}: no orbit {only}; the file holds {', '.join(map(str, orbits))}")
        camera = camera_of(file)
        attributes["orbits"] = json.dumps(orbits)
        with create(output, PLATE, attributes) as out:
            if only is not None:
                _keep_others(output, out, orbits, only, attributes)
            for orbit in orbits if only is None else [only]:
                where = f"{exposures}: orbit {orbit}"
                measured = usable(read_orbit(file, orbit), where)
                stars = _stars(known, np.unique(measured.source_id), where)
                group, stream = out.create_group(group_name(orbit)), key(settings.seed, "plate", orbit)
                _solve_orbit(group, (where, stream), measured, (camera, stars), settings.plate)


def _keep_others(
    path: Path, out: h5py.File, orbits: list[int], only: int, attributes: dict[str, str]
) -> None:
    """Copy the orbits that are not solved again."""
    with open_product(path, PLATE) as old:
        for name in ("configuration", "inputs", "stage_version"):
            if old.attrs.get(name) != attributes[name]:
                raise SchemaError(f"{path}: was made with other {name}; make the whole block, without --only")
        for orbit in orbits:
            if orbit == only:
                continue
            if group_name(orbit) not in old:
                raise SchemaError(
                    f"{path}: does not hold orbit {orbit}; make the whole block, without --only"
                )
            old.copy(old[group_name(orbit)], out)


def usable(measured: OrbitMeasurements, where: str) -> OrbitMeasurements:
    """The exposures with enough stars; an error, which `where` begins, if none has."""
    count = np.diff(measured.offset)
    enough = count >= FEWEST_STARS
    if not enough.any():
        raise SchemaError(
            f"{where}: no exposure has {FEWEST_STARS} stars or more; look at the plan's coverage, or widen "
            "the magnitude limits of survey_sources"
        )
    if not enough.all():
        log.warning(
            "%s: %d of %d exposures left out, fewer than %d stars",
            where,
            np.sum(~enough),
            len(count),
            FEWEST_STARS,
        )
    rows = np.repeat(enough, count)
    columns = {
        name: getattr(measured, name)[rows]
        for name in ("source_id", "chip", "nx", "ny", "sigma_x", "sigma_y", "flags")
    }
    offset = np.concatenate([[0], np.cumsum(count[enough])])
    table = {name: values[enough] for name, values in measured.exposures.items()}
    return OrbitMeasurements(**columns, offset=offset, exposures=table)


def _solve_orbit(
    group: h5py.Group,
    identity: tuple[str, Key[Array, ""]],
    measured: OrbitMeasurements,
    known: tuple[SizedCamera, Columns],
    options: PlateSection,
) -> None:
    """Solve one orbit and write its tables."""
    begin, (where, stream), (sized, stars) = time.perf_counter(), identity, known
    if not stars["is_reference"].any():
        log.warning("%s: no reference star; the priors of the others alone tie it to the sky", where)
    table = measured.exposures
    t, b = float(table["t"].mean()), np.array([table[f"b_{axis}"].mean() for axis in "xyz"])
    problem = _problem(measured, sized, stars, (t, b), options)
    robust = solver.Robust(options.robust.measurements, options.robust.priors)
    try:
        plate = solver.solve(problem, robust, lambda step: log.info("%s: %s", where, step))
    except ConvergenceError as error:
        raise ConvergenceError(f"{where}: {error}") from None
    good = problem.observations.is_real & (plate.weight >= BAD)
    rms = float(np.sqrt((np.where(good[:, None], plate.residual, 0.0) ** 2).sum() / (2 * good.sum())))
    columns = source_columns(problem, plate)
    columns |= {name: stars[name] for name in ("source_id", "is_reference", "is_artificial")}
    columns |= _variational(problem, plate, stream, options.inference, where)
    write_columns(group, PLATE_SOURCES, columns)
    exposure_id = {"exposure_id": table["exposure_id"]}
    write_columns(group, PLATE_EXPOSURES, exposure_columns(problem, plate) | exposure_id)
    write_columns(group, PLATE_CALIBRATION, calibration_columns(plate))
    write_columns(group, PLATE_MAP, residual_map(problem, plate.residual_before, plate, sized.side_pixel))
    numbers = {"t": t, "chi2": plate.chi2, "dof": plate.dof, "rms_pixel": rms, "b": b}
    numbers |= {"n_obs": problem.observations.n_real, "n_step": len(plate.history)}
    for name, value in numbers.items():
        group.attrs[name] = value
    log.info(
        "%s: %d stars, %d measurements, chi2/dof %.4f, rms %.5f pixel, %d steps, %.1f s",
        where,
        len(columns["a"]),
        problem.observations.n_real,
        plate.chi2 / plate.dof,
        rms,
        len(plate.history),
        time.perf_counter() - begin,
    )


def _variational(
    problem: PlateProblem, plate: solver.Plate, stream: Key[Array, ""], options: PlateInference, where: str
) -> Columns:
    """Positions by variational inference; missing where it is not asked for."""
    names, n_star = ("a_vi", "d_vi", "a_error_vi", "d_error_vi"), len(problem.sources.ra)
    if options.method == "map":
        return dict.fromkeys(names, np.full(n_star, np.nan))
    from galcen.astrometry import variational  # deferred: numpyro costs half a second

    chosen = variational.Options(**options.model_dump(exclude={"method"}))
    begin = time.perf_counter()
    try:
        found = variational.infer(problem, plate, stream, chosen)
    except ConvergenceError as error:
        raise ConvergenceError(f"{where}: {error}") from None
    log.info(
        "%s: %s, %d steps, ELBO %.4g, %.1f s",
        where,
        options.guide,
        found.n_step,
        found.elbo[-1],
        time.perf_counter() - begin,
    )
    return dict(zip(names, (*found.mean, *np.sqrt(found.covariance[(0, 1), (0, 1)])), strict=True))


def _stars(known: Columns, used: np.ndarray, where: str) -> Columns:
    """The catalogue's rows of the stars that were measured."""
    place = catalogue_rows(known["source_id"], used, where)
    return {name: values[place] for name, values in known.items()}


def catalogue_rows(
    listed: Int[np.ndarray, " n_star"], used: Int[np.ndarray, " n"], where: str
) -> Int[np.ndarray, " n"]:
    """Rows of stars in a catalogue with ascending identifiers.

    Raises
    ------
    SchemaError
        A star is not in it; `where` begins the message.
    """
    place = np.minimum(np.searchsorted(listed, used), len(listed) - 1)
    unknown = listed[place] != used
    if unknown.any():
        raise SchemaError(
            f"{where}: source_id {used[np.argmax(unknown)]} is not in the input catalogue "
            f"({len(np.unique(used[unknown]))} such stars); make exposures and catalogue from the same "
            "sources"
        )
    return place


def _problem(
    measured: OrbitMeasurements,
    sized: SizedCamera,
    stars: Columns,
    at: tuple[float, np.ndarray],
    options: PlateSection,
) -> PlateProblem:
    """The measurements of an orbit and all that is known before."""
    camera, table = with_order(sized.camera, options.distortion_order), measured.exposures
    observations = padded(
        measured.offset,
        np.searchsorted(stars["source_id"], measured.source_id),
        measured.chip,
        np.stack([measured.nx, measured.ny]),
        np.stack([measured.sigma_x, measured.sigma_y]).astype(np.float64),
    )
    prior = position_prior(catalogue_of(stars), *at, prior_options(options.priors))
    noise = options.priors.extra_noise_mas**2 * np.eye(2)
    return PlateProblem(
        camera,
        observations,
        exposures_from(table, at[0]),
        SourcePrior(np.radians(stars["ra"]), np.radians(stars["dec"]), prior.mean, prior.covariance + noise),
        camera_prior(options.priors),
    )


def with_order(camera: Camera, order: int) -> Camera:
    """The camera with a distortion of another order."""
    distortion = camera.optics.distortion._replace(order=order)
    return camera._replace(optics=camera.optics._replace(distortion=distortion))


def exposures_from(table: Columns, epoch: float) -> Exposure:
    """Exposures of a table `ORBIT_EXPOSURES`, arrays (n_exp, 1), with times from an epoch [Julian year]."""
    vectors = (Vector(*(table[f"{name}_{axis}"] for axis in "xyz")) for name in ("b", "beta", "sun"))
    observer = Observer(table["t"] - epoch, *vectors, table["sun_dist"])
    return exposures_at(*(np.radians(table[name]) for name in ("ra", "dec", "pa")), observer)


def camera_prior(priors: PlatePriors) -> CameraPrior:
    """Priors in the units of the solver."""
    pointing, twist = width(priors.attitude_deg, MAS_PER_DEG), width(priors.position_angle_deg, MAS_PER_DEG)
    focal_length, pixel = width(priors.focal_length, 1e6), width(priors.pixel_size, 1e6)
    shift, rotation = width(priors.chip_position_um, 1.0), width(priors.chip_rotation_deg, 1e6 * np.pi / 180)
    return CameraPrior(
        np.array([pointing, pointing, twist, focal_length, focal_length]),
        width(priors.distortion_um, 1.0),
        np.array([rotation, shift, shift, pixel, pixel]),
    )


def width(value: float | None, unit: float = 1.0) -> float:
    """Width of a prior in the unit of the solver; a flat one is infinitely wide."""
    return np.inf if value is None else value * unit


def prior_options(priors: PlatePriors) -> PriorOptions:
    """How errors of the input catalogue become priors."""
    return PriorOptions(priors.source_errors, priors.ruwe_inflation, priors.ra_error)
