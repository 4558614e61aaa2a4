"""Every direction on the map is in one cell, every cell of the footprint in one tile."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from galcen.catalogue.observed import OUTSIDE, by_tile, cell_number, tile_of_cell
from galcen.catalogue.tiling import cells, tiles_of


def one(lon: float, lat: float) -> int:
    return int(cell_number(np.array([lon]), np.array([lat]))[0])


@given(i_lon=st.integers(0, 759), i_lat=st.integers(0, 579), off=st.floats(-0.01249, 0.01249))
def test_a_cell_holds_the_directions_about_its_centre(i_lon, i_lat, off):
    """Centres are at -9.4875 + 0.025 i, -9.9875 + 0.025 j deg."""
    assert one(-9.4875 + 0.025 * i_lon + off, -9.9875 + 0.025 * i_lat - off) == 580 * i_lon + i_lat


@pytest.mark.parametrize(
    ("lon", "lat"),
    [(9.5001, 0), (-9.5001, 0), (0, 4.5001), (0, -10.0001), (180, 0), (-180, 0), (0, 90), (np.nan, 0)],
)
def test_directions_off_the_map_are_in_no_cell(lon, lat):
    assert one(lon, lat) == OUTSIDE


@pytest.mark.parametrize("side", [1, 3, 8])
def test_the_cells_of_a_tile_are_those_it_lists(side):
    """Against the tile's own list; all other cells are outside."""
    footprint = {"l_min": -0.2, "l_max": 0.13, "b_min": -0.1, "b_max": 0.2}
    tiles = tiles_of(footprint, {"cells_per_side": side})
    numbers = tile_of_cell(tiles)
    expected = np.full(760 * 580, OUTSIDE)
    for number, tile in enumerate(tiles):
        for cell in cells(tile):
            expected[one(cell.lon_deg, cell.lat_deg)] = number
    np.testing.assert_array_equal(numbers, expected)


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 2**53 - 1)), unique_by=lambda star: star[1]))
def test_stars_are_sorted_by_identifier_in_their_tile(star):
    """Every star inside stands once, in its tile; those outside nowhere."""
    place = np.array([p for p, _ in star], dtype=int)
    source_id = np.array([s for _, s in star], dtype=np.int64)
    rows = by_tile(place, source_id, 5)
    assert len(rows) == 5
    for number, mine in enumerate(rows):
        assert source_id[mine].tolist() == sorted(s for p, s in star if p == number)
