"""Velocities of the nuclear star cluster: our own choice, for want of a published recipe.

Isotropic dispersion that solves the Jeans equation of the Dehnen profile in the potential
of the cluster, a black hole of 4.297e6 Msun and the nuclear disc, with the rotation of an isotropic
rotator of flattening 0.73.
"""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from galcen.compiled import compiled
from galcen.galaxy.density.nuclear_cluster import FLATTENING, elliptical_radius

A_GRID = np.array([0.03, 0.1, 0.3, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 75, 100, 150, 200])  # [pc]
SIGMA_GRID = np.array(
    [
        595.3,
        321.3,
        182.7,
        142.4,
        106.2,
        85.7,
        78.2,
        70.8,
        66.5,
        62.4,
        58.6,
        56.7,
        55.9,
        58.3,
        61.9,
        63.8,
        63.3,
        60.2,
    ]
)  # [km/s]
_LN_A, _LN_SIGMA = np.log(A_GRID), np.log(SIGMA_GRID)
ROTATION = 0.5
NO_ESCAPE_WITHIN = 0.5
"""Bound to the black hole, stars this close [pc] are not cut at the escape speed."""


def moments(
    r: Float[Array, "..."], z: Float[Array, "..."]
) -> tuple[Float[Array, "..."], Float[Array, "..."], Float[Array, "..."]]:
    """Mean v_phi and dispersion [km/s], and the elliptical radius [pc]."""
    a = jnp.maximum(elliptical_radius(r, z), 1e-3)
    sigma = jnp.exp(jnp.interp(jnp.log(a), _LN_A, _LN_SIGMA))
    return ROTATION * sigma * r / a, sigma, a


@compiled
def depth(r: float, z: float) -> float:
    """Semi-major axis [pc] of the spheroid through one star."""
    return max(math.hypot(r, z / FLATTENING), 1e-3)


@compiled
def star_velocity(r: float, z: float, score: tuple[float, float, float]) -> tuple[float, float, float]:
    """v_phi, v_R, v_Z [km/s] of one star at standard normal scores."""
    a = depth(r, z)
    sigma = math.exp(np.interp(math.log(a), _LN_A, _LN_SIGMA))
    return sigma * (ROTATION * r / a + score[0]), sigma * score[1], sigma * score[2]
