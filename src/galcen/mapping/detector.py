"""From the focal plane to the pixels of a chip, and back."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

Plane = tuple[Float[Array, "*shape"], Float[Array, "*shape"]]

PER_MILLION = 1e-6


class Chip(NamedTuple):
    """Nominal geometry of chips; arrays over chips, or gathered for each observation."""

    rotation: Float[Array, "*shape"]
    """Minus the position angle of the chip on the focal plane [rad]."""
    x: Float[Array, "*shape"]
    """Centre [um]."""
    y: Float[Array, "*shape"]
    pixel_x: Float[Array, "*shape"]
    """Size of a pixel along the chip's own axes [um]."""
    pixel_y: Float[Array, "*shape"]


class ChipOffsets(NamedTuple):
    """Unknowns of a chip about its nominal geometry."""

    rotation: Float[Array, "*shape"]
    """[1e-6 rad]."""
    x: Float[Array, "*shape"]
    """[um]."""
    y: Float[Array, "*shape"]
    pixel_x: Float[Array, "*shape"]
    """Relative [1e-6]."""
    pixel_y: Float[Array, "*shape"]


def moved(nominal: Chip, offsets: ChipOffsets) -> Chip:
    """Geometry with the unknowns applied."""
    return Chip(
        nominal.rotation + PER_MILLION * offsets.rotation,
        nominal.x + offsets.x,
        nominal.y + offsets.y,
        nominal.pixel_x * (1.0 + PER_MILLION * offsets.pixel_x),
        nominal.pixel_y * (1.0 + PER_MILLION * offsets.pixel_y),
    )


class Affine(NamedTuple):
    """Pixel coordinates as a linear function of the place on the focal plane.

    A chip in the form in which it is gathered for many observations, without a sine for each.
    """

    xx: Float[Array, "*shape"]
    """[pixel/um]."""
    xy: Float[Array, "*shape"]
    yx: Float[Array, "*shape"]
    yy: Float[Array, "*shape"]
    x: Float[Array, "*shape"]
    """Centre [um]."""
    y: Float[Array, "*shape"]


def turn(chip: Chip) -> Plane:
    """Sine and cosine of the rotation."""
    return jnp.sin(chip.rotation), jnp.cos(chip.rotation)


def affine(chip: Chip, sin_cos: Plane | None = None) -> Affine:
    """The chip as a linear function.

    The size of a pixel divides along the chip's own axes, after the rotation. `sin_cos` is that of the
    rotation, where it is known already.
    """
    sin, cos = turn(chip) if sin_cos is None else sin_cos
    return Affine(
        cos / chip.pixel_x, -sin / chip.pixel_x, sin / chip.pixel_y, cos / chip.pixel_y, chip.x, chip.y
    )


def to_pixel(chip: Affine, x: Float[Array, "*shape"], y: Float[Array, "*shape"]) -> Plane:
    """Pixel coordinates, from the centre of the chip, of a place on the focal plane [um]."""
    dx, dy = x - chip.x, y - chip.y
    return chip.xx * dx + chip.xy * dy, chip.yx * dx + chip.yy * dy


def from_pixel(chip: Affine, nx: Float[Array, "*shape"], ny: Float[Array, "*shape"]) -> Plane:
    """Place on the focal plane [um] of pixel coordinates: the inverse of `to_pixel`."""
    determinant = chip.xx * chip.yy - chip.xy * chip.yx
    x = (chip.yy * nx - chip.xy * ny) / determinant + chip.x
    return x, (chip.xx * ny - chip.yx * nx) / determinant + chip.y
