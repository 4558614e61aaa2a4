"""Extinction off the map of the bulge: what is known of it, by direction, and where it lies.

It is the whole extinction of a direction, and lies either in the map's plane-parallel layer of dust, which
ends where the line of sight leaves the Galaxy's dust, or all at one distance (a screen).
"""

import equinox as eqx
import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree

DUST_RADIUS = 15000.0
"""Where the layer ends, from the Galactic centre [pc]: beyond 12.5 kpc the gas falls off steeply (Kalberla &
Kerp 2009, ARA&A 47, 27). Without an end a layer seen edge-on would have no total."""

REACH_DEG = 1.0
"""A direction takes the value of the nearest one of a table, which may be as far away as this [deg]."""

ANYWHERE_DEG = 180.0

Degrees = Float[np.ndarray, " n_star"]


class Outside(eqx.Module):
    """Extinction of directions off the map."""

    lon_deg: Float[np.ndarray, " n_point"]
    lat_deg: Float[np.ndarray, " n_point"]
    a_ks: Float[np.ndarray, " n_point"]  # of the whole line of sight [mag]
    reach_deg: float = eqx.field(static=True, default=REACH_DEG)
    screen: float | None = eqx.field(static=True, default=None)  # distance of all of it [pc]; None: a layer

    @classmethod
    def everywhere(cls, a_ks: float, screen: float | None = None) -> "Outside":
        """One value for all directions."""
        return cls(np.zeros(1), np.zeros(1), np.array([a_ks]), ANYWHERE_DEG, screen)

    def at(self, lon_deg: Degrees, lat_deg: Degrees) -> Degrees:
        """A_Ks [mag] of directions; NaN where no point is near enough."""
        if not len(lon_deg):
            return np.empty(0)
        chord, nearest = cKDTree(_unit(self.lon_deg, self.lat_deg)).query(_unit(lon_deg, lat_deg))
        reach = 2 * np.sin(np.radians(self.reach_deg) / 2)
        return np.where(chord <= reach + 1e-12, np.asarray(self.a_ks)[nearest], np.nan)


def _unit(lon_deg: Degrees, lat_deg: Degrees) -> Float[np.ndarray, "n_star 3"]:
    lon, lat = np.radians(np.asarray(lon_deg, dtype=float)), np.radians(np.asarray(lat_deg, dtype=float))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


def layer_end(lon_deg: Degrees, lat_deg: Degrees, sun_distance: float) -> Degrees:
    """Distance [pc] at which a line of sight leaves the cylinder of `DUST_RADIUS` about the centre."""
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    across = sun_distance * np.sin(lon)
    along = sun_distance * np.cos(lon) + np.sqrt(DUST_RADIUS**2 - across**2)
    return along / np.maximum(np.cos(lat), 1e-6)
