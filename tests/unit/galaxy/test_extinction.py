"""Extinction, isochrones and magnitudes against published numbers."""

from types import SimpleNamespace

import numpy as np
import pytest

from galcen.galaxy.extinction.law import law
from galcen.galaxy.extinction.map import cell_centre_deg, cell_of, colour_excess
from galcen.galaxy.extinction.profile import dust_length, profile, red_clump_distance
from galcen.galaxy.imf import imf
from galcen.galaxy.isochrones import build_intervals
from galcen.galaxy.model import extinction, sightlines
from galcen.galaxy.photometry import hw
from galcen.io.model_tables import read_tables


@pytest.fixture(scope="module")
def tables():
    return read_tables()[0]


# genstars: l, b, E, dust length, red-clump distance, A(J, H, Ks) there for WC19, and at 8160 pc.
SIGHTLINES = [
    (0.9875, -1.5125, 0.522, 6189.8, 8010.7, (0.7949, 0.4324, 0.2510), (0.8021, 0.4363, 0.2533)),
    (-0.0125, -2.1375, 0.398, 4385.3, 8127.8, (0.6061, 0.3297, 0.1914), (0.6069, 0.3302, 0.1917)),
    (1.0625, -3.8125, 0.235, 2462.8, 8108.2, (0.3579, 0.1947, 0.1130), (0.3582, 0.1948, 0.1131)),
    (0.5125, 0.1125, 3.857, 79476.8, 7989.6, (5.8737, 3.1953, 1.8549), (5.9927, 3.2600, 1.8924)),
    (-0.0625, 0.0875, 4.837, 100788.9, 8039.2, (7.3661, 4.0071, 2.3262), (7.4724, 4.0649, 2.3597)),
]


@pytest.mark.parametrize("sightline", SIGHTLINES)
def test_extinction_agrees_with_the_reference_program(tables, sightline):
    """Map, dust length, red-clump distance and extinction to the printed digits."""
    lon, lat, excess, length, clump, at_clump, at_centre = sightline
    assert colour_excess(tables.reddening, np.array([lon]), np.array([lat]))[0] == excess
    assert float(dust_length(lat)) == pytest.approx(length, abs=0.051)
    assert float(red_clump_distance(lon, lat)) == pytest.approx(clump, abs=0.051)
    ratio = law("WC19", lon, lat) * excess
    np.testing.assert_allclose(ratio * float(profile(lon, lat, clump)), at_clump, atol=1e-4)
    np.testing.assert_allclose(ratio * float(profile(lon, lat, 8160.0)), at_centre, atol=1e-4)


@pytest.mark.parametrize("sub_cells", [False, True])
def test_extinction_of_many_stars_is_map_times_law_times_profile(tables, sub_cells):
    """To 1e-14, star by star; off the map it is not a number."""
    rng = np.random.default_rng(1)
    lon, lat, dist = rng.uniform(-3, 3, 500), rng.uniform(-2, 2, 500), rng.uniform(100, 15000, 500)
    lon[0] = 50.0
    frame = SimpleNamespace(sun_distance=8160.0)
    galaxy = SimpleNamespace(
        reddening=tables.reddening, law="N09", sub_cells=sub_cells, outside=None, frame=frame
    )
    got = np.asarray(extinction(sightlines(galaxy, lon, lat), dist[:, None]))[:, :, 0]
    centre = cell_centre_deg(*cell_of(lon, lat, tables.reddening), tables.reddening)
    excess = colour_excess(tables.reddening, lon, lat, sub_cells)
    expected = law("N09", *centre) * excess * np.asarray(profile(*centre, dist))
    assert np.isnan(got[:, 0]).all() and np.isfinite(got[:, 1:]).all()
    np.testing.assert_allclose(got, expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("name", "lon", "lat", "expected"),
    [
        ("WC19", 1.0, 1.0, (1.522865706535, 0.828432481867, 0.480907969715)),
        ("N09", 1.0, 1.0, (1.543298969, 0.824792557, 0.512371134)),
        ("N09", -1.0, 1.0, (1.540206186, 0.853385344, 0.509278351)),
        ("N09", 1.0, -1.0, (1.581443299, 0.907993038, 0.550515464)),
        ("N09", -1.0, -1.0, (1.636082474, 0.976415154, 0.605154639)),
        ("N09", 0.0, 1.0, (1.575257732, 0.882423001, 0.544329897)),
        ("AG17", 1.0, 1.0, (1.429085304, 0.751880431, 0.383356764)),
        ("AG17", -1.0, -1.0, (1.454788277, 0.737883802, 0.407930915)),
        ("AG17", 0.0, 0.0, (1.468153823, 0.795432544, 0.420709474)),
    ],
)
def test_laws(name, lon, lat, expected):
    """Ratios derived from each paper's numbers, to nine digits."""
    np.testing.assert_allclose(law(name, lon, lat), expected, rtol=2e-9)


