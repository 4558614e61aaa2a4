"""Observe the stars in a block of orbits of the plan."""

import json
import logging
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import jax
import numpy as np

from galcen import config
from galcen.config import Config
from galcen.errors import ConfigError, SchemaError
from galcen.io import exposures as files
from galcen.io.camera_json import SizedCamera
from galcen.io.exposures import OrbitMeasurements, OrbitTruth
from galcen.io.exposures_schema import EXPOSURES, INJECTED, ORBIT_EXPOSURES
from galcen.io.hdf5 import open_product, read_column, read_columns
from galcen.io.stars_schema import INPUT_CATALOGUE, SURVEY_STARS
from galcen.io.survey_schema import PLAN, PLAN_EXPOSURES
from galcen.mapping.source_motion import RAD_PER_MAS, Observer
from galcen.mapping.vector import Vector
from galcen.random import stage_key
from galcen.stages.inputs import read_inputs
from galcen.survey.centroid_error import CentroidError
from galcen.survey.ephemeris import AU_KM, LIGHT_KM_S, earth
from galcen.survey.observe import CameraState, Conditions, OrbitExposures, Sky, Stars, make_sky, observe
from galcen.survey.true_camera import (
    ARCSEC,
    Pointings,
    Roots,
    Spread,
    chip_offsets,
    chromatic_shifts,
    distortion,
    estimated,
    focal_lengths,
    true_chips,
)

log = logging.getLogger(__name__)

Columns = dict[str, np.ndarray]


class Files(NamedTuple):
    """Products read and written."""

    plan: Path
    stars: Path
    input_catalogue: Path
    exposures: Path
    injected: Path


class Survey(NamedTuple):
    """What all orbits share."""

    camera: SizedCamera
    conditions: Conditions
    spread: Spread
    roots: Roots
    aberration: str
    t0: float


def run(paths: Files, block: str, options: dict[str, Any], only: int | None = None) -> None:
    """Write the measurements of a block of orbits, and the truth behind them.

    Parameters
    ----------
    paths
        Plan, true stars and the mission's catalogue; measurements and truth.
    block
        First and last orbit, such as o00000-00009; those of them that the plan has are observed.
    options
        Sections `seed` and `observation` of the configuration, and of `survey` the part `telescope`.
    only
        One orbit, to be made again: the others are read and written back as they are.

    Raises
    ------
    ConfigError
        The block is none, has no orbit in the plan, or the distortion folds.
    SchemaError
        An input is damaged, or, with `only`, the files were made with other options or inputs.
    """
    # Positions and times need float64.
    jax.config.update("jax_enable_x64", True)
    started = time.perf_counter()
    sections = ("seed", "survey", "observation")
    settings = config.parse({n: options[n] for n in sections if n in options}, "options of expose")
    inputs = read_inputs("expose", options, [paths.plan, paths.stars, paths.input_catalogue])
    plan, orbits = load_plan(paths.plan, block)
    stars, t0 = load_stars(paths)
    survey = survey_of(settings, t0)
    years = float(np.abs(plan["t"] - t0).max())
    sky = make_sky(stars, survey.conditions.unresolved, years)
    attributes = inputs.attributes(t0=repr(t0))
    if only is not None and only not in orbits:
        raise ConfigError(f"--only {only}: not an orbit of the block {block} in the plan")
    count = 0
    with _written(paths, orbits, survey.camera, attributes) as (exposures, injected), ExitStack() as stack:
        kept = _kept(paths, orbits, attributes, stack) if only is not None else None
        for orbit in orbits:
            if kept is not None and orbit != only:
                measured, truth = files.read_orbit(kept[0], orbit), files.read_truth(kept[1], orbit)
            else:
                rows = plan["orbit"] == orbit
                measured, truth = observe_orbit(
                    orbit, {name: column[rows] for name, column in plan.items()}, sky, survey
                )
                _report(orbit, measured)
            files.write_orbit(exposures, orbit, measured)
            files.write_truth(injected, orbit, truth)
            count += len(measured.source_id)
    log.info("%d measurements in %d orbits, %.1f s in all", count, len(orbits), time.perf_counter() - started)


def orbits_in(block: str) -> range:
    """Numbers of the orbits in a block such as o00000-00009."""
    match = re.fullmatch(r"o(\d{5})-(\d{5})", block)
    if match is None or int(match[1]) > int(match[2]):
        raise ConfigError(f"--orbits {block}: expected the first and the last orbit, such as o00000-00009")
    return range(int(match[1]), int(match[2]) + 1)


