"""What is told of a plate solution: its numbers by source, exposure, calibration and place on the chips."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from galcen.astrometry.plate import Plate
from galcen.astrometry.plate_problem import N_CHIP, N_EXPOSURE, PlateProblem
from galcen.astrometry.weights import BAD
from galcen.mapping.frames import Attitude, Axes, composed, turned
from galcen.mapping.source_motion import triad
from galcen.mapping.vector import dot, sky_angles

BINS = 8
"""Bins along each side of a chip, of the map of residuals."""

ELEMENTS = ("a_x", "a_y", "psi", "f_x", "f_y")

Columns = dict[str, np.ndarray]


class Counts(NamedTuple):
    """Measurements of each source."""

    n_obs: Int[np.ndarray, " n_src"]
    n_bad: Int[np.ndarray, " n_src"]


def counts(problem: PlateProblem, weight: Float[np.ndarray, "n_exp n_obs"]) -> Counts:
    """How often each source was measured, and how often badly."""
    seen, n_src = problem.observations, len(problem.sources.ra)
    all_of, bad = seen.source[seen.is_real], seen.source[seen.is_real & (weight < BAD)]
    return Counts(np.bincount(all_of, minlength=n_src), np.bincount(bad, minlength=n_src))


def source_columns(problem: PlateProblem, plate: Plate) -> Columns:
    """Positions and priors of the sources, as in `galcen.io.plate_schema.PLATE_SOURCES`."""
    covariance, prior = plate.source_covariance, problem.sources.covariance
    error = np.sqrt(covariance[(0, 1), (0, 1)])
    prior_error = np.sqrt(np.diagonal(prior, axis1=1, axis2=2)).T
    number = counts(problem, plate.weight)
    return {
        "a": plate.state.source[0],
        "d": plate.state.source[1],
        "a_error": error[0],
        "d_error": error[1],
        "ad_corr": covariance[0, 1] / (error[0] * error[1]),
        "prior_a": problem.sources.mean[:, 0],
        "prior_d": problem.sources.mean[:, 1],
        "prior_a_error": prior_error[0],
        "prior_d_error": prior_error[1],
        "prior_ad_corr": prior[:, 0, 1] / (prior_error[0] * prior_error[1]),
        "prior_weight": plate.prior_weight,
        "n_obs": number.n_obs,
        "n_bad": number.n_bad,
    }


def exposure_columns(problem: PlateProblem, plate: Plate) -> Columns:
    """Attitude, scale and residuals of the exposures."""
    values = plate.state.exposure.T
    error = plate.y_sigma[: values.size].reshape(-1, N_EXPOSURE).T
    good = problem.observations.is_real & (plate.weight >= BAD)
    square = np.where(good[:, None], plate.residual, 0.0) ** 2
    number = np.count_nonzero(good, axis=1)
    return {
        **pointing_columns(problem.exposures.axes, values[:3]),
        **dict(zip(ELEMENTS, values, strict=True)),
        **dict(zip((f"{name}_error" for name in ELEMENTS), error, strict=True)),
        "rms": np.sqrt(square.sum((1, 2)) / np.maximum(2 * number, 1)),
        "n_obs": np.count_nonzero(problem.observations.is_real, axis=1),
    }


def pointing_columns(nominal: Axes, attitude: Float[np.ndarray, "3 n_exp"]) -> Columns:
    """Boresight and position angle [deg] of exposures whose axes, arrays (n_exp, 1), the attitude turns."""
    axes = composed(nominal, turned(Attitude(*(jnp.asarray(v)[:, None] for v in attitude))))
    ra, dec = sky_angles(axes.z)
    at = triad(ra, dec)
    pa = jnp.arctan2(dot(axes.y, at.east), dot(axes.y, at.north))
    angles = {"ra": ra, "dec": dec, "pa": pa}
    return {name: np.degrees(np.asarray(angle))[:, 0] for name, angle in angles.items()}


def calibration_columns(plate: Plate) -> Columns:
    """Distortion, then chips."""
    n_term, n_chip = plate.state.distortion.shape[1], len(plate.state.chip)
    value = np.concatenate([plate.state.distortion.ravel(), plate.state.chip.ravel()])
    chips = n_chip * N_CHIP
    return {
        "parameter": np.repeat([0, 1, 2], [n_term, n_term, chips]),
        "number": np.concatenate([np.tile(np.arange(n_term), 2), np.repeat(np.arange(n_chip), N_CHIP)]),
        "element": np.concatenate([np.zeros(2 * n_term, dtype=int), np.tile(np.arange(N_CHIP), n_chip)]),
        "value": value,
        "error": plate.y_sigma[-len(value) :],
    }


def residual_map(
    problem: PlateProblem, before: Float[np.ndarray, "n_exp 2 n_obs"], plate: Plate, side_pixel: float
) -> Columns:
    """Mean residuals in bins of each chip, before and after the solution; empty bins are left out.

    Parameters
    ----------
    problem, plate
        What was solved.
    before
        Residuals with the attitudes fitted and the camera nominal [pixel].
    side_pixel
        Side of a chip.
    """
    seen = problem.observations
    good = seen.is_real & (plate.weight >= BAD)
    row = map_bins(seen.chip, seen.pixel[:, 0], seen.pixel[:, 1], side_pixel)[good]
    number = np.bincount(row, minlength=problem.camera.n_chip * BINS * BINS)
    used = np.flatnonzero(number)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(row, values[good], minlength=len(number))[used] / number[used]

    return {
        **bin_places(used, side_pixel),
        "dx_before": mean(before[:, 0]),
        "dy_before": mean(before[:, 1]),
        "dx_after": mean(plate.residual[:, 0]),
        "dy_after": mean(plate.residual[:, 1]),
        "n_obs": number[used],
    }


def map_bins(
    chip: Int[np.ndarray, "*shape"],
    nx: Float[np.ndarray, "*shape"],
    ny: Float[np.ndarray, "*shape"],
    side_pixel: float,
) -> Int[np.ndarray, "*shape"]:
    """Bin of a map over the chips that each place is in."""
    x, y = (np.floor((n / side_pixel + 0.5) * BINS).clip(0, BINS - 1).astype(np.int64) for n in (nx, ny))
    return (chip.astype(np.int64) * BINS + x) * BINS + y


def bin_places(bins: Int[np.ndarray, " n_bin"], side_pixel: float) -> Columns:
    """Chip, and centre from that of the chip [pixel], of bins of a map."""
    centre = (np.arange(BINS) + 0.5) * side_pixel / BINS - side_pixel / 2
    return {"chip": bins // BINS**2, "nx": centre[bins // BINS % BINS], "ny": centre[bins % BINS]}


class DataPositions(NamedTuple):
    """Positions without the part that their priors had in them."""

    a: Float[np.ndarray, " n_row"]
    """[mas]."""
    d: Float[np.ndarray, " n_row"]
    a_error: Float[np.ndarray, " n_row"]
    d_error: Float[np.ndarray, " n_row"]
    ad_corr: Float[np.ndarray, " n_row"]
    is_usable: Bool[np.ndarray, " n_row"]
    """False where the data say nothing in some direction: numerically the prior alone."""


LEAST_INFORMATION = 1e-6
"""Of the data in any direction, in units of the position's, below which a position is its prior."""


