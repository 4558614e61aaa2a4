"""How extinction grows along the line of sight.

A plane-parallel dust layer of 164 pc (Nataf et al. 2013, ApJ 769, 88), scaled to the map
at the distance of the red clump (Nataf et al. 2016, MNRAS 456, 2692, eqs. 2-3). Near the plane it
grows linearly and is not bounded. Off the map the layer is that of the whole line of sight, which ends where
the Galaxy's dust does.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

DUST_HEIGHT = 164.0  # [pc]


def dust_length(lat_deg: Float[Array, "..."]) -> Float[Array, "..."]:
    """Distance [pc] over which the dust falls by e, at the latitude of a cell's centre."""
    return DUST_HEIGHT / (jnp.abs(jnp.sin(jnp.deg2rad(lat_deg))) + 1e-4)


def red_clump_distance(lon_deg: Float[Array, "..."], lat_deg: Float[Array, "..."]) -> Float[Array, "..."]:
    """Distance [pc] of the red clump, to which the map refers."""
    modulus = 14.3955 - 0.0239 * lon_deg + 0.0122 * jnp.abs(lat_deg) + 0.128
    return 10 ** (1 + 0.2 * modulus)


def profile(
    lon_deg: Float[Array, "..."], lat_deg: Float[Array, "..."], dist: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Extinction at a distance [pc] over that of the red clump; angles of the cell's centre."""
    length = dust_length(lat_deg)
    return jnp.expm1(-dist / length) / jnp.expm1(-red_clump_distance(lon_deg, lat_deg) / length)


def profile_of_column(
    lat_deg: Float[Array, "..."], end: Float[Array, "..."], dist: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Extinction at a distance [pc] over that of the whole line of sight, whose layer ends at `end` [pc]."""
    length = dust_length(lat_deg)
    return jnp.expm1(-jnp.minimum(dist, end) / length) / jnp.expm1(-end / length)
