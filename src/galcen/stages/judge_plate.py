"""Compare the plate analysis of a mock survey with the truth: pulls, frame, camera, motions."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from galcen.astrometry.camera_quality import combined_map, on_focal_plane
from galcen.astrometry.orbit_positions import OrbitPositions
from galcen.astrometry.plate_products import without_prior
from galcen.errors import SchemaError
from galcen.io.claims import claiming
from galcen.io.exposures import camera_of, group_name, open_injected, read_truth
from galcen.io.hdf5 import create, open_product, read_table, write_columns
from galcen.io.plate_quality_schema import (
    KINDS,
    PATH_CURVES,
    PATH_POINTS,
    PLATE_QUALITY,
    QUALITY_CAMERA,
    QUALITY_HISTOGRAM,
    QUALITY_MOTION,
    QUALITY_ORBITS,
    QUALITY_PULLS,
    QUALITY_RESIDUALS,
    QUALITY_STARS,
)
from galcen.io.plate_schema import PLATE
from galcen.io.schema import Table
from galcen.io.stars_schema import PLATE_MOTION
from galcen.stages.inputs import read_inputs
from galcen.stages.judged_motion import ARTIFICIAL, judge_motion
from galcen.stages.judged_orbit import EDGES, JudgedOrbit, judge_orbit
from galcen.stages.star_paths import chosen_stars, curves, points
from galcen.stages.true_sources import TrueSources, read_true_sources

Columns = dict[str, np.ndarray]

log = logging.getLogger(__name__)


class Files(NamedTuple):
    """What is compared."""

    motion: Path
    stars: Path
    catalogue: Path
    injected: Path
    """Folder; its files have the names of the plates' blocks."""
    plates: list[Path]


@claiming("output")
def run(files: Files, output: Path, options: dict[str, Any]) -> None:
    """Compare every orbit, and the motions that they give together.

    Parameters
    ----------
    files
        Products of `plate`, `plate_motion`, `survey_sources` and `expose`.
    output
        Numbers and verdicts; what the report shows of the plate analysis.
    options
        Nothing but the version of this stage.

    Raises
    ------
    SchemaError
        A file is missing or damaged, sources or orbits do not belong together.
    """
    # Directions need float64.
    jax.config.update("jax_enable_x64", True)
    injected = [files.injected / path.name for path in files.plates]
    inputs = read_inputs("judge_plate", options, [*files[:3], *injected, *files.plates])
    truth = read_true_sources(files.stars, files.catalogue)
    found = read_table(files.motion, PLATE_MOTION)
    orbits = list(_orbits(files, truth))
    if not orbits:
        raise SchemaError("judge-plate: the plates hold no orbit; give the files of the stage plate")
    still = _positions_of(orbits, truth.kind == ARTIFICIAL)
    motion = judge_motion(found, truth, still, str(files.motion))
    best = max(orbits, key=lambda orbit: orbit.row["n_obs"])
    stars = chosen_stars(found, truth)
    times = np.array([orbit.t for orbit in orbits])
    residuals = combined_map([orbit.residuals for orbit in orbits])
    tables: list[tuple[Table, Columns]] = [
        (QUALITY_ORBITS, _columns([orbit.row for orbit in orbits], QUALITY_ORBITS)),
        (QUALITY_PULLS, _columns([row for orbit in orbits for row in orbit.pulls], QUALITY_PULLS)),
        (QUALITY_MOTION, _columns(motion.pulls, QUALITY_MOTION)),
        (QUALITY_STARS, motion.stars),
        (QUALITY_HISTOGRAM, _histogram(sum(orbit.histogram for orbit in orbits))),
        (QUALITY_CAMERA, best.camera),
        (QUALITY_RESIDUALS, on_focal_plane(orbits[0].nominal, residuals)),
        (PATH_POINTS, points(stars, truth, [(orbit.t, orbit.sources) for orbit in orbits])),
        (PATH_CURVES, curves(stars, truth, found, (times.min(), times.max()))),
    ]
    attributes = inputs.attributes()
    attributes |= {"camera_orbit": str(int(best.row["orbit"])), "kinds": json.dumps(KINDS)}
    attributes |= {"still_chi2": repr(motion.still_chi2), "still_dof": str(motion.still_dof)}
    with create(output, PLATE_QUALITY, attributes) as file:
        for table, columns in tables:
            write_columns(file, table, columns)
    for table, columns in tables[:3]:
        verdict = columns["passes"]
        log.info("%s: %d pass, %d fail", table.name, np.sum(verdict == 1), np.sum(verdict == 0))


def _orbits(files: Files, truth: TrueSources) -> Iterator[JudgedOrbit]:
    """Every orbit, compared."""
    seen: dict[int, Path] = {}
    for path in files.plates:
        with (
            open_product(path, PLATE) as plates,
            open_injected(files.injected / path.name) as injected,
        ):
            sized = camera_of(injected)
            for orbit in json.loads(str(plates.attrs["orbits"])):
                if orbit in seen:
                    raise SchemaError(f"{path}: orbit {orbit} is in {seen[orbit]} too; leave one of them out")
                seen[orbit] = path
                if group_name(orbit) not in plates:
                    raise SchemaError(f"{path}: orbit {orbit} is announced but missing; solve it again")
                true = sized, read_truth(injected, orbit)
                yield judge_orbit(plates[group_name(orbit)], orbit, truth, true)


def _positions_of(orbits: list[JudgedOrbit], is_wanted: np.ndarray) -> OrbitPositions:
    """Positions of some sources in all orbits, their priors taken out."""
    parts = []
    for number, orbit in enumerate(orbits):
        mine = is_wanted[orbit.sources["star"]]
        sources = {name: values[mine] for name, values in orbit.sources.items()}
        positions = without_prior(sources)
        usable = positions.is_usable
        parts.append(
            OrbitPositions(
                sources["star"][usable],
                np.full(np.count_nonzero(usable), number),
                *(column[usable] for column in (positions.a, positions.d)),
                *(column[usable] for column in (positions.a_error, positions.d_error, positions.ad_corr)),
                sources["n_obs"][usable],
            )
        )
    return OrbitPositions(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _columns(rows: list[dict[str, float]], table: Table) -> Columns:
    kinds = {column.name: np.dtype(column.dtype) for column in table.columns}
    return {name: np.array([row[name] for row in rows], dtype=kind) for name, kind in kinds.items()}


def _histogram(number: np.ndarray) -> Columns:
    kind, estimate, place = (index.ravel() for index in np.indices(number.shape))
    return {"kind": kind, "estimate": estimate, "low": EDGES[place], "n": number.ravel()}
