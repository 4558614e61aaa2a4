"""Stars drawn from the model: numbers, magnitudes and independence of the tiling."""

import numpy as np
import pytest

from galcen import config
from galcen.catalogue.forward import Window
from galcen.catalogue.tiling import Tile, cells, tiles_of
from galcen.errors import ConfigError
from galcen.io.model_tables import read_tables
from galcen.stages.galaxy_model import build_galaxy
from galcen.stages.sightline import summarise
from galcen.stages.simulate import draw_tile


@pytest.fixture(scope="module")
def galaxy():
    settings = config.parse({})
    return build_galaxy(settings.galaxy, settings.extinction, read_tables()[0])


WINDOW = Window("Ks", 8.0, 13.5)


def test_numbers_are_those_of_the_line_of_sight(galaxy):
    """Stars of four cells by component within 4 Poisson errors of the integral over distance."""
    tile = Tile(400, 404, 2, 2)
    stars = draw_tile(galaxy, tile, WINDOW, seed=3)
    expected = np.zeros(12)
    for cell in cells(tile):
        area = 2.25 * np.cos(np.radians(cell.lat_deg))
        answer = summarise(galaxy, cell.lon_deg, cell.lat_deg, WINDOW, area, False)["components"]
        expected[: len(answer)] += [row["count"] for row in answer.values()]
    got = np.bincount(stars.comp, minlength=12)
    assert (np.abs(got - expected) <= 4 * np.sqrt(expected) + 1).all()
    assert expected.sum() > 300


def test_magnitudes_and_places(galaxy):
    """Every star lies in its cell and in the window."""
    tile = Tile(400, 404, 1, 1)
    stars = draw_tile(galaxy, tile, WINDOW, seed=3)
    l_min, l_max, b_min, b_max = tile.bounds
    assert ((stars.lon_deg >= l_min) & (stars.lon_deg < l_max)).all()
    assert ((stars.lat_deg >= b_min) & (stars.lat_deg < b_max)).all()
    assert ((stars.mag[2] > 8.0 - 1e-9) & (stars.mag[2] < 13.5 + 1e-9)).all()
    assert len(np.unique(stars.source_id)) == len(stars.source_id)


def test_a_tile_is_the_sum_of_its_cells(galaxy):
    """Two cells drawn together or apart, near Sgr A* too: the same stars, bit by bit."""
    for i_lon, i_lat in ((400, 404), (377, 398)):
        both = draw_tile(galaxy, Tile(i_lon, i_lat, 2, 1), Window("Hw", 9.0, 13.0), seed=5)
        parts = [
            draw_tile(galaxy, Tile(i_lon + k, i_lat, 1, 1), Window("Hw", 9.0, 13.0), seed=5) for k in (0, 1)
        ]
        for name in both._fields:
            joined = np.concatenate([getattr(part, name) for part in parts], axis=-1)
            np.testing.assert_array_equal(getattr(both, name), joined, err_msg=name)


@pytest.mark.parametrize(
    ("footprint", "n_tile", "n_cell"),
    [
        ({"l_min": -1.4, "l_max": 0.7, "b_min": -0.6, "b_max": 0.6}, 66, 4032),
        ({"l_min": -3.1, "l_max": 3.1, "b_min": -1.8, "b_max": 1.8}, 558, 35712),
    ],
)
def test_tiles_cover_the_footprint_once(footprint, n_tile, n_cell):
    """Published numbers of cells; each in one tile."""
    tiles = tiles_of(footprint, {"cells_per_side": 8})
    every = [(c.i_lon, c.i_lat) for tile in tiles for c in cells(tile)]
    assert (len(tiles), len(every), len(set(every))) == (n_tile, n_cell, n_cell)


def test_a_footprint_without_a_cell_is_refused():
    """Narrower than the distance between two centres."""
    with pytest.raises(ConfigError, match="no cell"):
        tiles_of({"l_min": 0.0, "l_max": 0.01, "b_min": 0.0, "b_max": 0.01}, {"cells_per_side": 8})
