"""Every direction on the map is in one cell, every cell of the footprint in one tile."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from galcen.catalogue.observed import OUTSIDE, TileGrid, by_tile, cell_number, is_on_map
from galcen.catalogue.tiling import cells, number_of_cell, tile_named, tiles_of
from galcen.errors import ConfigError


def one(lon: float, lat: float) -> int:
    return int(cell_number(np.array([lon]), np.array([lat]))[0])


@given(i_lon=st.integers(0, 759), i_lat=st.integers(0, 579), off=st.floats(-0.01249, 0.01249))
def test_a_cell_holds_the_directions_about_its_centre(i_lon, i_lat, off):
    """Centres are at -9.4875 + 0.025 i, -9.9875 + 0.025 j deg."""
    assert one(-9.4875 + 0.025 * i_lon + off, -9.9875 + 0.025 * i_lat - off) == 580 * i_lon + i_lat


@pytest.mark.parametrize(
    ("lon", "lat"),
    [(9.5001, 0), (-9.5001, 0), (0, 4.5001), (0, -10.0001), (180, 0), (-180, 0), (0, 90), (69.2, -90)],
)
def test_directions_off_the_map_are_in_cells_of_their_own(lon, lat):
    """Above the numbers of the map, and with those numbers the 24 bits of a star's fit below 2^53."""
    number = one(lon, lat)
    assert 760 * 580 <= number < 2**29
    assert not is_on_map(np.array([number]))[0]


def test_no_two_cells_of_the_sphere_have_one_number():
    """On a lattice of cells all over the sphere, the rim of the map included; both ways to count agree."""
    i_lon = np.unique(np.concatenate([np.arange(-6820, 7580, 37), [-1, 0, 1, 759, 760, 7579]]))
    i_lat = np.unique(np.concatenate([np.arange(-3200, 4000, 37), [-1, 0, 1, 579, 580, 3999]]))
    i, j = (index.ravel() for index in np.meshgrid(i_lon, i_lat))
    numbers = cell_number(-9.4875 + 0.025 * i, -9.9875 + 0.025 * j)
    assert len(np.unique(numbers)) == len(numbers)
    for k in range(0, len(numbers), 997):
        assert numbers[k] == number_of_cell(int(i[k]), int(j[k]))


def test_a_star_without_position_is_in_no_cell():
    assert one(np.nan, 0) == one(0, np.nan) == OUTSIDE


def test_the_two_ends_of_longitude_are_one_place():
    assert one(180.0, 10.0) == one(-180.0, 10.0)


@pytest.mark.parametrize("side", [1, 3, 8])
def test_the_cells_of_a_tile_are_those_it_lists(side):
    """Against the tile's own list; all other cells are outside."""
    footprint = {"l_min": -0.2, "l_max": 0.13, "b_min": -0.1, "b_max": 0.2}
    tiles = tiles_of(footprint, {"cells_per_side": side})
    lon, lat = (
        angle.ravel() for angle in np.meshgrid(np.arange(-0.5, 0.5, 0.0125), np.arange(-0.4, 0.6, 0.0125))
    )
    found = dict(
        zip(zip(lon.tolist(), lat.tolist(), strict=True), TileGrid.build(tiles).at(lon, lat), strict=True)
    )
    expected = {one(c.lon_deg, c.lat_deg): n for n, tile in enumerate(tiles) for c in cells(tile)}
    assert {number for number in found.values()} == {OUTSIDE, *range(len(tiles))}
    for place, number in found.items():
        assert number == expected.get(one(*place), OUTSIDE)


@pytest.mark.parametrize(
    ("footprint", "name"),
    [
        ({"l_min": 68.0, "l_max": 70.0, "b_min": 9.0, "b_max": 11.0}, "s09920_3960"),
        ({"l_min": -180.0, "l_max": -179.9, "b_min": -90.0, "b_max": -89.9}, "s00000_0000"),
        ({"l_min": 9.4, "l_max": 9.6, "b_min": 0.0, "b_max": 0.1}, "t756_400"),
        ({"l_min": -9.6, "l_max": -9.4, "b_min": 0.0, "b_max": 0.1}, "s06816_3600"),
    ],
)
def test_tiles_off_the_map_have_names_of_their_own(footprint, name):
    """The cell of the south-western corner, counted from l = -180, b = -90 deg; those of the map stay."""
    tiles = tiles_of(footprint, {"cells_per_side": 8})
    assert tiles[0].name == name
    assert len({tile.name for tile in tiles}) == len(tiles)
    assert tile_named(name, footprint, {"cells_per_side": 8}) == tiles[0]
    bounds = np.array([tile.bounds for tile in tiles])
    edges = (footprint["l_min"], footprint["l_max"], footprint["b_min"], footprint["b_max"])
    np.testing.assert_allclose(
        (bounds[:, 0].min(), bounds[:, 1].max(), bounds[:, 2].min(), bounds[:, 3].max()), edges, atol=1e-9
    )


def test_a_footprint_of_too_many_tiles_is_refused():
    sphere = {"l_min": -180.0, "l_max": 180.0, "b_min": -90.0, "b_max": 90.0}
    with pytest.raises(ConfigError, match="1,620,000 tiles"):
        tiles_of(sphere, {"cells_per_side": 8})


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 2**53 - 1)), unique_by=lambda star: star[1]))
def test_stars_are_sorted_by_identifier_in_their_tile(star):
    """Every star inside stands once, in its tile; those outside nowhere."""
    place = np.array([p for p, _ in star], dtype=int)
    source_id = np.array([s for _, s in star], dtype=np.int64)
    rows = by_tile(place, source_id, 5)
    assert len(rows) == 5
    for number, mine in enumerate(rows):
        assert source_id[mine].tolist() == sorted(s for p, s in star if p == number)
