"""Pixel coordinates with their derivatives, by staged forward-mode differentiation.

The chain is cut where few numbers pass (the nominal plane, the ideal focal plane, the real one), each stage
is differentiated by its own few inputs, and the pieces are put together by products of 2 x 2 matrices.
Derivatives of the whole chain at once cost four times as much.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galcen.mapping.detector import Chip, ChipOffsets, affine, moved, to_pixel
from galcen.mapping.distortion import Coefficients, basis, distorted
from galcen.mapping.forward import (
    FocalLength,
    Optics,
    Source,
    focal_plane,
    nominal_plane,
)
from galcen.mapping.frames import Attitude, Axes
from galcen.mapping.source_motion import Observer, Offsets, barycentric_time

Plane = tuple[Float[Array, "*shape"], Float[Array, "*shape"]]
Columns = tuple[Plane, ...]

_NEVER = float(jnp.finfo(jnp.float64).max)


class Exposure(NamedTuple):
    """What is known and fixed of an exposure."""

    observer: Observer
    axes: Axes
    """Nominal."""


class Calibration(NamedTuple):
    """Unknowns of the camera, gathered for each observation or broadcast, and its nominal chips."""

    distortion: Coefficients
    chip: Chip
    chip_offsets: ChipOffsets


class Linearised(NamedTuple):
    """Pixel coordinates and their derivatives, pairs (of nx, of ny)."""

    pixel: Plane
    """[pixel]."""
    source: Columns
    """By a, d, parallax [pixel/mas]; by the proper motions: those by a and d times `time`."""
    time: Float[Array, "*shape"]
    """Barycentric time since the reference epoch [Julian year]."""
    exposure: Columns
    """By a_X, a_Y, psi [pixel/mas], f_X, f_Y [pixel per 1e-6]."""
    chip: Columns
    """By rotation [pixel per 1e-6 rad], x, y [pixel/um], pixel_x, pixel_y [pixel per 1e-6]."""
    shift: tuple[Plane, Plane]
    """By the polynomial's value in x and in y [pixel/um]; times a term of `basis`: by its coefficients."""
    basis: tuple[Array, ...]
    """Terms of the distortion."""


def linearised(
    optics: Optics,
    offsets: Offsets,
    source: Source,
    exposure: Exposure,
    attitude: Attitude,
    focal_length: FocalLength,
    calibration: Calibration,
) -> Linearised:
    """Pixel coordinates of sources in exposures and all derivatives; everything broadcasts."""

    def sky(a: Array, d: Array, parallax: Array) -> Plane:
        moved_offsets = Offsets(a, d, parallax, offsets.pma, offsets.pmd)
        return nominal_plane(moved_offsets, source, exposure.observer, exposure.axes)

    def optical(x: Array, y: Array, a_x: Array, a_y: Array, psi: Array, f_x: Array, f_y: Array) -> Plane:
        scale = FocalLength(focal_length.nominal_um, f_x, f_y)
        return focal_plane(optics.projection, x, y, Attitude(a_x, a_y, psi), scale)

    def bend(p: Array, q: Array) -> Plane:
        return distorted(optics.distortion, calibration.distortion, p, q)

    def detect(x: Array, y: Array, *chip_offsets: Array) -> Plane:
        return to_pixel(affine(moved(calibration.chip, ChipOffsets(*chip_offsets))), x, y)

    nominal, by_source = _columns(sky, offsets.a, offsets.d, offsets.parallax)
    ideal, by_optics = _columns(optical, *nominal, *attitude, focal_length.f_x, focal_length.f_y)
    real, by_ideal = _columns(bend, *ideal)
    seen, by_detector = _columns(detect, *real, *calibration.chip_offsets)
    by_real, by_chip = by_detector[:2], by_detector[2:]
    from_ideal = tuple(_through(by_real, column) for column in by_ideal)
    from_nominal = tuple(_through(from_ideal, column) for column in by_optics[:2])
    if optics.distortion.direction == "ideal_to_real":
        terms, shift = basis(optics.distortion, *ideal), by_real
    else:
        # real + polynomial(real) = ideal: the polynomial's value acts against the ideal position.
        terms = basis(optics.distortion, *real)
        shift = tuple((-along_x, -along_y) for along_x, along_y in from_ideal)
    return Linearised(
        pixel=seen,
        source=tuple(_through(from_nominal, column) for column in by_source),
        time=barycentric_time(source.at, exposure.observer),
        exposure=tuple(_through(from_ideal, column) for column in by_optics[2:]),
        chip=by_chip,
        shift=shift,
        basis=tuple(terms),
    )


def _columns(function: Callable[..., Plane], *at: Array) -> tuple[Plane, Columns]:
    """Values of an elementwise function and its derivative by each argument."""

    def stage(*at: Array) -> tuple[Plane, Columns]:
        value, slope = jax.linearize(function, *at)
        zeros = [jnp.zeros_like(argument) for argument in at]
        return value, tuple(
            slope(*zeros[:i], jnp.ones_like(argument), *zeros[i + 1 :]) for i, argument in enumerate(at)
        )

    # On a CPU, XLA would fuse the stages into one and compute each again for every derivative that follows
    # from it, ten times slower in all. A condition whose answer it cannot know keeps them apart.
    shapes = jax.eval_shape(stage, *at)
    never = jax.tree.map(lambda leaf: jnp.full(leaf.shape, jnp.nan, leaf.dtype), shapes)
    return jax.lax.cond(at[0].ravel()[0] != _NEVER, lambda: stage(*at), lambda: never)


def _through(matrix: Columns, column: Plane) -> Plane:
    """Chain rule: a column of derivatives through a 2 x 2 matrix given by its columns."""
    (xx, yx), (xy, yy) = matrix
    return xx * column[0] + xy * column[1], yx * column[0] + yy * column[1]
