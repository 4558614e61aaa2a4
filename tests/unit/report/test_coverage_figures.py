"""Figures of the plan show the numbers they are given."""

import healpy
import matplotlib.pyplot as plt
import numpy as np
import pytest

from galcen.report import coverage
from galcen.survey.nodes import galactic

NSIDE = 1024


@pytest.fixture(autouse=True)
def closed():
    """No figure stays open."""
    yield
    plt.close("all")


@pytest.mark.parametrize("lon", [-0.3, 180.0])
def test_the_map_shows_every_pixel_at_its_place(lon):
    """A disc of half a degree, at l = 180 in one piece too: its counts, its centre and its width."""
    vector = galactic(np.array(lon), np.array(0.1))
    pixels = np.sort(healpy.query_disc(NSIDE, vector, np.radians(0.5), nest=True))
    figure = coverage.coverage_map({"healpix": pixels, "n_exposure": np.full(len(pixels), 7)}, NSIDE)
    image = figure.axes[0].collections[0]
    shown = np.ma.filled(image.get_array(), np.nan)
    assert np.unique(shown[np.isfinite(shown)]).tolist() == [7]
    corners = image.get_coordinates()
    middle = 0.25 * (corners[1:, 1:] + corners[:-1, :-1] + corners[1:, :-1] + corners[:-1, 1:])
    seen = middle[np.isfinite(shown)]
    assert abs((seen[:, 0].mean() - lon + 180) % 360 - 180) < 0.02
    assert seen[:, 1].mean() == pytest.approx(0.1, abs=0.02)
    assert np.ptp(seen[:, 0]) == pytest.approx(1.0, abs=0.15)


def test_the_histogram_tells_of_stars_without_exposures():
    """Bars hold the seen stars; the title holds all."""
    figure = coverage.exposures_per_star(np.array([0, 0, 3, 5, 1000]))
    bars = figure.axes[0].patches
    assert sum(bar.get_height() for bar in bars) == 3
    assert figure.axes[0].get_title() == "3 of 5 stars are seen, median 5"
    assert coverage.exposures_per_star(np.array([0, 0])).axes[0].get_title() == "0 of 2 stars are seen"


def test_the_timeline_ends_with_all_exposures():
    """One shade a season in both panels."""
    t = np.array([2030.6, 2030.7, 2031.2])
    orbits = {"t": t, "season": np.array([0, 0, 1]), "n_exposure": np.array([24, 24, 12]), "pa": np.zeros(3)}
    axes = coverage.timeline(orbits).axes
    assert axes[0].lines[0].get_ydata()[-1] == 60
    assert [len(axis.patches) for axis in axes] == [2, 2]
