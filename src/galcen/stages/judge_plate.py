"""Compare the plate analysis of a mock survey with the truth: pulls, frame, camera, motions."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import jax
import numpy as np

from galcen.astrometry.camera_quality import Found, camera_columns, combined_map, miss
from galcen.astrometry.orbit_positions import OrbitPositions
from galcen.astrometry.plate_products import without_prior
from galcen.astrometry.plate_quality import (
    SMALLEST_P,
    Estimates,
    Frame,
    chi2_passes,
    common_frame,
    conditional_frame,
    judged,
    place_terms,
)
from galcen.astrometry.seen_position import seen_offsets
from galcen.errors import SchemaError
from galcen.io.camera_json import SizedCamera
from galcen.io.exposures import OrbitTruth, camera_of, group_name, open_injected, read_truth
from galcen.io.hdf5 import create, open_product, read_columns, read_table, write_columns
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
    QUALITY_STARS,
)
from galcen.io.plate_schema import PLATE, PLATE_CALIBRATION, PLATE_MAP, PLATE_SOURCES
from galcen.io.provenance import input_hashes, provenance
from galcen.io.schema import Table
from galcen.io.stars_schema import PLATE_MOTION
from galcen.mapping.detector import ChipOffsets
from galcen.mapping.distortion import Coefficients, terms
from galcen.stages.judged_motion import ARTIFICIAL, judge_motion
from galcen.stages.star_paths import chosen_stars, curves, points
from galcen.stages.true_sources import TrueSources, read_true_sources

SUFFIXES = ("", "_vi")
"""Of the columns of the maximum of the posterior, and of variational inference."""

EDGES = np.linspace(-6.0, 6.0, 61)
"""Of the histogram of pulls."""

ORDERS = {len(terms(order)): order for order in range(2, 8)}

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


class _Orbit(NamedTuple):
    """What one orbit gives."""

    row: dict[str, float]
    """Of `QUALITY_ORBITS`."""
    pulls: list[dict[str, float]]
    """Rows of `QUALITY_PULLS`."""
    histogram: np.ndarray
    """Pulls by kind, estimate and bin."""
    camera: Columns
    """`QUALITY_CAMERA`."""
    residuals: Columns
    """`PLATE_MAP`."""
    sources: Columns
    """`PLATE_SOURCES`, with the row of each source in the truth as `star`."""
    t: float
    b: np.ndarray


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
    tables: list[tuple[Table, Columns]] = [
        (QUALITY_ORBITS, _columns([orbit.row for orbit in orbits], QUALITY_ORBITS)),
        (QUALITY_PULLS, _columns([row for orbit in orbits for row in orbit.pulls], QUALITY_PULLS)),
        (QUALITY_MOTION, _columns(motion.pulls, QUALITY_MOTION)),
        (QUALITY_STARS, motion.stars),
        (QUALITY_HISTOGRAM, _histogram(sum(orbit.histogram for orbit in orbits))),
        (QUALITY_CAMERA, best.camera),
        (PLATE_MAP, combined_map([orbit.residuals for orbit in orbits])),
        (PATH_POINTS, points(stars, truth, [(orbit.t, orbit.sources) for orbit in orbits])),
        (PATH_CURVES, curves(stars, truth, found, (times.min(), times.max()))),
    ]
    attributes = provenance("judge_plate", options, input_hashes(*files[:3], *files.plates))
    attributes |= {"camera_orbit": str(int(best.row["orbit"])), "kinds": json.dumps(KINDS)}
    attributes |= {"still_chi2": repr(motion.still_chi2), "still_dof": str(motion.still_dof)}
    with create(output, PLATE_QUALITY, attributes) as file:
        for table, columns in tables:
            write_columns(file, table, columns)
    for table, columns in tables[:3]:
        verdict = columns["passes"]
        log.info("%s: %d pass, %d fail", table.name, np.sum(verdict == 1), np.sum(verdict == 0))


def _orbits(files: Files, truth: TrueSources) -> Iterator[_Orbit]:
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
                yield _compared(plates[group_name(orbit)], orbit, truth, (sized, read_truth(injected, orbit)))


def _compared(
    group: h5py.Group, orbit: int, truth: TrueSources, injected: tuple[SizedCamera, OrbitTruth]
) -> _Orbit:
    """Compare one orbit."""
    where = f"{group.file.filename}: orbit {orbit}"
    sources = read_columns(group, PLATE_SOURCES)
    star = truth.rows(sources["source_id"], where)
    t, b = float(group.attrs["t"]), np.asarray(group.attrs["b"], dtype=np.float64)
    ra, dec = (truth.catalogue[name][star] for name in ("ra", "dec"))
    true = seen_offsets(truth.motion.take(star), np.float64(t - truth.t0), b, ra, dec)
    estimates = _estimates(sources, np.stack(true, axis=-1))
    frame = common_frame(place_terms(ra, dec), estimates, is_stated=True)
    rows, histogram = _pulls(orbit, sources, np.stack(true, axis=-1), frame, truth.kind[star])
    camera = _camera(read_columns(group, PLATE_CALIBRATION), injected, where)
    row = {"orbit": orbit, "t": t, "n_source": len(star), "camera_um": miss(camera)}
    row |= {name: float(group.attrs[name]) for name in ("n_obs", "rms_pixel", "chi2", "dof")}
    row |= _frame_columns(frame)
    is_good = chi2_passes(row["chi2"], row["dof"]) and min(row["frame_a_p"], row["frame_d_p"]) > SMALLEST_P
    residuals = read_columns(group, PLATE_MAP)
    return _Orbit(
        row | {"passes": int(is_good)}, rows, histogram, camera, residuals, sources | {"star": star}, t, b
    )


def _estimates(sources: Columns, true: np.ndarray) -> Estimates:
    """Positions by the maximum of the posterior, against the truth."""
    miss = np.stack([sources["a"], sources["d"]], axis=-1) - true
    prior = np.linalg.inv(_covariance(sources, "prior_")) * sources["prior_weight"][:, None, None]
    return Estimates(miss, _covariance(sources, ""), prior)


def _covariance(sources: Columns, prefix: str) -> np.ndarray:
    """2 x 2 covariances of errors and correlation."""
    error = np.stack([sources[f"{prefix}a_error"], sources[f"{prefix}d_error"]], axis=-1)
    correlation = np.ones((len(error), 2, 2))
    correlation[:, 0, 1] = correlation[:, 1, 0] = sources[f"{prefix}ad_corr"]
    return correlation * error[:, :, None] * error[:, None, :]


def _pulls(
    orbit: int, sources: Columns, true: np.ndarray, frame: Frame, kind: np.ndarray
) -> tuple[list[dict[str, float]], np.ndarray]:
    """Rows of `QUALITY_PULLS`, and the pulls by kind, estimate and bin."""
    rows: list[dict[str, float]] = []
    histogram = np.zeros((len(KINDS), len(SUFFIXES), len(EDGES) - 1), dtype=np.int64)
    for estimate, suffix in enumerate(SUFFIXES):
        miss = np.stack([sources[f"{name}{suffix}"] for name in "ad"], axis=-1) - true
        error = np.stack([sources[f"{name}_error{suffix}"] for name in "ad"], axis=-1)
        if not np.isfinite(error).all():
            continue
        used = conditional_frame(frame, miss, error) if estimate else frame
        for k in range(len(KINDS)):
            mine = np.flatnonzero(kind == k)
            pull = np.clip(miss[mine] / error[mine], EDGES[0], EDGES[-1])
            histogram[k, estimate] = np.histogram(pull, EDGES)[0]
            rows += [
                {
                    "orbit": orbit,
                    "kind": k,
                    "estimate": estimate,
                    "axis": axis,
                    **judged(used, miss, error, axis, mine)._asdict(),
                }
                for axis in range(2)
            ]
    return rows, histogram


def _frame_columns(frame: Frame) -> dict[str, float]:
    row: dict[str, float] = {}
    for axis, name in enumerate("ad"):
        row[f"frame_{name}"], row[f"frame_{name}_error"] = frame.shift(axis)
        row[f"frame_{name}_p"] = frame.p_value(axis)
    return row


def _camera(calibration: Columns, injected: tuple[SizedCamera, OrbitTruth], where: str) -> Columns:
    """The camera that an orbit's solution found beside the true one."""
    (camera, side_pixel), truth = injected
    value, parameter = calibration["value"], calibration["parameter"]
    a, b = (value[parameter == which] for which in (0, 1))
    chips = value[parameter == 2].reshape(-1, len(ChipOffsets._fields))
    if len(a) not in ORDERS or len(a) != len(b) or len(chips) != camera.n_chip:
        raise SchemaError(
            f"{where}: {len(a)} and {len(b)} terms of the distortion and {len(chips)} chips are not those of "
            f"a camera of {camera.n_chip} chips; solve the orbit again"
        )
    distortion = camera.optics.distortion._replace(order=ORDERS[len(a)])
    solved = camera._replace(optics=camera.optics._replace(distortion=distortion))
    true_chips = ChipOffsets(*(truth.chips[name] for name in ChipOffsets._fields))
    return camera_columns(
        camera,
        side_pixel,
        (solved, Found(Coefficients(a, b), ChipOffsets(*chips.T))),
        (camera, Found(Coefficients(truth.a, truth.b), true_chips)),
    )


def _positions_of(orbits: list[_Orbit], is_wanted: np.ndarray) -> OrbitPositions:
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
