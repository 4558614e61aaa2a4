"""Masses and model magnitudes of stars whose class and distance are drawn."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int, Key

from galcen.catalogue.likelihood import Pieces
from galcen.catalogue.mass import MassTable, draw_mass
from galcen.catalogue.posterior import Data
from galcen.catalogue.sampling import uniform_numbers
from galcen.galaxy.model import Galaxy, extinction, sightlines
from galcen.galaxy.photometry import distance_modulus


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
    table = MassTable.build(Pieces.build(galaxy.intervals, error_floor))
    line = sightlines(galaxy, lon_deg, lat_deg)
    here = dist[:, None]
    absorption = np.asarray(extinction(line, here))[:, :, 0]
    shift = absorption + np.asarray(distance_modulus(here))[:, 0]
    mass_ini, mass, absolute = draw_mass(
        table, uniform_numbers(root, source_id, 1)[:, :, 0], comp, data.mag - shift, data.inverse_error
    )
    return StarValues(mass_ini, mass, absolute + shift, absorption)
