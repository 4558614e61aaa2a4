"""What is told of a global solution: columns by source, exposure, calibration, step and place on chips."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from galcen.astrometry.iterative.problem import Orbit, Problem, State
from galcen.astrometry.iterative.result import Iteration, Result
from galcen.astrometry.plate_products import BINS, ELEMENTS, bin_places, map_bins, pointing_columns
from galcen.astrometry.weights import BAD
from galcen.mapping.camera import Camera
from galcen.mapping.catalogue_covariance import columns_of
from galcen.mapping.source_motion import RAD_PER_MAS
from galcen.mapping.space_motion import displaced

CHIPS = -1
"""Unit of the chips, which all share."""

Columns = dict[str, np.ndarray]


class Measured(NamedTuple):
    """What an orbit's measurements became."""

    residual: Float[np.ndarray, "2 n_obs"]
    """Observed minus predicted [pixel]."""
    weight: Float[np.ndarray, " n_obs"]
    exposure_noise: Float[np.ndarray, " n_exp"]
    """[pixel]."""


def source_columns(ra: np.ndarray, dec: np.ndarray, camera: Camera, result: Result, epoch: float) -> Columns:
    """Five parameters in columns as in the Gaia archive.

    Parameters
    ----------
    ra, dec
        Comparison directions [deg].
    camera
        Its pixels make the excess noise an angle.
    result
        The solution.
    epoch
        Its reference epoch [Julian year].
    """
    a, d, parallax, pma, pmd = result.state.source.T
    moved = displaced(ra, dec, a, d)
    return {
        "ra": moved[0],
        "dec": moved[1],
        "parallax": parallax,
        "pmra": pma,
        "pmdec": pmd,
        "ref_epoch": np.full(len(ra), epoch),
        **columns_of(result.covariance),
        "a": a,
        "d": d,
        "n_obs": result.n_obs,
        "n_bad": result.n_bad,
        "excess_noise": result.source_noise * pixel_mas(camera),
    }


def pixel_mas(camera: Camera) -> float:
    """Angle of a pixel in the middle of the field, mean of both sides and all chips [mas]."""
    side_um = float(np.mean([camera.chips.pixel_x, camera.chips.pixel_y]))
    return side_um / camera.focal_length_um / RAD_PER_MAS


def exposure_columns(orbit: Orbit, state: Float[np.ndarray, "n_exp 5"], measured: Measured) -> Columns:
    """Attitude, scale and residuals of the exposures of one orbit; identifiers are left to the caller."""
    count = np.diff(orbit.offset)
    exposure, good = np.repeat(np.arange(orbit.n_exp), count), measured.weight >= BAD
    square = np.where(good, (measured.residual**2).sum(axis=0), 0.0)
    n_good = np.bincount(exposure, good, minlength=orbit.n_exp)
    return {
        **pointing_columns(orbit.exposures.axes, state.T[:3]),
        **dict(zip(ELEMENTS, state.T, strict=True)),
        "n_obs": count,
        "n_bad": (count - n_good).astype(np.int64),
        "rms": np.sqrt(np.bincount(exposure, square, minlength=orbit.n_exp) / np.maximum(2 * n_good, 1)),
        "excess_noise": measured.exposure_noise,
    }


def calibration_columns(problem: Problem, state: State) -> Columns:
    """Units, each with A, B and their drifts, then chips."""
    n_term, n_unit = problem.camera.optics.distortion.n_term, problem.n_unit
    n_block = problem.n_unit_unknown // n_term
    n_chip, n_element = state.chip.shape
    # A, B, drift of A, drift of B; 2 is the chips'.
    parameter = np.repeat(np.array([0, 1, 3, 4])[:n_block], n_term)
    return {
        "unit": np.concatenate(
            [np.repeat(np.arange(n_unit), len(parameter)), np.full(state.chip.size, CHIPS)]
        ),
        "parameter": np.concatenate([np.tile(parameter, n_unit), np.full(state.chip.size, 2)]),
        "number": np.concatenate(
            [np.tile(np.arange(n_term), n_unit * n_block), np.repeat(np.arange(n_chip), n_element)]
        ),
        "element": np.concatenate(
            [np.zeros(state.unit.size, dtype=int), np.tile(np.arange(n_element), n_chip)]
        ),
        "value": np.concatenate([state.unit.ravel(), state.chip.ravel()]),
    }


def history_columns(history: tuple[Iteration, ...]) -> Columns:
    """A row for each outer step; without times, which differ from run to run."""
    names = [name for name in Iteration._fields if not name.startswith("seconds")]
    columns = {name: np.array([getattr(step, name) for step in history]) for name in names}
    return columns | {"new_weights": columns["new_weights"].astype(np.int8)}


def residual_sums(
    orbit: Orbit, measured: Measured, n_chip: int, side_pixel: float
) -> Float[np.ndarray, "3 n_bin"]:
    """Number of good measurements in each bin of the chips, and the sums of their residuals in x and y."""
    good = measured.weight >= BAD
    row = map_bins(orbit.chip[good], *orbit.pixel[:, good], side_pixel)
    shape = n_chip * BINS**2
    weights = (None, *measured.residual[:, good])
    return np.stack([np.bincount(row, weight, minlength=shape).astype(np.float64) for weight in weights])


def no_residuals(n_chip: int) -> Float[np.ndarray, "3 n_bin"]:
    """What `residual_sums` gives without measurements."""
    return np.zeros((3, n_chip * BINS**2))


def map_columns(sums: Float[np.ndarray, "3 n_bin"], side_pixel: float) -> Columns:
    """Mean residuals of the bins that are not empty, out of what `residual_sums` gave in all orbits."""
    used = np.flatnonzero(sums[0])
    number = sums[0, used]
    means = {name: total[used] / number for name, total in zip(("dx", "dy"), sums[1:], strict=True)}
    return {**bin_places(used, side_pixel), **means, "n_obs": number.astype(np.int64)}
