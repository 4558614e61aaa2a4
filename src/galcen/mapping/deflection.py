"""Bending of light by the Sun.

References
----------
Klioner (2003), AJ 125, 1580, eq. 70, as in SOFA's `ldsun`.
"""

import jax.numpy as jnp

from galcen.mapping.source_motion import Observer
from galcen.mapping.vector import Vector, added, dot, scaled

SCHWARZSCHILD_RADIUS_SUN = 1.97412574336e-8
"""Of the Sun [au]."""

NEAREST = 1e-6
"""Floor of 1 + cos(angle from the Sun): behind the Sun's disc the formula would diverge."""


def bent(direction: Vector, observer: Observer) -> Vector:
    """Direction of the arriving light of a source at infinity; the planets are left out."""
    along = dot(direction, observer.sun)
    size = SCHWARZSCHILD_RADIUS_SUN / observer.sun_dist / jnp.maximum(1.0 + along, NEAREST)
    return added(direction, scaled(size, observer.sun), scaled(-size * along, direction))
