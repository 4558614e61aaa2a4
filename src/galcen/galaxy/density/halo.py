"""Stellar halo of Robin et al. (2003, A&A 409, 523): an oblate power law; 1 at the Sun."""

import jax.numpy as jnp
from jaxtyping import Array, Float

RHO0 = 9.32e-6  # density at the Sun [Msun/pc^3]
EXPONENT = -2.44
FLATTENING = 0.76
A_SUN = 8160.0  # [pc]
A_MIN = 500.0  # constant density inside [pc]


def shape(r: Float[Array, "..."], z: Float[Array, "..."]) -> Float[Array, "..."]:
    """S at cylindrical radius and height [pc]."""
    a = jnp.hypot(r, z / FLATTENING)
    return (jnp.maximum(a, A_MIN) / A_SUN) ** EXPONENT
