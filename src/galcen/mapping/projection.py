"""From a direction to the ideal plane of the telescope, and back.

References
----------
Calabretta & Greisen (2002), A&A 395, 1077, sect. 5.1.3 (TAN) and 5.1.5 (ARC).
"""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from galcen.mapping.frames import Axes
from galcen.mapping.vector import Vector, added, scaled

Projection = Literal["gnomonic", "equidistant"]
Plane = tuple[Float[Array, "*shape"], Float[Array, "*shape"]]

# Of arctan(r) / r in r^2; at the switch, r^2 = 0.01, the first term left out is 1e-17.
_SERIES = tuple((-1) ** k / (2 * k + 1) for k in range(8))
_SWITCH = 0.01


def gnomonic(inside: Vector) -> Plane:
    """Tangent-plane coordinates of a direction given along the telescope's axes; NaN from 90 deg on."""
    # A source behind the telescope would otherwise project to its antipode.
    depth = jnp.where(inside.z > 0, inside.z, jnp.nan)
    return inside.x / depth, inside.y / depth


def turned_plane(x: Float[Array, "*shape"], y: Float[Array, "*shape"], turn: Axes) -> Plane:
    """Tangent-plane coordinates after a turn of the axes (a projective map of the plane)."""
    return gnomonic(
        Vector(*(row.x * x + row.y * y + row.z for row in turn)),
    )


def unturned_plane(x: Float[Array, "*shape"], y: Float[Array, "*shape"], turn: Axes) -> Plane:
    """The inverse of `turned_plane`."""
    back = added(scaled(x, turn.x), scaled(y, turn.y), turn.z)
    return gnomonic(back)


def to_equidistant(x: Float[Array, "*shape"], y: Float[Array, "*shape"]) -> Plane:
    """From the gnomonic plane to the one whose radius is the angle from the boresight."""
    square = x * x + y * y
    factor = _arctan_over_radius(square)
    return x * factor, y * factor


def from_equidistant(x: Float[Array, "*shape"], y: Float[Array, "*shape"]) -> Plane:
    """The inverse of `to_equidistant`."""
    radius = jnp.hypot(x, y)
    away = radius > 0
    safe = jnp.where(away, radius, 1.0)
    factor = jnp.where(away, jnp.tan(safe) / safe, 1.0)
    return x * factor, y * factor


def to_direction(x: Float[Array, "*shape"], y: Float[Array, "*shape"], axes: Axes) -> Vector:
    """Direction, not of unit length, of a point of the gnomonic plane."""
    return added(scaled(x, axes.x), scaled(y, axes.y), axes.z)


def _arctan_over_radius(square: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """arctan(r) / r of r^2, differentiable at 0."""
    near = square < _SWITCH
    small = jnp.where(near, square, 0.0)
    series = jnp.zeros_like(small)
    for coefficient in reversed(_SERIES):
        series = series * small + coefficient
    radius = jnp.sqrt(jnp.where(near, 1.0, square))
    return jnp.where(near, series, jnp.arctan(radius) / radius)