def test_cells_partition_the_map(tables):
    """Edges belong to the cell above, also when they are short of it by rounding; off the map is -1."""
    lon = np.array([-9.5, -0.1, 0.0, 0.3, 9.4999, 9.5, 359.9, 50.0])
    i_lon, i_lat = cell_of(lon, 0.0 * lon, tables.reddening)
    np.testing.assert_array_equal(i_lon, [0, 376, 380, 392, 759, -1, 376, -1])
    assert set(i_lat[i_lon >= 0]) == {400}
    every = np.arange(760)
    centre, _ = cell_centre_deg(every, 0 * every, tables.reddening)
    np.testing.assert_array_equal(cell_of(centre, 0 * centre, tables.reddening)[0], every)


def test_sub_cells_lie_in_their_cell(tables):
    """A cell's sub-cells are found at their own positions, longitude first."""
    i, j = 384, 404
    row = tables.reddening.sub_index[i, j]
    lon, lat = cell_centre_deg(np.array([i]), np.array([j]), tables.reddening)
    for a, b in ((0, 0), (4, 0), (0, 4), (2, 3)):
        got = colour_excess(tables.reddening, lon + 0.005 * (a - 2), lat + 0.005 * (b - 2), sub_cells=True)
        assert got[0] == tables.reddening.sub_cells[row, a, b]


def test_gaps_carry_the_published_weights(tables):
    """Mass and number of the jump at the tip of the giant branch, to the printed digits."""
    intervals = build_intervals(tables.isochrones, imf("E+E_X"))
    for comp, weight, faint in ((8, 1.52e-5, -1.62), (9, 1.86e-5, -1.70), (7, 1.71e-5, -1.35)):
        mine = (intervals.comp == comp) & intervals.gap
        assert mine.sum() == 1
        # The published weight is that of all stars born; the living are 85 to 90 per cent of them.
        assert intervals.weight[mine][0] == pytest.approx(weight, rel=0.005)
        assert intervals.mag_high[2, mine][0] == pytest.approx(faint, abs=0.006)
    assert not build_intervals(tables.isochrones, imf("E+E_X"), interpolate_gaps=True).gap.any()


def test_weights_count_living_stars(tables):
    """Weights of each component add up to 1."""
    intervals = build_intervals(tables.isochrones, imf("E+E_X"))
    np.testing.assert_allclose(np.bincount(intervals.comp, intervals.weight), 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "rows", "last", "brightest"),
    [
        ("thin1", 467, 5.3151665, -9.994),
        ("thin4", 486, 1.5829008, -8.235),
        ("thick", 213, 0.8567696, -6.444),
        ("bar", 288, 1.0678446, -7.498),
        ("NSD", 317, 1.1653949, -7.798),
    ],
)
def test_isochrones_are_read_as_published(tables, name, rows, last, brightest):
    """Usable rows, largest mass and brightest Ks of the tables."""
    table = tables.isochrones[name]
    assert len(table.mass_ini) == rows
    assert table.mass_ini[-1] == pytest.approx(last, abs=6e-8)
    assert table.m_ks.min() == pytest.approx(brightest, abs=5e-4)


def test_hw_relations_differ_as_stated():
    """HwA is fainter than HwB by 0.117 (J-H) - 0.0277 (J-H)^2 (their printed difference)."""
    colour = np.array([0.5, 1.0, 2.0, 3.0])
    difference = hw(15.0 + colour, 15.0, "HwA") - hw(15.0 + colour, 15.0, "HwB")
    np.testing.assert_allclose(difference, 0.1171 * colour - 0.0277 * colour**2, atol=1e-12)
