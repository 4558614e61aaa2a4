"""The Galaxy model put together."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from galcen.galaxy.components import NSD
from galcen.galaxy.density import Density
from galcen.galaxy.density.nuclear_disc import in_window
from galcen.galaxy.extinction import law as reddening_law
from galcen.galaxy.extinction.map import cell_centre_deg, cell_of, excess_in_cells
from galcen.galaxy.extinction.profile import profile
from galcen.galaxy.frame import Frame, position
from galcen.galaxy.isochrones import Intervals
from galcen.galaxy.kinematics import Kinematics
from galcen.galaxy.normalisation import Normalisation
from galcen.galaxy.tables import ReddeningMap


class Galaxy(eqx.Module):
    """Densities, velocities, stars and extinction, with the choices a run has made."""

    frame: Frame
    density: Density
    normalisation: Normalisation
    kinematics: Kinematics
    intervals: Intervals
    reddening: ReddeningMap
    bar: str = eqx.field(static=True, default="E+E_X")  # its form, and the IMF that belongs to it
    law: str = eqx.field(static=True, default="WC19")
    sub_cells: bool = eqx.field(static=True, default=False)
    hw: str = eqx.field(static=True, default="HwA")
    # Nuclear disc only where the centre of the cell has |l| < 5 and |b| < 2 deg.
    nuclear_disc_window: bool = eqx.field(static=True, default=False)


class Sightlines(eqx.Module):
    """What the model needs to know of a direction, gathered once."""

    lon: Float[Array, " n_star"]  # [rad]
    lat: Float[Array, " n_star"]  # [rad]
    cell_lon_deg: Float[Array, " n_star"]  # centre of the cell of the map
    cell_lat_deg: Float[Array, " n_star"]
    reddening: Float[Array, "3 n_star"]  # A(J, H, Ks) at the distance of the red clump [mag]

    def take(self, rows: Int[np.ndarray, " n"]) -> "Sightlines":
        """Some of the lines."""
        return jax.tree.map(lambda column: np.asarray(column)[..., rows], self)


def sightlines(
    galaxy: Galaxy, lon_deg: Float[np.ndarray, " n_star"], lat_deg: Float[np.ndarray, " n_star"]
) -> Sightlines:
    """Directions of stars; the reddening is NaN off the map."""
    cell = cell_of(lon_deg, lat_deg, galaxy.reddening)
    excess = excess_in_cells(galaxy.reddening, cell, lon_deg, lat_deg, galaxy.sub_cells)
    cell_lon, cell_lat = cell_centre_deg(*cell, galaxy.reddening)
    ratio = reddening_law.law(galaxy.law, cell_lon, cell_lat)
    return Sightlines(
        np.radians(lon_deg), np.radians(lat_deg), cell_lon, cell_lat, np.asarray(ratio) * np.asarray(excess)
    )


def number_density(
    galaxy: Galaxy, line: Sightlines, dist: Float[Array, "n_star n_dist"]
) -> Float[Array, "12 n_star n_dist"]:
    """Living stars of each component per pc^3 along lines of sight."""
    x, y, z = position(galaxy.frame, line.lon[:, None], line.lat[:, None], dist)
    density = jnp.asarray(galaxy.normalisation.n_living)[:, None, None] * galaxy.density(x, y, z)
    if galaxy.nuclear_disc_window:
        inside = in_window(line.cell_lon_deg, line.cell_lat_deg)
        density = density.at[NSD].set(jnp.where(inside[:, None], density[NSD], 0.0))
    return density


@jax.jit
def extinction(line: Sightlines, dist: Float[Array, "n_star n_dist"]) -> Float[Array, "3 n_star n_dist"]:
    """A(J, H, Ks) [mag] along lines of sight."""
    shape = profile(line.cell_lon_deg[:, None], line.cell_lat_deg[:, None], dist)
    return line.reddening[:, :, None] * jnp.asarray(shape)
