"""The Galaxy model put together."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from galcen.galaxy.components import NSD
from galcen.galaxy.density import Density
from galcen.galaxy.density.nuclear_disc import in_window
from galcen.galaxy.extinction import law as reddening_law
from galcen.galaxy.extinction.map import cell_centre_deg, cell_of, excess_in_cells, grid_centre_deg
from galcen.galaxy.extinction.outside import Outside, layer_end
from galcen.galaxy.extinction.profile import profile, profile_of_column
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
    outside: Outside | None = None  # extinction off the map; None: unknown


class Sightlines(eqx.Module):
    """What the model needs to know of a direction, gathered once."""

    lon: Float[Array, " n_star"]  # [rad]
    lat: Float[Array, " n_star"]  # [rad]
    cell_lon_deg: Float[Array, " n_star"]  # centre of the cell of the map, or of its grid off the map
    cell_lat_deg: Float[Array, " n_star"]
    # A(J, H, Ks) [mag] at the distance of the red clump; of the whole line of sight off the map.
    reddening: Float[Array, "3 n_star"]
    # Only where a direction is off the map, or a star's own extinction is given, else None.
    layer_end: Float[Array, " n_star"] | None = None  # where the dust ends off the map [pc]; NaN on it
    screen: Float[Array, " n_star"] | None = None  # where all extinction lies [pc]; NaN: along the line

    def take(self, rows: Int[np.ndarray, " n"]) -> "Sightlines":
        """Some of the lines."""
        return jax.tree.map(lambda column: np.asarray(column)[..., rows], self)


def sightlines(
    galaxy: Galaxy,
    lon_deg: Float[np.ndarray, " n_star"],
    lat_deg: Float[np.ndarray, " n_star"],
    a_ks: Float[np.ndarray, " n_star"] | None = None,
) -> Sightlines:
    """Directions of stars; the reddening is NaN where none is known.

    Parameters
    ----------
    galaxy
        The model with its map, and what it knows off the map.
    lon_deg, lat_deg
        Galactic coordinates [deg].
    a_ks
        Extinction of each star itself in Ks [mag], whatever its distance; NaN: that of its direction.
    """
    cell = cell_of(lon_deg, lat_deg, galaxy.reddening)
    excess = excess_in_cells(galaxy.reddening, cell, lon_deg, lat_deg, galaxy.sub_cells)
    cell_lon, cell_lat = cell_centre_deg(*cell, galaxy.reddening)
    ratio = reddening_law.law(galaxy.law, cell_lon, cell_lat)
    line = Sightlines(
        np.radians(lon_deg), np.radians(lat_deg), cell_lon, cell_lat, np.asarray(ratio) * np.asarray(excess)
    )
    own = np.full(len(lon_deg), np.nan) if a_ks is None else np.asarray(a_ks, dtype=float)
    off_map = cell[0] < 0
    if not off_map.any() and not np.isfinite(own).any():
        return line
    return _beside_the_map(galaxy, line, lon_deg, lat_deg, off_map, own)


def _beside_the_map(
    galaxy: Galaxy,
    line: Sightlines,
    lon_deg: Float[np.ndarray, " n_star"],
    lat_deg: Float[np.ndarray, " n_star"],
    off_map: Bool[np.ndarray, " n_star"],
    own: Float[np.ndarray, " n_star"],
) -> Sightlines:
    """The lines with the extinction of directions off the map, and of stars that bring their own."""
    grid_lon, grid_lat = grid_centre_deg(lon_deg, lat_deg, galaxy.reddening)
    has_own = np.isfinite(own)
    total = own.copy()
    screen = np.where(has_own, 0.0, np.nan)
    taken = off_map & ~has_own
    if galaxy.outside is not None:
        total[taken] = galaxy.outside.at(grid_lon[taken], grid_lat[taken])
        if galaxy.outside.screen is not None:
            screen[taken] = galaxy.outside.screen
    # Laws by quadrant are those of the bulge: off the map, their mean.
    ratio = np.asarray(
        reddening_law.law(galaxy.law, np.where(off_map, 0.0, grid_lon), np.where(off_map, 0.0, grid_lat))
    )
    reddening = np.where(off_map | has_own, ratio / ratio[2] * total, line.reddening)
    end = np.where(off_map, layer_end(grid_lon, grid_lat, galaxy.frame.sun_distance), np.nan)
    return Sightlines(line.lon, line.lat, grid_lon, grid_lat, reddening, end, screen)


def colour_excess(
    galaxy: Galaxy, lon_deg: Float[np.ndarray, " n_star"], lat_deg: Float[np.ndarray, " n_star"]
) -> Float[np.ndarray, " n_star"]:
    """E(J-Ks) [mag]: of the bulge on the map, of the whole line of sight off it; NaN where none is known."""
    cell = cell_of(lon_deg, lat_deg, galaxy.reddening)
    excess = excess_in_cells(galaxy.reddening, cell, lon_deg, lat_deg, galaxy.sub_cells)
    if galaxy.outside is None:
        return excess
    per_excess = float(reddening_law.law(galaxy.law, np.zeros(1), np.zeros(1))[2, 0])
    return np.where(cell[0] < 0, galaxy.outside.at(lon_deg, lat_deg) / per_excess, excess)


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
    if line.layer_end is not None:
        end = line.layer_end[:, None]
        column = profile_of_column(line.cell_lat_deg[:, None], end, dist)
        shape = jnp.where(jnp.isnan(end), shape, column)
    if line.screen is not None:
        screen = line.screen[:, None]
        shape = jnp.where(jnp.isnan(screen), shape, jnp.where(dist >= screen, 1.0, 0.0))
    return line.reddening[:, :, None] * jnp.asarray(shape)
