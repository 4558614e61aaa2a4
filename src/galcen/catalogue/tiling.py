"""Cells of the sky, cut into tiles: the units of physics and of work.

Cells are those of the extinction map, whose grid of Galactic coordinates is carried on over the whole sphere:
the indices of cells off the map are negative, or above those of the map.

Pure Python: the workflow reads it each time it is parsed.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from galcen.errors import ConfigError

CELL_DEG = 0.025
N_LON, N_LAT = 760, 580
LON_EDGE, LAT_EDGE = -9.5, -10.0  # outer edge of the first cell of the map [deg]
TOLERANCE = 1e-10

FIRST_LON, END_LON = -6820, 7580  # cells of the sphere, from -180 to 180 deg
FIRST_LAT, END_LAT = -3200, 4000  # from -90 to 90 deg
MOST_TILES = 50_000
"""More jobs than this no workflow can plan; the whole map has 6,935 tiles of the default size."""


def is_on_map(i_lon: int, i_lat: int) -> bool:
    """Whether a cell is one of the extinction map."""
    return 0 <= i_lon < N_LON and 0 <= i_lat < N_LAT


def number_of_cell(i_lon: int, i_lat: int) -> int:
    """Number of a cell, unique on the sphere: 580 i_lon + i_lat on the map, and what follows on off it."""
    if is_on_map(i_lon, i_lat):
        return N_LAT * i_lon + i_lat
    return N_LON * N_LAT + (END_LAT - FIRST_LAT) * (i_lon - FIRST_LON) + i_lat - FIRST_LAT


class Tile(NamedTuple):
    """A rectangle of cells, by the map indices of its first cell."""

    i_lon: int
    i_lat: int
    n_lon: int
    n_lat: int

    @property
    def name(self) -> str:
        """Name of the tile in files and logs: the indices of its first cell.

        Where that is off the map they are counted from l = -180, b = -90 deg.
        """
        if is_on_map(self.i_lon, self.i_lat):
            return f"t{self.i_lon:03d}_{self.i_lat:03d}"
        return f"s{self.i_lon - FIRST_LON:05d}_{self.i_lat - FIRST_LAT:04d}"

    @property
    def n_cell(self) -> int:
        """Number of cells."""
        return self.n_lon * self.n_lat

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """l_min, l_max, b_min, b_max [deg]."""
        return (
            round(LON_EDGE + CELL_DEG * self.i_lon, 6),
            round(LON_EDGE + CELL_DEG * (self.i_lon + self.n_lon), 6),
            round(LAT_EDGE + CELL_DEG * self.i_lat, 6),
            round(LAT_EDGE + CELL_DEG * (self.i_lat + self.n_lat), 6),
        )


class Cell(NamedTuple):
    """One cell: its map indices and its centre [deg]."""

    i_lon: int
    i_lat: int
    lon_deg: float
    lat_deg: float

    @property
    def number(self) -> int:
        """Its number on the sphere."""
        return number_of_cell(self.i_lon, self.i_lat)


def _range(low: float, high: float, edge: float, limits: tuple[int, int]) -> range:
    """Cells whose centre lies between two angles."""
    first = max(limits[0], -int(-((low - edge) / CELL_DEG - 0.5 - TOLERANCE) // 1))
    last = min(limits[1] - 1, int(((high - edge) / CELL_DEG - 0.5 + TOLERANCE) // 1))
    return range(first, last + 1)


def tiles_of(footprint: dict[str, Any], tiling: dict[str, Any]) -> tuple[Tile, ...]:
    """Tiles of a footprint, from its south-western corner; the last ones may be smaller.

    Raises
    ------
    ConfigError
        No cell has its centre inside the footprint, or it has too many tiles.
    """
    lon = _range(footprint["l_min"], footprint["l_max"], LON_EDGE, (FIRST_LON, END_LON))
    lat = _range(footprint["b_min"], footprint["b_max"], LAT_EDGE, (FIRST_LAT, END_LAT))
    if not lon or not lat:
        raise ConfigError(
            f"footprint: no cell of {CELL_DEG} deg has its centre inside {footprint}; make it larger"
        )
    side = tiling["cells_per_side"]
    n_tile = -(-len(lon) // side) * -(-len(lat) // side)
    if n_tile > MOST_TILES:
        raise ConfigError(
            f"footprint: it has {n_tile:,} tiles of {side} x {side} cells, more than {MOST_TILES:,}; make it "
            "smaller, or tiling.cells_per_side larger"
        )
    return tuple(
        Tile(i, j, min(side, lon.stop - i), min(side, lat.stop - j))
        for i in range(lon.start, lon.stop, side)
        for j in range(lat.start, lat.stop, side)
    )


def with_neighbours(tiles: Iterable[Tile], tiling: dict[str, Any]) -> dict[str, tuple[Tile, ...]]:
    """Each tile with those that touch it, by its name."""
    side = tiling["cells_per_side"]
    at = {(tile.i_lon, tile.i_lat): tile for tile in tiles}
    steps = [(i, j) for i in (-side, 0, side) for j in (-side, 0, side)]
    return {
        tile.name: tuple(at[place] for i, j in steps if (place := (tile.i_lon + i, tile.i_lat + j)) in at)
        for tile in at.values()
    }


def tile_named(name: str, footprint: dict[str, Any], tiling: dict[str, Any]) -> Tile:
    """One tile of a footprint.

    Raises
    ------
    ConfigError
        The footprint has no tile of that name.
    """
    tiles = {tile.name: tile for tile in tiles_of(footprint, tiling)}
    if name not in tiles:
        raise ConfigError(f"no tile {name}; `galcen tiles` lists the {len(tiles)} of this footprint")
    return tiles[name]


def cells(tile: Tile) -> Iterator[Cell]:
    """Cells of a tile."""
    for i in range(tile.i_lon, tile.i_lon + tile.n_lon):
        for j in range(tile.i_lat, tile.i_lat + tile.n_lat):
            lon = round(LON_EDGE + CELL_DEG * (i + 0.5), 4)
            lat = round(LAT_EDGE + CELL_DEG * (j + 0.5), 4)
            yield Cell(i, j, lon, lat)
