"""Velocities of the nuclear stellar disc: moments of Sormani et al. (2022, MNRAS 512, 1857).

The azimuthal velocity of their model is skewed; a normal distribution is used.
"""

import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from galcen.compiled import compiled
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


def by_node(moments: Moments) -> Float[np.ndarray, "n_z n_r 5"]:
    """The five numbers of each node side by side, natural logarithms for those to ten."""
    ln_10 = math.log(10.0)
    scale = np.array([1.0, ln_10, ln_10, ln_10, 1.0])
    return np.ascontiguousarray(np.moveaxis(np.asarray(moments.values), 0, -1) * scale)


@compiled
def star_velocity(
    nodes: Float[np.ndarray, "n_z n_r 5"],
    step: float,
    correlation_sign: bool,
    r: float,
    z: float,
    score: tuple[float, float, float],
) -> tuple[float, float, float]:
    """v_phi, v_R, v_Z [km/s] of one star at standard normal scores.

    With `correlation_sign` the ellipsoid tilts the other way below the plane, by symmetry.
    """
    u = min(r / step, nodes.shape[1] - 1.0)
    v = min(abs(z) / step, nodes.shape[0] - 1.0)
    i, j = min(int(u), nodes.shape[1] - 2), min(int(v), nodes.shape[0] - 2)
    s, t = u - i, v - j
    mean, rho = _at(nodes, i, j, s, t, 0), _at(nodes, i, j, s, t, 4)
    s_phi, s_r, s_z = (
        math.exp(_at(nodes, i, j, s, t, 1)),
        math.exp(_at(nodes, i, j, s, t, 2)),
        math.exp(_at(nodes, i, j, s, t, 3)),
    )
    if correlation_sign:
        rho *= np.sign(z)
    v_z = s_z * (rho * score[1] + math.sqrt(1 - rho * rho) * score[2])
    return mean + s_phi * score[0], s_r * score[1], v_z


@compiled
def _at(nodes: Float[np.ndarray, "n_z n_r 5"], i: int, j: int, s: float, t: float, k: int) -> float:
    low = nodes[j, i, k] * (1 - s) + nodes[j, i + 1, k] * s
    high = nodes[j + 1, i, k] * (1 - s) + nodes[j + 1, i + 1, k] * s
    return low * (1 - t) + high * t
