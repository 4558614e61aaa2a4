"""Stars drawn from the model and observed with errors: posteriors must be right as often as they say."""

import numpy as np
import pytest

from galcen import config
from galcen.catalogue import calibration as kernel
from galcen.catalogue.likelihood import Pieces
from galcen.catalogue.magnitude_lattice import MagnitudeLattice
from galcen.catalogue.tiling import Tile, cells
from galcen.io.model_tables import read_tables
from galcen.stages.calibrate import inferred, observed_stars, sample_of
from galcen.stages.galaxy_model import build_galaxy

SEED = 7
# First cells of fields of 4 x 4: in the nuclear disc, in the plane, in the bar below and beside it.
CORNERS = ((392, 404), (330, 402), (420, 430), (300, 350), (440, 392))


def infer_sample(lattice, **sections):
    """Stars of the five fields for a configuration, and their posteriors."""
    settings = config.parse(sections)
    galaxy = build_galaxy(settings.galaxy, settings.extinction, read_tables()[0])
    where = [cell for i, j in CORNERS for cell in cells(Tile(i, j, 4, 4))]
    choices, inference = settings.calibration, settings.posterior
    stars = observed_stars(galaxy, choices, where, inference.dist_max, SEED)
    return sample_of({**stars, **inferred(galaxy, stars, inference, choices.n_rank, SEED, lattice)})


@pytest.fixture(scope="module")
def lattice():
    """Likelihoods for errors of 0.1 mag."""
    settings = config.parse({})
    galaxy = build_galaxy(settings.galaxy, settings.extinction, read_tables()[0])
    return MagnitudeLattice.build(Pieces.build(galaxy.intervals, 0.1), 0.1)


@pytest.fixture(scope="module")
def sample(lattice):
    """20,000 model stars that are seen at 8 < Ks < 14, and their posteriors.

    Errors are 0.1 mag, larger for every tenth star; every tenth has no J and every third a parallax.
    """
    return infer_sample(lattice, calibration={"n_cell": 80, "parallax_fraction": 0.33})


def test_distances_are_calibrated(sample):
    """Ranks of the true distance are uniform (Kolmogorov-Smirnov), also in bins of what is observed."""
    members = kernel.groups(sample)
    tests = kernel.uniformity(sample.rank, members)
    assert tests["all"].n_star > 15000
    assert tests.pop("all").p_value > 0.01
    # Four bins each of magnitude, reddening and colour, with parallax, without J.
    assert len(tests) == 14
    # The least of as many uniform numbers is above 0.001 in 99 of 100 cases.
    assert min(test.p_value for test in tests.values()) > 0.001


def test_classes_are_calibrated(sample):
    """Of stars given a class with probability p a part p has it, within 4 binomial errors in every bin."""
    pulls = kernel.class_pulls(sample, np.arange(len(sample.comp)))
    assert len(pulls) > 30
    assert np.abs(pulls).max() < 4
    assert 0.7 < np.std(pulls) < 1.3


@pytest.mark.parametrize("bins", [kernel.magnitude_groups, kernel.reddening_groups])
def test_classes_are_calibrated_in_bins(sample, bins):
    """The same in bins of magnitude and of reddening, where a hundred pulls stay below 4.5."""
    pulls = np.concatenate([kernel.class_pulls(sample, rows) for rows in bins(sample).values()])
    assert len(pulls) > 80
    assert np.abs(pulls).max() < 4.5
    assert 0.8 < np.std(pulls) < 1.2


def test_stars_behind_sub_cells_are_calibrated(lattice):
    """With the map's sub-cells, in whose stead a cell of one reddening fails by p = 1e-50."""
    choices = {"n_cell": 80, "n_star": 5000}
    sample = infer_sample(lattice, calibration=choices, extinction={"sub_cells": True})
    every = np.arange(len(sample.comp))
    assert kernel.uniformity(sample.rank, {"all": every})["all"].p_value > 1e-3
    pulls = kernel.class_pulls(sample, every)
    assert len(pulls) > 20
    assert np.abs(pulls).max() < 4
