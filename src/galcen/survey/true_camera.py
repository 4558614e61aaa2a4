"""The camera as it truly is: what is drawn once, by orbit and by exposure."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt32

from galcen.mapping.detector import Chip, ChipOffsets, moved
from galcen.mapping.distortion import Coefficients, Distortion, determinant, undistorted
from galcen.mapping.frames import Axes, telescope_axes
from galcen.mapping.source_motion import triad
from galcen.mapping.vector import Vector, added, dot, normalised, scaled, sky_angles
from galcen.threefry import normals

ARCSEC = np.pi / 180 / 3600
GRID = 41
"""Points along a side of the square on which the distortion is looked at."""


class Spread(NamedTuple):
    """Rms values; see `galcen.config.observation`."""

    focal_length_ppm: float
    distortion_um: float
    distortion_per_orbit: bool
    chip_shift_um: float
    chip_rotation_urad: float
    chip_scale_ppm: float
    chromatic_um: float
    pointing_arcsec: float
    twist_arcsec: float


class Roots(NamedTuple):
    """Words of the streams, one for each kind of thing that is drawn."""

    chip: UInt32[np.ndarray, " 2"]
    distortion: UInt32[np.ndarray, " 2"]
    exposure: UInt32[np.ndarray, " 2"]
    measurement: UInt32[np.ndarray, " 2"]
    flat: UInt32[np.ndarray, " 2"]


class Pointings(NamedTuple):
    """Where exposures point [deg]; `pa` is the position angle of +Y, north through east."""

    ra: Float[np.ndarray, " n_exp"]
    dec: Float[np.ndarray, " n_exp"]
    pa: Float[np.ndarray, " n_exp"]


def chip_offsets(roots: Roots, spread: Spread, n_chip: int) -> ChipOffsets:
    """Geometry of the chips about the nominal one, the same in the whole survey."""
    score = _scores(roots.chip, np.arange(n_chip), 5)
    shift, scale = spread.chip_shift_um, spread.chip_scale_ppm
    return ChipOffsets(
        spread.chip_rotation_urad * score[0],
        shift * score[1],
        shift * score[2],
        scale * score[3],
        scale * score[4],
    )


def chromatic_shifts(roots: Roots, spread: Spread, n_chip: int) -> Float[np.ndarray, "2 n_chip"]:
    """Shift of the images along X and along Y with the colour [um/mag], the same in the whole survey."""
    # The scores after those of `chip_offsets`.
    return spread.chromatic_um * _scores(roots.chip, np.arange(n_chip), 7)[5:]


def distortion(roots: Roots, spread: Spread, form: Distortion, orbit: int) -> Coefficients:
    """Distortion of an orbit [um]."""
    # Identifiers begin at 1 for the orbits: 0 is the distortion of the whole survey.
    name = np.array([orbit + 1 if spread.distortion_per_orbit else 0])
    score = spread.distortion_um * _scores(roots.distortion, name, 2 * form.n_term)[:, 0]
    return Coefficients(score[: form.n_term], score[form.n_term :])


def focal_lengths(
    roots: Roots, spread: Spread, exposure_id: Int[np.ndarray, " n_exp"]
) -> Float[np.ndarray, "2 n_exp"]:
    """Change of the focal length along X and along Y, relative [1e-6]."""
    return spread.focal_length_ppm * _scores(roots.exposure, exposure_id, 2)


def estimated(
    roots: Roots, spread: Spread, exposure_id: Int[np.ndarray, " n_exp"], true: Pointings
) -> Pointings:
    """The attitude as it is known before any solution."""
    step = np.stack([spread.pointing_arcsec, spread.pointing_arcsec, spread.twist_arcsec])[:, None]
    score = step * ARCSEC * _scores(roots.exposure, exposure_id, 5)[2:]
    return Pointings(*(np.asarray(angle) for angle in _turned(true, score)))


@jax.jit
def _turned(true: Pointings, step: Float[Array, "3 n_exp"]) -> Pointings:
    """Pointings with steps along X and Y and a turn [rad]."""
    axes = axes_of(true)
    boresight = normalised(added(axes.z, scaled(step[0], axes.x), scaled(step[1], axes.y)))
    y = normalised(added(axes.y, scaled(-dot(boresight, axes.y), boresight)))
    ra, dec, pa = angles(boresight, y)
    return Pointings(ra, dec, (pa + jnp.rad2deg(step[2]) + 180) % 360 - 180)


@jax.jit
def axes_of(pointings: Pointings) -> Axes:
    """Axes of the telescope."""
    return telescope_axes(*(jnp.deg2rad(jnp.asarray(angle)) for angle in pointings))


def angles(boresight: Vector, y: Vector) -> Pointings:
    """Pointing of axes: the inverse of `axes_of`."""
    ra, dec = sky_angles(boresight)
    at = triad(ra, dec)
    pa = jnp.arctan2(dot(y, at.east), dot(y, at.north))
    return Pointings(*(jnp.rad2deg(angle) for angle in (ra, dec, pa)))


def reach(form: Distortion, coefficients: Coefficients, chips: Chip, half_pixel: float) -> float:
    """Largest shift by the distortion of what falls on the chips [um]; NaN where it folds."""
    corner = np.sqrt(2) * half_pixel * np.maximum(chips.pixel_x, chips.pixel_y)
    side = float(np.max(np.maximum(np.abs(chips.x), np.abs(chips.y)) + corner))
    shift, smallest = _on_square(form, coefficients, side)
    return float(shift) if smallest > 0 else np.nan


@partial(jax.jit, static_argnames="form")
def _on_square(form: Distortion, coefficients: Coefficients, side: float) -> tuple[Array, Array]:
    """Largest shift and smallest determinant."""
    x, y = jnp.meshgrid(*2 * [jnp.linspace(-side, side, GRID)])
    p, q = undistorted(form, coefficients, x, y)
    folds = jnp.minimum(determinant(form, coefficients, p, q), determinant(form, coefficients, x, y))
    return jnp.hypot(x - p, y - q).max(), folds.min()


def true_chips(nominal: Chip, offsets: ChipOffsets) -> Chip:
    """Geometry of the chips with their offsets."""
    return Chip(*(np.asarray(column) for column in moved(nominal, offsets)))


def _scores(
    root: UInt32[np.ndarray, " 2"], identifier: Int[np.ndarray, " n"], count: int
) -> Float[np.ndarray, "count n"]:
    """Standard normal scores of the stream of each identifier."""
    out = np.empty((count, len(identifier)))
    normals(root, np.asarray(identifier, dtype=np.int64), np.arange(count), out)
    return out
