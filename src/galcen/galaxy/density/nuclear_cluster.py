"""Nuclear star cluster: flattened Dehnen profile of Chatzopoulos et al. (2015, MNRAS 447, 948)."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

GAMMA = 0.71
FLATTENING = 0.73
A0 = 5.9  # scale radius [pc]
MASS = 6.1e7  # [Msun]
A_MIN, A_MAX = 0.01, 200.0
"""The cusp is evaluated no closer than the first; beyond the second there is no cluster [pc]."""

RHO0 = (3 - GAMMA) * MASS / (4 * np.pi * FLATTENING)
"""Mass density [Msun/pc^3] per unit of the shape [pc^-3], in Msun."""


def elliptical_radius(r: Float[Array, "..."], z: Float[Array, "..."]) -> Float[Array, "..."]:
    """Semi-major axis [pc] of the spheroid through cylindrical radius and height [pc]."""
    return jnp.hypot(r, z / FLATTENING)


def shape(r: Float[Array, "..."], z: Float[Array, "..."]) -> Float[Array, "..."]:
    """S [pc^-3] at cylindrical radius and height [pc]."""
    a = elliptical_radius(r, z)
    floored = jnp.maximum(a, A_MIN)
    return jnp.where(a < A_MAX, A0 / (floored**GAMMA * (floored + A0) ** (4 - GAMMA)), 0.0)
