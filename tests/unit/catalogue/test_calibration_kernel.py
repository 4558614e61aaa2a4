"""Ranks, bins and pulls on numbers whose answer is known."""

import numpy as np
import pytest

from galcen.catalogue.calibration import (
    Sample,
    class_numbers,
    class_pulls,
    groups,
    quantile_bins,
    ranks,
    reliability,
    uniformity,
    worst_p_value,
)

N_STAR = 20000


@pytest.fixture(scope="module")
def sample():
    """Stars whose classes are drawn from their probabilities and whose ranks are uniform."""
    rng = np.random.default_rng(1)
    probability = rng.dirichlet(np.full(12, 0.3), N_STAR).T
    comp = (rng.random(N_STAR) > probability.cumsum(axis=0)).sum(axis=0)
    mag = rng.uniform(8, 14, (3, N_STAR))
    mag[0, ::10] = np.nan
    parallax = np.where(np.arange(N_STAR) % 3 == 0, 0.1, np.nan)
    # The reddening of few cells, with many equal values.
    reddening = rng.choice([0.5, 1.0, 2.0], N_STAR)
    return Sample(mag, parallax, reddening, comp, rng.random(N_STAR), probability)


def test_ranks_count_the_draws_below():
    """Among four draws: none, two and all of them below the truth."""
    drawn = np.array([[1.0], [2.0], [3.0], [4.0]]) * np.ones(3)
    np.testing.assert_allclose(ranks(drawn, np.array([0.5, 2.5, 9.0]), np.full(3, 0.5)), [0.1, 0.5, 0.9])


def test_ranks_of_draws_from_the_truth_are_uniform():
    """199 draws and the truth from one distribution, however skewed."""
    rng = np.random.default_rng(2)
    values = rng.exponential(size=(200, N_STAR))
    rank = ranks(values[1:], values[0], rng.random(N_STAR))
    assert uniformity(rank, {"all": np.arange(N_STAR)})["all"].p_value > 0.01


def test_too_narrow_draws_are_found():
    """Posteriors ten per cent too narrow fail beyond doubt."""
    rng = np.random.default_rng(3)
    rank = ranks(0.9 * rng.normal(size=(199, N_STAR)), rng.normal(size=N_STAR), rng.random(N_STAR))
    assert uniformity(rank, {"all": np.arange(N_STAR)})["all"].p_value < 1e-6


def test_bins_hold_each_known_value_once():
    """Equal values stay together, missing ones are in no bin."""
    values = np.array([3.0, 1.0, np.nan, 1.0, 2.0, 1.0, 4.0])
    bins = quantile_bins(values)
    assert sorted(np.concatenate(bins).tolist()) == [0, 1, 3, 4, 5, 6]
    assert bins[0].tolist() == [1, 3, 5]
    assert quantile_bins(np.full(3, np.nan)) == []


def test_groups_cover_what_is_observed(sample):
    """All stars, four bins each of magnitude and colour, one of each reddening, parallax and missing J."""
    members = groups(sample)
    kinds = [name.split(" ")[0] for name in members]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "all": 1,
        "Ks": 4,
        "E(J-Ks)": 3,
        "J-Ks": 4,
        "with": 1,
        "without": 1,
    }
    assert len(members["without J"]) == N_STAR // 10


def test_pulls_have_unit_width(sample):
    """Classes drawn from their probabilities: pulls of width 1 and no outlier."""
    pulls = class_pulls(sample, np.arange(N_STAR))
    assert len(pulls) > 60
    assert 0.8 < np.std(pulls) < 1.2
    assert np.abs(pulls).max() < 4
    expected, error, found = class_numbers(sample, np.arange(N_STAR))
    assert found.sum() == N_STAR
    assert expected.sum() == pytest.approx(N_STAR)
    assert np.abs((found - expected) / error).max() < 4


def test_overconfident_classes_are_found(sample):
    """Probabilities sharpened by a tenth give pulls far out."""
    sharp = sample.probability**1.1
    wrong = sample._replace(probability=sharp / sharp.sum(axis=0))
    assert worst_p_value(class_pulls(wrong, np.arange(N_STAR))) < 1e-4
    assert worst_p_value(np.empty(0)) == 1.0


def test_a_certain_class_lies_in_the_last_bin():
    """Probabilities of 0 and 1 have no error and give no pull."""
    curve = reliability(np.array([0.0, 1.0, 1.0]), np.array([False, True, True]))
    assert curve.n_star.tolist() == [1, 2]
    assert curve.found.tolist() == [0, 2]
    assert curve.error.tolist() == [0.0, 0.0]
    assert len(curve.pulls()) == 0
