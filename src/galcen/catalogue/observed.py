"""From the positions of observed stars to the tiles that hold them."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from galcen.catalogue.tiling import LAT_EDGE, LON_EDGE, N_LAT, N_LON, Tile
from galcen.galaxy.extinction.map import cell_index

OUTSIDE = -1
"""Tile number of a cell outside the footprint, and cell number of a star off the map."""


def cell_number(
    lon_deg: Float[np.ndarray, " n_star"], lat_deg: Float[np.ndarray, " n_star"]
) -> Int[np.ndarray, " n_star"]:
    """Cell of the extinction map, 580 i_lon + i_lat; `OUTSIDE` off the map.

    Parameters
    ----------
    lon_deg, lat_deg
        Galactic coordinates [deg], longitudes from -180 to 180.
    """
    i_lon, i_lat = cell_index(lon_deg, LON_EDGE), cell_index(lat_deg, LAT_EDGE)
    on_map = (i_lon >= 0) & (i_lon < N_LON) & (i_lat >= 0) & (i_lat < N_LAT)
    return np.where(on_map, N_LAT * i_lon + i_lat, OUTSIDE)


def tile_of_cell(tiles: Sequence[Tile]) -> Int[np.ndarray, " n_cell"]:
    """Number of the tile that holds each cell of the map; `OUTSIDE` where none does."""
    numbers = np.full((N_LON, N_LAT), OUTSIDE)
    for number, tile in enumerate(tiles):
        numbers[tile.i_lon : tile.i_lon + tile.n_lon, tile.i_lat : tile.i_lat + tile.n_lat] = number
    return numbers.ravel()


def by_tile(
    place: Int[np.ndarray, " n_star"], source_id: Int[np.ndarray, " n_star"], n_tile: int
) -> list[Int[np.ndarray, " n_in_tile"]]:
    """Rows of the stars of each tile, by identifier; stars `OUTSIDE` are in none."""
    order = np.lexsort((source_id, place))
    edges = np.searchsorted(place[order], np.arange(n_tile + 1))
    return [order[low:high] for low, high in pairwise(edges)]
