"""One orbit of the plate analysis against the truth; part of the stage judge_plate."""

from typing import NamedTuple

import h5py
import numpy as np

from galcen.astrometry.camera_quality import Found, camera_columns, miss
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
from galcen.io.exposures import OrbitTruth
from galcen.io.hdf5 import read_columns
from galcen.io.plate_quality_schema import KINDS
from galcen.io.plate_schema import PLATE_CALIBRATION, PLATE_MAP, PLATE_SOURCES
from galcen.mapping.camera import Camera
from galcen.mapping.detector import ChipOffsets
from galcen.mapping.distortion import Coefficients, terms
from galcen.stages.true_sources import TrueSources

SUFFIXES = ("", "_vi")
"""Of the columns of the maximum of the posterior, and of variational inference."""

EDGES = np.linspace(-6.0, 6.0, 61)
"""Of the histogram of pulls."""

ORDERS = {len(terms(order)): order for order in range(2, 8)}

Columns = dict[str, np.ndarray]


class JudgedOrbit(NamedTuple):
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
    nominal: Camera


def judge_orbit(
    group: h5py.Group, orbit: int, truth: TrueSources, injected: tuple[SizedCamera, OrbitTruth]
) -> JudgedOrbit:
    """Compare one orbit."""
    where = f"{group.file.filename}: orbit {orbit}"
    sources = read_columns(group, PLATE_SOURCES)
    star = truth.rows(sources["source_id"], where)
    t, b = float(group.attrs["t"]), np.asarray(group.attrs["b"], dtype=np.float64)
    ra, dec = (truth.catalogue[name][star] for name in ("ra", "dec"))
    true = seen_offsets(truth.motion.take(star), t - truth.t0, b, ra, dec)
    estimates = _estimates(sources, np.stack(true, axis=-1))
    frame = common_frame(place_terms(ra, dec), estimates, is_stated=True)
    rows, histogram = _pulls(orbit, sources, np.stack(true, axis=-1), frame, truth.kind[star])
    residuals = read_columns(group, PLATE_MAP)
    camera = _camera(read_columns(group, PLATE_CALIBRATION), residuals, injected, where)
    row = {"orbit": orbit, "t": t, "n_source": len(star)}
    row["camera_um"], row["chip_um"] = miss(camera)
    row |= {name: float(group.attrs[name]) for name in ("n_obs", "rms_pixel", "chi2", "dof")}
    row |= _frame_columns(frame)
    is_good = chi2_passes(row["chi2"], row["dof"]) and min(row["frame_a_p"], row["frame_d_p"]) > SMALLEST_P
    return JudgedOrbit(
        row | {"passes": int(is_good)},
        rows,
        histogram,
        camera,
        residuals,
        sources | {"star": star},
        t,
        injected[0].camera,
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


def _camera(
    calibration: Columns, measured: Columns, injected: tuple[SizedCamera, OrbitTruth], where: str
) -> Columns:
    """The camera that an orbit's solution found beside the true one."""
    (camera, _), truth = injected
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
        measured,
        (solved, Found(Coefficients(a, b), ChipOffsets(*chips.T))),
        (camera, Found(Coefficients(truth.a, truth.b), true_chips)),
    )
