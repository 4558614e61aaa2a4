"""Quantiles of the discs' azimuthal velocities themselves, where `disc` tabulates those of R_g / R.

A likelihood needs all quantiles of a place at once, and at many places: here they lie side by side.
"""

from typing import NamedTuple, Self

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from galcen.galaxy.kinematics.disc import R_GRID, SCORES, Z_GRID, ShuTable, azimuthal_velocity

# Inside 500 pc, where R_g / R is frozen, v_phi still follows the rotation curve; beyond the table of R_g / R
# as far as that curve goes.
R_NODES = np.concatenate([np.arange(0.0, 500.0, 20.0), R_GRID, np.arange(13000.0, 26000.0, 1000.0)])  # [pc]
Z_NODES = Z_GRID


class DiscVelocities(NamedTuple):
    """Quantiles of v_phi [km/s] at the standard normal scores `disc.SCORES`, bilinear in R and |Z|."""

    r: Float[np.ndarray, " n_r"]  # [pc]
    z: Float[np.ndarray, " n_z"]
    v_phi: Float[np.ndarray, "8 n_r n_z n_score"]
    v_phi_second: Float[np.ndarray, "8 n_r n_z n_second"]  # at every second score

    @classmethod
    def build(cls, shu: ShuTable) -> Self:
        """Tabulate the quantiles."""
        r, z = (g.ravel() for g in np.meshgrid(R_NODES, Z_NODES, indexing="ij"))
        score = jnp.broadcast_to(jnp.asarray(SCORES)[:, None], (len(SCORES), len(r)))
        v_phi = [
            np.asarray(azimuthal_velocity(shu, jnp.full(len(r), i), jnp.asarray(r), jnp.asarray(z), score))
            for i in range(8)
        ]
        shape = (8, len(SCORES), len(R_NODES), len(Z_NODES))
        table = np.moveaxis(np.stack(v_phi).reshape(shape), 1, -1)
        return cls(R_NODES, Z_NODES, np.ascontiguousarray(table), np.ascontiguousarray(table[..., ::2]))
