"""Cells of the reddening map and the colour excess of a direction."""

import numpy as np
from jaxtyping import Float, Int

from galcen.galaxy.tables import CELL_DEG, ReddeningMap

EDGE_TOLERANCE_DEG = 1e-10
"""A star this close below the edge of a cell belongs to the cell above it."""

Degrees = Float[np.ndarray, " n_star"]
Index = Int[np.ndarray, " n_star"]


def cell_index(angle_deg: Degrees, edge_deg: float) -> Index:
    """Index along one axis of the cell that holds an angle; not bounded to the map."""
    scaled = (np.asarray(angle_deg, dtype=float) - edge_deg + EDGE_TOLERANCE_DEG) / CELL_DEG
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(scaled), np.floor(scaled), -1).astype(int)


def cell_of(lon_deg: Degrees, lat_deg: Degrees, reddening: ReddeningMap) -> tuple[Index, Index]:
    """Indices of the cell that holds each direction; -1, -1 off the map."""
    lon_deg = (np.asarray(lon_deg, dtype=float) + 180.0) % 360.0 - 180.0
    i_lon = cell_index(lon_deg, reddening.lon_first_deg - CELL_DEG / 2)
    i_lat = cell_index(lat_deg, reddening.lat_first_deg - CELL_DEG / 2)
    n_lon, n_lat = reddening.mean.shape
    inside = (i_lon >= 0) & (i_lon < n_lon) & (i_lat >= 0) & (i_lat < n_lat)
    return np.where(inside, i_lon, -1), np.where(inside, i_lat, -1)


def cell_centre_deg(i_lon: Index, i_lat: Index, reddening: ReddeningMap) -> tuple[Degrees, Degrees]:
    """Galactic coordinates [deg] of the centres of cells; NaN for index -1."""
    # Rounded to the map's own digits, so that the centre is the same number everywhere.
    lon = np.round(reddening.lon_first_deg + CELL_DEG * np.asarray(i_lon), 4)
    lat = np.round(reddening.lat_first_deg + CELL_DEG * np.asarray(i_lat), 4)
    off = (np.asarray(i_lon) < 0) | (np.asarray(i_lat) < 0)
    return np.where(off, np.nan, lon), np.where(off, np.nan, lat)


def grid_centre_deg(lon_deg: Degrees, lat_deg: Degrees, reddening: ReddeningMap) -> tuple[Degrees, Degrees]:
    """Centres [deg] of the cells that hold directions, on the grid of the map carried on over the sphere."""
    wrapped = (np.asarray(lon_deg, dtype=float) + 180.0) % 360.0 - 180.0
    i_lon = cell_index(wrapped, reddening.lon_first_deg - CELL_DEG / 2)
    i_lat = cell_index(lat_deg, reddening.lat_first_deg - CELL_DEG / 2)
    lon = np.round(reddening.lon_first_deg + CELL_DEG * i_lon, 4)
    return lon, np.round(reddening.lat_first_deg + CELL_DEG * i_lat, 4)


def colour_excess(
    reddening: ReddeningMap, lon_deg: Degrees, lat_deg: Degrees, sub_cells: bool = False
) -> Degrees:
    """E(J-Ks) [mag] at the bulge: the mean of the cell, or its 0.005 deg sub-cell where there is one."""
    return excess_in_cells(reddening, cell_of(lon_deg, lat_deg, reddening), lon_deg, lat_deg, sub_cells)


def excess_in_cells(
    reddening: ReddeningMap, cell: tuple[Index, Index], lon_deg: Degrees, lat_deg: Degrees, sub_cells: bool
) -> Degrees:
    """The same where the cells of the directions are known."""
    i_lon, i_lat = cell
    off = i_lon < 0
    mean = np.where(off, np.nan, reddening.mean[i_lon, i_lat])
    if not sub_cells:
        return mean
    row = reddening.sub_index[i_lon, i_lat]
    centre = cell_centre_deg(i_lon, i_lat, reddening)
    wrapped = (np.asarray(lon_deg) + 180.0) % 360.0 - 180.0
    with np.errstate(invalid="ignore"):
        within = [
            np.clip(np.nan_to_num((angle - c) / CELL_DEG + 0.5 + EDGE_TOLERANCE_DEG) * 5, 0, 4).astype(int)
            for angle, c in zip((wrapped, np.asarray(lat_deg)), centre, strict=True)
        ]
    fine = reddening.sub_cells[row, within[0], within[1]]
    return np.where((row < 0) | off, mean, fine)
