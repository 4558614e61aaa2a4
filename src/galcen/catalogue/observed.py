"""From the positions of observed stars to the tiles that hold them."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Bool, Float, Int

from galcen.catalogue.tiling import (
    END_LAT,
    END_LON,
    FIRST_LAT,
    FIRST_LON,
    LAT_EDGE,
    LON_EDGE,
    N_LAT,
    N_LON,
    Tile,
)
from galcen.galaxy.extinction.map import cell_index

OUTSIDE = -1
"""Tile number of a star outside the footprint, and cell number of a star without position."""

Degrees = Float[np.ndarray, " n_star"]
Index = Int[np.ndarray, " n_star"]


def cell_indices(lon_deg: Degrees, lat_deg: Degrees) -> tuple[Index, Index]:
    """Indices of the cell that holds each direction, on the grid of the extinction map.

    Parameters
    ----------
    lon_deg, lat_deg
        Galactic coordinates [deg], longitudes from -180 to 180.
    """
    i_lon, i_lat = cell_index(lon_deg, LON_EDGE), cell_index(lat_deg, LAT_EDGE)
    # The last edges of the sphere belong to the cells beside them.
    return np.where(i_lon == END_LON, FIRST_LON, i_lon), np.where(i_lat == END_LAT, END_LAT - 1, i_lat)


def cell_number(lon_deg: Degrees, lat_deg: Degrees) -> Index:
    """Number of the cell that holds each direction, as `number_of_cell`; `OUTSIDE` without position."""
    i_lon, i_lat = cell_indices(lon_deg, lat_deg)
    on_map = (i_lon >= 0) & (i_lon < N_LON) & (i_lat >= 0) & (i_lat < N_LAT)
    off_map = N_LON * N_LAT + (END_LAT - FIRST_LAT) * (i_lon - FIRST_LON) + i_lat - FIRST_LAT
    known = np.isfinite(lon_deg) & np.isfinite(lat_deg)
    return np.where(known, np.where(on_map, N_LAT * i_lon + i_lat, off_map), OUTSIDE)


def is_on_map(cell: Index) -> Bool[np.ndarray, " n_star"]:
    """Whether cells, by their number, are those of the extinction map."""
    return (cell >= 0) & (cell < N_LON * N_LAT)


class TileGrid(NamedTuple):
    """Which tile holds each cell of a footprint."""

    first_lon: int
    first_lat: int
    number: Int[np.ndarray, "n_lon n_lat"]

    @classmethod
    def build(cls, tiles: Sequence[Tile]) -> Self:
        """The grid about some tiles; a cell that none of them has is `OUTSIDE`."""
        first_lon, first_lat = min(t.i_lon for t in tiles), min(t.i_lat for t in tiles)
        n_lon = max(t.i_lon + t.n_lon for t in tiles) - first_lon
        n_lat = max(t.i_lat + t.n_lat for t in tiles) - first_lat
        numbers = np.full((n_lon, n_lat), OUTSIDE, dtype=np.int32)
        for number, tile in enumerate(tiles):
            i, j = tile.i_lon - first_lon, tile.i_lat - first_lat
            numbers[i : i + tile.n_lon, j : j + tile.n_lat] = number
        return cls(first_lon, first_lat, numbers)

    def at(self, lon_deg: Degrees, lat_deg: Degrees) -> Index:
        """Number of the tile that holds each direction; `OUTSIDE` where none does."""
        i_lon, i_lat = cell_indices(lon_deg, lat_deg)
        i, j = i_lon - self.first_lon, i_lat - self.first_lat
        n_lon, n_lat = self.number.shape
        inside = (i >= 0) & (i < n_lon) & (j >= 0) & (j < n_lat)
        inside &= np.isfinite(lon_deg) & np.isfinite(lat_deg)
        return np.where(inside, self.number[np.where(inside, i, 0), np.where(inside, j, 0)], OUTSIDE)


def by_tile(
    place: Int[np.ndarray, " n_star"], source_id: Int[np.ndarray, " n_star"], n_tile: int
) -> list[Int[np.ndarray, " n_in_tile"]]:
    """Rows of the stars of each tile, by identifier; stars `OUTSIDE` are in none."""
    order = np.lexsort((source_id, place))
    edges = np.searchsorted(place[order], np.arange(n_tile + 1))
    return [order[low:high] for low, high in pairwise(edges)]
