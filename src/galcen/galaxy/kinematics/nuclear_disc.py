"""Velocities of the nuclear stellar disc: moments of Sormani et al. (2022, MNRAS 512, 1857).

The azimuthal velocity of their model is skewed; a normal distribution is used.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from galcen.galaxy.density.nuclear_disc import bilinear
from galcen.galaxy.tables import NuclearDiscMoments


class Moments(eqx.Module):
    """v_phi, log10 of sigma_phi, sigma_R, sigma_z, and rho_Rz on a regular grid of R and |Z|."""

    step: float = eqx.field(static=True)  # [pc]
    values: Float[Array, "5 n_z n_r"]

    def __call__(self, r: Float[Array, "..."], z: Float[Array, "..."]) -> Float[Array, "5 ..."]:
        """v_phi, sigma_phi, sigma_R, sigma_z [km/s] and rho_Rz above the plane; clipped to the table."""
        u, v = r / self.step, jnp.abs(z) / self.step
        mean, log_phi, log_r, log_z, rho = (bilinear(table, u, v) for table in self.values)
        return jnp.stack([mean, 10.0**log_phi, 10.0**log_r, 10.0**log_z, rho])


def build_moments(table: NuclearDiscMoments) -> Moments:
    """The moments in the form in which they are interpolated."""
    values = [table.v_phi, *np.log10([table.sigma_phi, table.sigma_r, table.sigma_z]), table.rho_rz]
    return Moments(float(table.r[1] - table.r[0]), np.stack(values))
