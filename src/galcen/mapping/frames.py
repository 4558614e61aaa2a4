"""Axes of the telescope: from the pointing, and turned about it by the attitude's unknowns."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from galcen.mapping.source_motion import RAD_PER_MAS, Observer, triad
from galcen.mapping.vector import Vector, added, dot, normalised, scaled


class Axes(NamedTuple):
    """Unit vectors of the focal plane's X and Y and of the boresight.

    X points west and Y north at position angle 0: the three are left-handed and must not be made by a vector
    product.
    """

    x: Vector
    y: Vector
    z: Vector


class Attitude(NamedTuple):
    """Unknowns of an exposure's attitude about its nominal axes."""

    a_x: Float[Array, "*shape"]
    """Shift of the boresight along X [mas]."""
    a_y: Float[Array, "*shape"]
    """Shift of the boresight along Y [mas]."""
    psi: Float[Array, "*shape"]
    """Turn about the boresight in the sense of growing position angle [mas]."""


def telescope_axes(
    ra: Float[Array, "*shape"], dec: Float[Array, "*shape"], position_angle: Float[Array, "*shape"]
) -> Axes:
    """Axes at a pointing [rad]; `position_angle` is that of +Y, from north through east."""
    at = triad(ra, dec)
    sin, cos = jnp.sin(position_angle), jnp.cos(position_angle)
    return Axes(
        added(scaled(-cos, at.east), scaled(sin, at.north)),
        added(scaled(sin, at.east), scaled(cos, at.north)),
        at.radial,
    )


def turned(attitude: Attitude) -> Axes:
    """Turned axes, by their components along the nominal ones.

    The boresight moves on the tangent plane; X, then Y are made orthogonal to it; then both turn by psi.
    """
    a_x, a_y, psi = (RAD_PER_MAS * angle for angle in attitude)
    one, zero = jnp.ones_like(a_x), jnp.zeros_like(a_x)
    z = normalised(Vector(a_x, a_y, one))
    x = normalised(added(Vector(one, zero, zero), scaled(-z.x, z)))
    y = Vector(zero, one, zero)
    y = normalised(added(y, scaled(-z.y, z), scaled(-x.y, x)))
    sin, cos = jnp.sin(psi), jnp.cos(psi)
    return Axes(
        added(scaled(cos, x), scaled(sin, y)),
        added(scaled(cos, y), scaled(-sin, x)),
        z,
    )


def composed(nominal: Axes, turn: Axes) -> Axes:
    """The turned axes by their components along the sky's."""
    return Axes(
        *(added(scaled(row.x, nominal.x), scaled(row.y, nominal.y), scaled(row.z, nominal.z)) for row in turn)
    )


def along(axes: Axes, direction: Vector) -> Vector:
    """Components of a direction along the axes."""
    return Vector(dot(axes.x, direction), dot(axes.y, direction), dot(axes.z, direction))


def within(observer: Observer, axes: Axes) -> Observer:
    """The observer with vectors by their components along the axes."""
    return observer._replace(
        b=along(axes, observer.b), beta=along(axes, observer.beta), sun=along(axes, observer.sun)
    )