@contextmanager
def _written(
    paths: Files, orbits: list[int], camera: SizedCamera, attributes: dict[str, str]
) -> Iterator[tuple[h5py.File, h5py.File]]:
    with (
        files.create_orbits(paths.exposures, EXPOSURES, orbits, camera, attributes) as exposures,
        files.create_orbits(paths.injected, INJECTED, orbits, camera, attributes) as injected,
    ):
        yield exposures, injected


def _kept(
    paths: Files, orbits: list[int], attributes: dict[str, str], stack: ExitStack
) -> tuple[h5py.File, h5py.File]:
    """The files that one orbit is to be made anew in."""
    exposures = stack.enter_context(files.open_exposures(paths.exposures))
    injected = stack.enter_context(files.open_injected(paths.injected))
    for file in (exposures, injected):
        for name in ("configuration", "inputs", "stage_version"):
            if file.attrs.get(name) != attributes[name]:
                raise SchemaError(
                    f"{file.filename}: was made with other {name}; make the whole block again, without --only"
                )
        if files.orbits_of(file) != orbits:
            raise SchemaError(
                f"{file.filename}: holds other orbits than the block; make the whole block again, without "
                "--only"
            )
    return exposures, injected


def load_plan(path: Path, block: str) -> tuple[Columns, list[int]]:
    """Exposures of the block, by identifier, and its orbits."""
    asked = orbits_in(block)
    with open_product(path, PLAN) as file:
        plan = read_columns(file, PLAN_EXPOSURES)
    if (np.diff(plan["orbit"]) < 0).any() or (np.diff(plan["exposure_id"]) <= 0).any():
        raise SchemaError(
            f"{path}: exposures are not in the order of orbits and exposure_id; make the plan again"
        )
    inside = np.isin(plan["orbit"], asked)
    if not inside.any():
        held = f"{plan['orbit'].min()} to {plan['orbit'].max()}" if len(plan["orbit"]) else "none"
        raise ConfigError(f"{path}: has no exposure in orbits {block}; its orbits are {held}")
    plan = {name: column[inside] for name, column in plan.items()}
    numbers = [name for name, column in plan.items() if column.dtype.kind == "f"]
    for name in numbers:
        if not np.isfinite(plan[name]).all():
            row = int(np.argmax(~np.isfinite(plan[name])))
            raise SchemaError(
                f"{path}: exposure {plan['exposure_id'][row]}: {name} is not finite; make the plan again"
            )
    return plan, [int(orbit) for orbit in np.unique(plan["orbit"])]


def load_stars(paths: Files) -> tuple[Stars, float]:
    """True stars, ascending by identifier, and the epoch of their positions."""
    names = ("source_id", "ra", "dec", "parallax", "pmra", "pmdec", "radial_velocity", "hw", "colour")
    with open_product(paths.stars, SURVEY_STARS.name) as file:
        columns = {name: read_column(file, SURVEY_STARS, name) for name in names}
        t0 = float(file.attrs["t0"])
    with open_product(paths.input_catalogue, INPUT_CATALOGUE.name) as file:
        listed = read_column(file, INPUT_CATALOGUE, "source_id")
    order = np.argsort(columns["source_id"], kind="stable")
    columns = {name: column[order] for name, column in columns.items()}
    twice = np.diff(columns["source_id"]) == 0
    if twice.any():
        raise SchemaError(
            f"{paths.stars}: source_id {columns['source_id'][np.argmax(twice)]} is there twice; keep one"
        )
    for name in names[1:-1]:
        bad = ~np.isfinite(columns[name])
        if bad.any():
            raise SchemaError(
                f"{paths.stars}: source_id {columns['source_id'][np.argmax(bad)]}: {name} is not finite "
                f"({bad.sum()} such stars); fill it in or drop the star"
            )
    return Stars(**columns, is_listed=np.isin(columns["source_id"], listed)), t0