def without_prior(rows: Columns) -> DataPositions:
    """Positions by the data alone, out of columns of `galcen.io.plate_schema.PLATE_SOURCES`.

    A star's own prior is independent of all else, so that its posterior is the likelihood times the prior:
    inverse covariances, and their products with the means, subtract.
    """
    a, d = rows["a"], rows["d"]
    total = _inverse(rows["a_error"], rows["d_error"], rows["ad_corr"])
    prior = _inverse(rows["prior_a_error"], rows["prior_d_error"], rows["prior_ad_corr"])
    prior = tuple(rows["prior_weight"] * element for element in prior)
    aa, ad, dd = (whole - part for whole, part in zip(total, prior, strict=True))
    right_a = total[0] * a + total[1] * d - prior[0] * rows["prior_a"] - prior[1] * rows["prior_d"]
    right_d = total[1] * a + total[2] * d - prior[1] * rows["prior_a"] - prior[2] * rows["prior_d"]
    determinant, least = aa * dd - ad**2, LEAST_INFORMATION
    usable = (aa > least * total[0]) & (dd > least * total[2]) & (determinant > least * aa * dd)
    aa, dd = np.where(usable, aa, 1.0), np.where(usable, dd, 1.0)
    ad = np.where(usable, ad, 0.0)
    determinant = aa * dd - ad**2
    return DataPositions(
        (dd * right_a - ad * right_d) / determinant,
        (aa * right_d - ad * right_a) / determinant,
        np.sqrt(dd / determinant),
        np.sqrt(aa / determinant),
        -ad / np.sqrt(aa * dd),
        usable,
    )


def _inverse(x_error: np.ndarray, y_error: np.ndarray, corr: np.ndarray) -> tuple[np.ndarray, ...]:
    """Elements xx, xy, yy of the inverse of 2 x 2 covariances."""
    rest = 1.0 - corr**2
    return 1 / (rest * x_error**2), -corr / (rest * x_error * y_error), 1 / (rest * y_error**2)
