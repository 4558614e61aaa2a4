"""Masses and model magnitudes of stars whose class and distance are drawn."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from galcen.catalogue.likelihood import Pieces
from galcen.catalogue.posterior import Data
from galcen.catalogue.sampling import MassTables, draw_mass
from galcen.galaxy.model import Galaxy, extinction, sightlines
from galcen.galaxy.photometry import distance_modulus
from galcen.random import keys

BATCH = 256


class StarValues(NamedTuple):
    """What a star is at its drawn class and distance."""

    mass_ini: Float[np.ndarray, " n_star"]  # [Msun]
    mass: Float[np.ndarray, " n_star"]
    mag: Float[np.ndarray, "3 n_star"]  # apparent J, H, Ks of the model star
    extinction: Float[np.ndarray, "3 n_star"]


def draw_values(
    galaxy: Galaxy,
    error_floor: float,
    root: Key[Array, ""],
    source_id: Int[np.ndarray, " n_star"],
    data: Data,
    lon_deg: Float[np.ndarray, " n_star"],
    lat_deg: Float[np.ndarray, " n_star"],
    comp: Int[np.ndarray, " n_star"],
    dist: Float[np.ndarray, " n_star"],
) -> StarValues:
    """Draw the mass of each star given its class and distance [pc] and its photometry."""
    tables = MassTables.build(Pieces.build(galaxy.intervals, error_floor))
    line = sightlines(galaxy, lon_deg, lat_deg)
    n = len(source_id)
    parts = []
    for start in range(0, max(n, 1), BATCH):
        rows = np.arange(start, start + BATCH)
        rows = np.where(rows < n, rows, 0) if n else np.zeros(0, dtype=int)
        if not len(rows):
            return StarValues(np.empty(0), np.empty(0), np.empty((3, 0)), np.empty((3, 0)))
        here = dist[rows][:, None]
        picked = type(line)(
            line.lon[rows],
            line.lat[rows],
            line.cell_lon_deg[rows],
            line.cell_lat_deg[rows],
            line.reddening[:, rows],
        )
        absorption = np.asarray(extinction(picked, here))[:, :, 0]
        shift = absorption + np.asarray(distance_modulus(here))[:, 0]
        mass_ini, mass, absolute = draw_mass(
            tables,
            keys(root, jnp.asarray(source_id[rows])),
            jnp.asarray(comp[rows]),
            jnp.asarray(data.mag[:, rows] - shift),
            jnp.asarray(data.inverse_error[:, rows]),
        )
        columns = mass_ini, mass, np.asarray(absolute) + shift, absorption
        parts.append([np.asarray(column)[..., : n - start] for column in columns])
    return StarValues(*(np.concatenate(column, axis=-1) for column in zip(*parts, strict=True)))
