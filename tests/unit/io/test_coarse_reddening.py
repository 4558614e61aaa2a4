"""The excerpt of the extinction map is that of the map."""

import numpy as np

from galcen.galaxy.extinction.map import colour_excess
from galcen.io.coarse_reddening import excerpt, most_excess
from galcen.io.model_tables import read_tables


def test_the_excerpt_is_made_of_the_map_that_is_installed():
    """Block by block to its two decimals; no more than a tenth of a block's cells are redder."""
    reddening = read_tables()[0].reddening
    blocks = excerpt(np.asarray(reddening.mean))
    rng = np.random.default_rng(1)
    lon, lat = rng.uniform(-9.5, 9.5, 5000), rng.uniform(-10, 4.5, 5000)
    found = most_excess(lon, lat)
    place = ((lon + 9.5) // 0.25).astype(int), ((lat + 10.0) // 0.25).astype(int)
    np.testing.assert_allclose(found, blocks[place], atol=0.0051)
    redder = np.asarray(colour_excess(reddening, lon, lat)) > found + 0.005
    assert 0.05 < redder.mean() < 0.11


def test_off_the_map_nothing_is_known():
    np.testing.assert_array_equal(
        np.isnan(most_excess(np.array([-9.6, 9.6, 0, 0, 359.0]), np.array([0, 0, 4.6, -10.1, 0]))),
        [True, True, True, True, False],
    )
