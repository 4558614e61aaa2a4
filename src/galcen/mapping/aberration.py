"""Stellar aberration, exact in special relativity, with the Sun's potential.

References
----------
Klioner (2003), AJ 125, 1580, eq. 10, as in SOFA's `ab`.
"""

import jax.numpy as jnp

from galcen.mapping.deflection import SCHWARZSCHILD_RADIUS_SUN
from galcen.mapping.source_motion import Observer
from galcen.mapping.vector import Vector, added, dot, normalised, scaled


def proper_direction(natural: Vector, observer: Observer) -> Vector:
    """Unit vector in which the moving observer sees the light that arrives from `natural`."""
    inverse_gamma = jnp.sqrt(1.0 - dot(observer.beta, observer.beta))
    along = dot(natural, observer.beta)
    potential = SCHWARZSCHILD_RADIUS_SUN / observer.sun_dist
    return normalised(
        added(
            scaled(inverse_gamma - potential * along, natural),
            scaled(1.0 + along / (1.0 + inverse_gamma) + potential, observer.beta),
        )
    )
