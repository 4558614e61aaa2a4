"""Velocities of catalogue stars: drawn from their component where they are."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from galcen.galaxy.frame import position
from galcen.galaxy.kinematics import draw_velocity
from galcen.galaxy.model import Galaxy
from galcen.galaxy.observables import icrs_proper_motion, observables
from galcen.random import keys

BATCH = 4096


class PhaseSpace(NamedTuple):
    """Where stars are and how they move."""

    position: Float[np.ndarray, "3 n_star"]  # right-handed, from Sgr A* [pc]
    velocity: Float[np.ndarray, "3 n_star"]  # right-handed, Galactocentric [km/s]
    pml: Float[np.ndarray, " n_star"]  # [mas/yr], times cos b
    pmb: Float[np.ndarray, " n_star"]
    pmra: Float[np.ndarray, " n_star"]
    pmdec: Float[np.ndarray, " n_star"]
    radial_velocity: Float[np.ndarray, " n_star"]  # [km/s]


def phase_space(
    galaxy: Galaxy,
    root: Key[Array, ""],
    source_id: Int[np.ndarray, " n_star"],
    comp: Int[np.ndarray, " n_star"],
    lon: Float[np.ndarray, " n_star"],
    lat: Float[np.ndarray, " n_star"],
    dist: Float[np.ndarray, " n_star"],
) -> PhaseSpace:
    """Draw a velocity for each star, in batches of one size; angles in rad."""
    columns = (source_id, comp, lon, lat, dist)
    n = len(source_id)
    parts = []
    for start in range(0, max(n, 1), BATCH):
        batch = [
            np.pad(c[start : start + BATCH], (0, max(0, start + BATCH - n)), mode="constant") for c in columns
        ]
        # Padding sits at the centre of the first star's component, 8 kpc away: any place will do.
        batch[4] = np.where(batch[4] > 0, batch[4], 8000.0)
        parts.append(
            [np.asarray(x)[..., : n - start] for x in _kernel(galaxy, root, *map(jnp.asarray, batch))]
        )
    return PhaseSpace(*(np.concatenate(column, axis=-1) for column in zip(*parts, strict=True)))


@eqx.filter_jit
def _kernel(
    galaxy: Galaxy,
    root: Key[Array, ""],
    source_id: Int[Array, " n"],
    comp: Int[Array, " n"],
    lon: Float[Array, " n"],
    lat: Float[Array, " n"],
    dist: Float[Array, " n"],
) -> tuple[Array, ...]:
    x, y, z = position(galaxy.frame, lon, lat, dist)
    velocity = draw_velocity(galaxy.kinematics, keys(root, source_id), comp, x, y, z)
    pml, pmb, v_los = observables(galaxy.frame, lon, lat, dist, velocity)
    pmra, pmdec = icrs_proper_motion(lon, lat, pml, pmb)
    # The model frame is left-handed: its X points at the Sun.
    right_handed = jnp.array([-1.0, 1.0, 1.0])[:, None]
    return jnp.stack([x, y, z]) * right_handed, velocity * right_handed, pml, pmb, pmra, pmdec, v_los
