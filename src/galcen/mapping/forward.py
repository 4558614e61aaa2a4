"""The forward model: from the parameters of a source to its pixel.

All arguments are arrays that broadcast against each other; nothing is looped over. Give what belongs to an
exposure as (n_exp, 1) and what belongs to an observation as (n_exp, n_obs): then an exposure's own
quantities are computed once.
"""

from typing import NamedTuple

from jaxtyping import Array, Float

from galcen.mapping.aberration import proper_direction
from galcen.mapping.deflection import bent
from galcen.mapping.detector import Affine, from_pixel, to_pixel
from galcen.mapping.distortion import Coefficients, Distortion, distorted, undistorted
from galcen.mapping.frames import Attitude, Axes, along, turned
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
from galcen.mapping.source_motion import Observer, Offsets, Triad, coordinate_direction
from galcen.mapping.vector import Vector

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
    straight = coordinate_direction(offsets, source.at, source.radial_velocity, observer)
    return proper_direction(bent(straight, observer), observer)


def nominal_plane(offsets: Offsets, source: Source, observer: Observer, axes: Axes) -> Plane:
    """Gnomonic coordinates about the nominal axes; NaN from 90 deg on."""
    return gnomonic(along(axes, apparent_direction(offsets, source, observer)))


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
