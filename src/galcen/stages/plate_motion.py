"""Combine the orbits of the plate analysis into five parameters of each star."""

import json
import logging
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from galcen import config
from galcen.astrometry.motion import MotionOptions, motion_columns, solve_motion
from galcen.astrometry.orbit_positions import OrbitPositions, Orbits
from galcen.astrometry.plate_products import without_prior
from galcen.astrometry.priors import catalogue_of, motion_prior
from galcen.errors import SchemaError
from galcen.io.claims import claiming
from galcen.io.exposures import group_name
from galcen.io.hdf5 import open_product, read_columns, read_table, write_table
from galcen.io.plate_schema import PLATE, PLATE_SOURCES
from galcen.io.stars_schema import INPUT_CATALOGUE, PLATE_MOTION
from galcen.stages.inputs import read_inputs
from galcen.stages.plate import prior_options

LEAST_TRUST = 1e-6
"""Of a prior that every orbit has left out: too wide to matter, and still a number."""

log = logging.getLogger(__name__)

Columns = dict[str, np.ndarray]


@claiming("output")
def run(catalogue: Path, output: Path, plates: list[Path], options: dict[str, Any]) -> None:
    """Five parameters of every star of the input catalogue, with its entry there as prior.

    The prior had a part in the position of each orbit; it is taken out of these and comes in once, with the
    weight that the orbits left it.

    Parameters
    ----------
    catalogue
        What is known of the stars before.
    output
        One row for each of them.
    plates
        Products of the stage `plate`.
    options
        Sections `plate` and `survey` of the configuration.
    """
    names = ("plate", "survey")
    settings = config.parse({n: options[n] for n in names if n in options}, "options of plate-motion")
    inputs = read_inputs("plate_motion", options, [catalogue, *plates])
    known = read_table(catalogue, INPUT_CATALOGUE)
    order = np.argsort(known["source_id"], kind="stable")
    known = {name: values[order] for name, values in known.items()}
    epoch = settings.plate.motion.epoch or settings.survey.plan.epoch
    rows, times, places = _read(plates)
    star = np.searchsorted(known["source_id"], rows["source_id"])
    unknown = known["source_id"][np.minimum(star, len(order) - 1)] != rows["source_id"]
    if unknown.any():
        raise SchemaError(
            f"{catalogue}: source_id {rows['source_id'][np.argmax(unknown)]} of the plates is not in it; "
            "make plates and catalogue from the same sources"
        )
    positions = without_prior(rows)
    usable = positions.is_usable
    data = OrbitPositions(
        star[usable],
        rows["orbit"][usable],
        *(column[usable] for column in (positions.a, positions.d)),
        *(column[usable] for column in (positions.a_error, positions.d_error, positions.ad_corr)),
        rows["n_obs"][usable],
    )
    prior = motion_prior(catalogue_of(known), epoch, prior_options(settings.plate.priors))
    trust = _trust(star, rows["prior_weight"], len(order))
    prior = prior._replace(covariance=prior.covariance / trust[:, None, None])
    motion = solve_motion(
        data,
        known["ra"],
        known["dec"],
        Orbits(times - epoch, places),
        prior,
        MotionOptions(common_mode=settings.plate.motion.common_mode),
    )
    columns = motion_columns(known["source_id"], known["ra"], known["dec"], motion, epoch)
    attributes = inputs.attributes()
    attributes["common_mode_mas"] = json.dumps([float(value) for value in motion.common_mode])
    write_table(output, PLATE_MOTION, columns, attributes)
    log.info("%d stars, %d positions in %d orbits", len(order), np.count_nonzero(usable), len(times))


def _trust(star: np.ndarray, weight: np.ndarray, n_star: int) -> np.ndarray:
    """Weight of each star's prior: the mean of those it ended with in its orbits, 1 where it is in none."""
    number = np.bincount(star, minlength=n_star)
    total = np.bincount(star, weight, minlength=n_star)
    return np.maximum(np.where(number > 0, total / np.maximum(number, 1), 1.0), LEAST_TRUST)


def _read(plates: list[Path]) -> tuple[Columns, np.ndarray, np.ndarray]:
    """Positions of all orbits, the row of each one's orbit, and when and from where these looked."""
    parts: list[Columns] = []
    times: list[float] = []
    places: list[np.ndarray] = []
    for path in plates:
        with open_product(path, PLATE) as file:
            for orbit in json.loads(str(file.attrs["orbits"])):
                group = _group(file, orbit, path)
                part = read_columns(group, PLATE_SOURCES)
                parts.append(part | {"orbit": np.full(len(part["a"]), len(times))})
                times.append(float(group.attrs["t"]))
                places.append(np.asarray(group.attrs["b"], dtype=np.float64))
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return rows, np.array(times), np.array(places)


def _group(file: h5py.File, orbit: int, path: Path) -> h5py.Group:
    if group_name(orbit) not in file:
        raise SchemaError(f"{path}: orbit {orbit} is announced but missing; solve it again")
    return file[group_name(orbit)]
