"""Velocities of catalogue stars: drawn from their component where they are."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from galcen.galaxy.frame import Frame, position
from galcen.galaxy.kinematics import VelocityTable, draw_velocity
from galcen.galaxy.model import Galaxy
from galcen.galaxy.observables import icrs_proper_motion, observables

BATCH = 16384


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
    table, n = VelocityTable.build(galaxy.kinematics), len(source_id)
    source_id, comp = np.asarray(source_id, dtype=np.int64), np.asarray(comp, dtype=np.int64)
    out = np.empty((11, n))
    for start in range(0, n, BATCH):
        rows = slice(start, start + BATCH)
        there = [_padded(column[rows]) for column in (lon, lat, dist)]
        size = len(comp[rows])
        place = np.asarray(_positions(galaxy.frame, *there))
        velocity = np.zeros(place.shape)
        velocity[:, :size] = draw_velocity(table, root, source_id[rows], comp[rows], place[:, :size])
        out[:3, rows] = place[:, :size]
        out[3:6, rows] = velocity[:, :size]
        out[6:, rows] = np.asarray(_motions(galaxy.frame, *there, velocity))[:, :size]
    # The model frame is left-handed: its X points at the Sun.
    out[[0, 3]] *= -1.0
    return PhaseSpace(out[:3], out[3:6], *out[6:])


def _padded(column: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n_batch"]:
    """A column of one length, so that it is compiled for once; its last number is repeated."""
    return np.pad(column, (0, BATCH - len(column)), mode="edge")


@eqx.filter_jit
def _positions(
    frame: Frame, lon: Float[Array, " n"], lat: Float[Array, " n"], dist: Float[Array, " n"]
) -> Float[Array, "3 n"]:
    return jnp.stack(position(frame, lon, lat, dist))


@eqx.filter_jit
def _motions(
    frame: Frame,
    lon: Float[Array, " n"],
    lat: Float[Array, " n"],
    dist: Float[Array, " n"],
    velocity: Float[Array, "3 n"],
) -> Float[Array, "5 n"]:
    """pml, pmb, pmra, pmdec [mas/yr] and radial velocity [km/s]."""
    pml, pmb, v_los = observables(frame, lon, lat, dist, velocity)
    return jnp.stack([pml, pmb, *icrs_proper_motion(lon, lat, pml, pmb), v_los])
