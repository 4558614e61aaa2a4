"""Pixel coordinates with their derivatives, by staged forward-mode differentiation.

The chain is cut where few numbers pass (the nominal plane, the ideal focal plane, the real one), each stage
is differentiated by its own few inputs, and the pieces are put together by products of 2 x 2 matrices.
Derivatives of the whole chain at once cost four times as much.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from galcen.mapping.apart import apart
from galcen.mapping.detector import Chip, ChipOffsets, affine, moved, to_pixel, turn
from galcen.mapping.distortion import Coefficients, distorted, extra, factors, products
from galcen.mapping.forward import (
    FocalLength,
    Optics,
    Source,
    arriving_plane,
    focal_plane,
    geometric_plane,
)
from galcen.mapping.frames import Attitude, Axes, within
from galcen.mapping.source_motion import Observer, Offsets, Path, barycentric_time, path

Plane = tuple[Float[Array, "*shape"], Float[Array, "*shape"]]
Columns = tuple[Plane, ...]


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
    inside = within(exposure.observer, exposure.axes)

    def way(a: Array, d: Array, parallax: Array) -> Path:
        moved_offsets = Offsets(a, d, parallax, offsets.pma, offsets.pmd)
        return path(moved_offsets, source.at, source.radial_velocity)

    def sky(a: Array, d: Array, parallax: Array) -> Plane:
        return geometric_plane(way(a, d, parallax), exposure.observer, exposure.axes)

    def light(x: Array, y: Array) -> Plane:
        return arriving_plane(x, y, inside)

    def optical(x: Array, y: Array, a_x: Array, a_y: Array, psi: Array, f_x: Array, f_y: Array) -> Plane:
        scale = FocalLength(focal_length.nominal_um, f_x, f_y)
        return focal_plane(optics.projection, x, y, Attitude(a_x, a_y, psi), scale)

    def bend(p: Array, q: Array) -> Plane:
        return distorted(optics.distortion, calibration.distortion, p, q)

    def orientation(angle: Array) -> Plane:
        return turn(moved(calibration.chip, calibration.chip_offsets._replace(rotation=angle)))

    def detect(x: Array, y: Array, sin: Array, cos: Array, *lengths: Array) -> Plane:
        chip = moved(calibration.chip, ChipOffsets(calibration.chip_offsets.rotation, *lengths))
        return to_pixel(affine(chip, (sin, cos)), x, y)

    geometric, from_source = _columns(sky, offsets.a, offsets.d, offsets.parallax)
    nominal, by_geometric = _columns(light, *geometric)
    ideal, by_optics = _columns(optical, *nominal, *attitude, focal_length.f_x, focal_length.f_y)
    real, by_ideal = _columns(bend, *ideal)
    chip_turn, (by_angle,) = _columns(orientation, calibration.chip_offsets.rotation)
    seen, by_detector = _columns(detect, *real, *chip_turn, *calibration.chip_offsets[1:])
    by_real, by_turn = by_detector[:2], by_detector[2:4]
    forward = optics.distortion.direction == "ideal_to_real"

    def together(*_: Array) -> Linearised:
        from_ideal = tuple(_through(by_real, column) for column in by_ideal)
        from_nominal = tuple(_through(from_ideal, column) for column in by_optics[:2])
        from_geometric = tuple(_through(from_nominal, column) for column in by_geometric)
        # The other way, real + polynomial(real) = ideal: its value acts against the ideal position.
        shift = by_real if forward else tuple((-along_x, -along_y) for along_x, along_y in from_ideal)
        return Linearised(
            pixel=seen,
            source=tuple(_through(from_geometric, column) for column in from_source),
            time=barycentric_time(source.at.radial, exposure.observer),
            exposure=tuple(_through(from_ideal, column) for column in by_optics[2:]),
            chip=(_through(by_turn, by_angle), *by_detector[4:]),
            shift=shift,
            basis=(),
        )

    place = ideal if forward else real
    tables = apart(partial(factors, optics.distortion), *place)
    terms = apart(lambda *at: (*products(optics.distortion, *tables), *extra(optics.distortion, *at)), *place)
    return apart(together, *seen)._replace(basis=terms)


def _columns(function: Callable[..., Plane], *at: Array) -> tuple[Plane, Columns]:
    """Values of an elementwise function and its derivative by each argument."""

    def stage(*at: Array) -> tuple[Plane, Columns]:
        def column(i: int) -> Plane:
            # One argument at a time: what does not depend on it then costs nothing.
            def alone(value: Array) -> Plane:
                return function(*at[:i], value, *at[i + 1 :])

            return jax.jvp(alone, (at[i],), (jnp.ones_like(at[i]),))[1]

        return function(*at), tuple(column(i) for i in range(len(at)))

    return apart(stage, *at)


def _through(matrix: Columns, column: Plane) -> Plane:
    """Chain rule: a column of derivatives through a 2 x 2 matrix given by its columns."""
    (xx, yx), (xy, yy) = matrix
    return xx * column[0] + xy * column[1], yx * column[0] + yy * column[1]
