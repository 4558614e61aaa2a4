"""The forward model: from the parameters of a source to its pixel.

All arguments are arrays that broadcast against each other; nothing is looped over. Give what belongs to an
exposure as (n_exp, 1) and what belongs to an observation as (n_exp, n_obs): then an exposure's own
quantities are computed once.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from galcen.mapping.aberration import proper_direction
from galcen.mapping.deflection import bent
from galcen.mapping.detector import Affine, from_pixel, to_pixel
from galcen.mapping.distortion import Coefficients, Distortion, distorted, undistorted
from galcen.mapping.frames import Attitude, Axes, along, turned, within
from galcen.mapping.projection import (
    Plane,
    Projection,
    from_equidistant,
    gnomonic,
    to_direction,
    to_equidistant,
    turned_plane,
    unturned_plane,
)
from galcen.mapping.source_motion import (
    Observer,
    Offsets,
    Path,
    Triad,
    coordinate_direction,
    displacement,
    path,
)
from galcen.mapping.vector import Vector, added, normalised

PER_MILLION = 1e-6


class Optics(NamedTuple):
    """The form of the model; hashable, so that compiled code depends on it."""

    projection: Projection = "gnomonic"
    distortion: Distortion = Distortion()


class Source(NamedTuple):
    """What is known and fixed of a source."""

    at: Triad
    """Comparison direction."""
    radial_velocity: Float[Array, "*shape"]
    """Barycentric [km/s]."""


class FocalLength(NamedTuple):
    """Nominal focal length, and the unknowns of an exposure's scale about it."""

    nominal_um: Float[Array, ""]
    f_x: Float[Array, "*shape"]
    """Relative, along X [1e-6]."""
    f_y: Float[Array, "*shape"]


def apparent_direction(offsets: Offsets, source: Source, observer: Observer) -> Vector:
    """Proper direction of a source: motion, parallax, light bending, aberration."""
    return arriving(coordinate_direction(offsets, source.at, source.radial_velocity, observer), observer)


def arriving(direction: Vector, observer: Observer) -> Vector:
    """Proper direction of the light that left along a unit vector."""
    return proper_direction(bent(direction, observer), observer)


def nominal_plane(offsets: Offsets, source: Source, observer: Observer, axes: Axes) -> Plane:
    """Gnomonic coordinates of the proper direction about the nominal axes; NaN from 90 deg on."""
    return plane_on_path(path(offsets, source.at, source.radial_velocity), observer, axes)


def plane_on_path(source: Path, observer: Observer, axes: Axes) -> Plane:
    """`nominal_plane` of a source whose way is given: twice as fast where many observations share it."""
    return arriving_plane(*geometric_plane(source, observer, axes), within(observer, axes))


def geometric_plane(source: Path, observer: Observer, axes: Axes) -> Plane:
    """`plane_on_path` without light bending and aberration.

    What depends on the unknowns is brought to the axes by itself, where it is as exact as it is small.
    """
    return gnomonic(added(along(axes, source.at), along(axes, displacement(source, observer))))


def arriving_plane(x: Float[Array, "*shape"], y: Float[Array, "*shape"], inside: Observer) -> Plane:
    """Light bending and aberration on the gnomonic plane, with the observer's vectors along its axes."""
    return gnomonic(arriving(normalised(Vector(x, y, jnp.ones_like(x))), inside))


def focal_plane(
    projection: Projection,
    x: Float[Array, "*shape"],
    y: Float[Array, "*shape"],
    attitude: Attitude,
    focal_length: FocalLength,
) -> Plane:
    """Ideal place on the focal plane [um] of nominal gnomonic coordinates."""
    x, y = turned_plane(x, y, turned(attitude))
    if projection == "equidistant":
        x, y = to_equidistant(x, y)
    return (
        focal_length.nominal_um * (1.0 + PER_MILLION * focal_length.f_x) * x,
        focal_length.nominal_um * (1.0 + PER_MILLION * focal_length.f_y) * y,
    )


def pixel(distortion: Distortion, ideal: Plane, coefficients: Coefficients, chip: Affine) -> Plane:
    """Pixel coordinates, from the centre of the chip, of an ideal place on the focal plane [um]."""
    return to_pixel(chip, *distorted(distortion, coefficients, *ideal))


def direction_of_pixel(
    optics: Optics,
    pixels: Plane,
    chip: Affine,
    coefficients: Coefficients,
    focal_length: FocalLength,
    attitude: Attitude,
    axes: Axes,
) -> Vector:
    """Proper direction, not of unit length, of pixel coordinates on a chip: the way back.

    Where the distortion folds there is no answer: see `distortion.determinant`.
    """
    p, q = undistorted(optics.distortion, coefficients, *from_pixel(chip, *pixels))
    x = p / (focal_length.nominal_um * (1.0 + PER_MILLION * focal_length.f_x))
    y = q / (focal_length.nominal_um * (1.0 + PER_MILLION * focal_length.f_y))
    if optics.projection == "equidistant":
        x, y = from_equidistant(x, y)
    return to_direction(*unturned_plane(x, y, turned(attitude)), axes)
