"""Directions and positions as three arrays each.

One array for each axis lets XLA fuse a whole chain of effects into one loop; arrays whose last axis is the
vector's run several times slower.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


class Vector(NamedTuple):
    """Components along the ICRS axes, or any others that are at right angles; all of one shape."""

    x: Float[Array, "*shape"]
    y: Float[Array, "*shape"]
    z: Float[Array, "*shape"]


def dot(a: Vector, b: Vector) -> Float[Array, "*shape"]:
    """Scalar product."""
    return a.x * b.x + a.y * b.y + a.z * b.z


def scaled(s: Float[Array, "*shape"], a: Vector) -> Vector:
    """The vector times a number."""
    return Vector(s * a.x, s * a.y, s * a.z)


def added(*vectors: Vector) -> Vector:
    """Sum."""
    return Vector(*(sum(parts[1:], start=parts[0]) for parts in zip(*vectors, strict=True)))


def normalised(a: Vector) -> Vector:
    """The unit vector of the same direction."""
    return scaled(1.0 / jnp.sqrt(dot(a, a)), a)


def direction(ra: Float[Array, "*shape"], dec: Float[Array, "*shape"]) -> Vector:
    """Unit vector of right ascension and declination [rad]."""
    return Vector(jnp.cos(dec) * jnp.cos(ra), jnp.cos(dec) * jnp.sin(ra), jnp.sin(dec))


def sky_angles(a: Vector) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Right ascension in [0, 2 pi) and declination [rad] of a vector of any length."""
    return full_turn(jnp.arctan2(a.y, a.x)), jnp.arctan2(a.z, jnp.hypot(a.x, a.y))


def full_turn(angle: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The angle [rad] in [0, 2 pi)."""
    positive = angle % (2 * jnp.pi)
    # The remainder of a negative angle of less than half an ulp rounds to 2 pi itself.
    return jnp.where(positive < 2 * jnp.pi, positive, 0.0)
