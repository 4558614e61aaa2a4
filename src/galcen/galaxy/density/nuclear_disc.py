"""Nuclear stellar disc: the self-consistent model of Sormani et al. (2022) or analytic forms.

The shape is the mass density itself [Msun/pc^3].
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galcen.galaxy.frame import bar_axes
from galcen.galaxy.tables import NuclearDiscMoments

R_MAX, Z_MAX = 970.0, 380.0
"""Beyond these the tabulated density is zero; they lie inside the table on purpose [pc]."""

WINDOW_LON_DEG, WINDOW_LAT_DEG = 5.0, 2.0

# Mass [Msun] and scale lengths x0, y0, z0 [pc] of exponential discs.
EXPONENTIAL = {
    "portail": (2.0e9, 250.0, 125.0, 50.0),  # Portail et al. (2017)
    "exponential": (7.0e8, 74.0, 74.0, 26.0),
}


class TabulatedDensity(eqx.Module):
    """Log of the density on a regular grid of R and |Z|."""

    step: float = eqx.field(static=True)  # [pc]
    log_density: Float[Array, "n_z n_r"]

    def __call__(self, r: Float[Array, "..."], z: Float[Array, "..."]) -> Float[Array, "..."]:
        """Density, bilinear in its log10; zero outside the cuts."""
        height = jnp.abs(z)
        inside = (r <= R_MAX) & (height <= Z_MAX)
        value = bilinear(self.log_density, r / self.step, height / self.step)
        return jnp.where(inside, 10.0**value, 0.0)


def bilinear(
    table: Float[Array, "n_z n_r"], u: Float[Array, "..."], v: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Interpolate at column u and row v, clipped to the table."""
    n_row, n_column = table.shape
    u, v = jnp.clip(u, 0.0, n_column - 1.0), jnp.clip(v, 0.0, n_row - 1.0)
    i = jnp.minimum(u.astype(int), n_column - 2)
    j = jnp.minimum(v.astype(int), n_row - 2)
    s, t = u - i, v - j
    flat = jnp.asarray(table).reshape(-1)
    at = j * n_column + i
    low = flat[at] * (1 - s) + flat[at + 1] * s
    high = flat[at + n_column] * (1 - s) + flat[at + n_column + 1] * s
    return low * (1 - t) + high * t


def tabulated(moments: NuclearDiscMoments) -> TabulatedDensity:
    """The density of the moment table."""
    return TabulatedDensity(float(moments.r[1] - moments.r[0]), np.log10(moments.density))


def exponential(
    name: str, x: Float[Array, "..."], y: Float[Array, "..."], z: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Double-exponential disc along the bar's axes."""
    mass, x0, y0, z0 = EXPONENTIAL[name]
    x_b, y_b = bar_axes(x, y)
    return mass / (4 * np.pi * x0 * y0 * z0) * jnp.exp(-jnp.hypot(x_b / x0, y_b / y0) - jnp.abs(z) / z0)


def sormani2020(r: Float[Array, "..."], z: Float[Array, "..."]) -> Float[Array, "..."]:
    """Profile of model 3 of Sormani et al. (2020, MNRAS 499, 7)."""
    m = jnp.hypot(r, z / 0.37)
    inner = 222.885 * jnp.exp(-((m / 5.0617) ** 0.7194))
    outer = 169.975 * jnp.exp(-((m / 24.6) ** 0.7933))
    return 0.9 * 10.0 * (inner + outer)  # 1e10 Msun/kpc^3 is 10 Msun/pc^3


def in_window(lon_deg: Float[Array, "..."], lat_deg: Float[Array, "..."]) -> Bool[Array, "..."]:
    """Where the reference program switches the disc on, by the centre of the cell [deg]."""
    return (jnp.abs(lon_deg) < WINDOW_LON_DEG) & (jnp.abs(lat_deg) < WINDOW_LAT_DEG)