def survey_of(settings: Config, t0: float) -> Survey:
    """The survey of a configuration; `t0` is the epoch of the stars."""
    observation, telescope = settings.observation, settings.survey.telescope
    centroid, truth, losses = observation.centroid, observation.camera, observation.losses
    pixel_mas = telescope.pixel_um / telescope.focal_length_um / RAD_PER_MAS
    error = CentroidError(
        1 / pixel_mas,
        telescope.exposure_s,
        centroid.constant_pixel if centroid.model == "constant" else None,
        centroid.flat_percent,
        centroid.floor_mas,
    )
    conditions = Conditions(
        losses.bright,
        losses.faint,
        losses.edge_pixel,
        losses.unresolved_arcsec * ARCSEC,
        losses.outlier_fraction,
        losses.outlier_pixel,
        centroid.flat_per == "pixel",
        error,
    )
    spread = Spread(
        truth.focal_length_ppm,
        truth.distortion_um,
        truth.distortion == "per_orbit",
        truth.chip_shift_um,
        truth.chip_rotation_urad,
        truth.chip_scale_ppm,
        truth.chromatic_um,
        observation.estimate.pointing_arcsec,
        observation.estimate.twist_arcsec,
    )
    names = {name: "expose" if name == "measurement" else f"expose {name}" for name in Roots._fields}
    roots = Roots(
        **{
            name: np.asarray(jax.random.key_data(stage_key(settings.seed, stream)))
            for name, stream in names.items()
        }
    )
    camera = SizedCamera.of(telescope, truth.distortion_order)
    return Survey(camera, conditions, spread, roots, observation.aberration, t0)


def observe_orbit(
    orbit: int, plan: Columns, sky: Sky, survey: Survey
) -> tuple[OrbitMeasurements, OrbitTruth]:
    """Observe one orbit."""
    (camera, side_pixel), spread, roots = survey.camera, survey.spread, survey.roots
    plan = plan | _velocity(survey.aberration, plan["t"])
    exposure_id = plan["exposure_id"]
    true = Pointings(*(plan[name] for name in Pointings._fields))
    vectors = (Vector(*(plan[f"{name}_{axis}"] for axis in "xyz")) for name in ("b", "beta", "sun"))
    observer = Observer(plan["t"] - survey.t0, *vectors, plan["sun_dist"])
    offsets = chip_offsets(roots, spread, camera.n_chip)
    chromatic = chromatic_shifts(roots, spread, camera.n_chip)
    state = CameraState(
        camera.optics,
        camera.focal_length_um,
        side_pixel,
        true_chips(camera.chips, offsets),
        distortion(roots, spread, camera.optics.distortion, orbit),
        focal_lengths(roots, spread, exposure_id),
        chromatic if spread.chromatic_um else None,
    )
    exposures = OrbitExposures(exposure_id, plan["field"], true, observer)
    try:
        seen = observe(sky, exposures, state, survey.conditions, roots)
    except ValueError as error:
        raise ConfigError(
            f"orbit {orbit}: {error}; make observation.camera.distortion_um smaller than "
            f"{spread.distortion_um}"
        ) from None
    estimate = estimated(roots, spread, exposure_id, true)
    measured = OrbitMeasurements(
        sky.stars.source_id[seen.star],
        *(seen.chip, seen.nx, seen.ny, seen.sigma, seen.sigma, seen.flags, seen.offset),
        {name: plan[name] for name in ORBIT_EXPOSURES.names} | estimate._asdict(),
    )
    truth = OrbitTruth(
        {"exposure_id": exposure_id, **true._asdict(), "f_x": state.f[0], "f_y": state.f[1]},
        offsets._asdict() | {"chromatic_x": chromatic[0], "chromatic_y": chromatic[1]},
        *state.distortion,
        np.flatnonzero(seen.is_outlier),
    )
    return measured, truth


def _velocity(aberration: str, t: np.ndarray) -> Columns:
    """The velocity that aberrates, where it is not the plan's."""
    if aberration == "earth_and_satellite":
        return {}
    au_per_day = earth(t).barycentric.velocity if aberration == "earth" else np.zeros((len(t), 3))
    beta = au_per_day * (AU_KM / 86400.0 / LIGHT_KM_S)
    return {f"beta_{axis}": beta[:, k] for k, axis in enumerate("xyz")}


def _report(orbit: int, measured: OrbitMeasurements) -> None:
    per_exposure = np.diff(measured.offset)
    counts = {
        "orbit": orbit,
        "exposures": len(per_exposure),
        "measurements": len(measured.source_id),
        "sources": len(np.unique(measured.source_id)),
        "fewest in an exposure": int(per_exposure.min()),
    }
    log.info("%s", json.dumps(counts))
    if not len(measured.source_id):
        log.warning(
            "orbit %d: no star is on a chip; do survey.plan and survey_sources see the same sky?", orbit
        )
