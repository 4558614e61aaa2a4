"""Distances of Bailer-Jones et al. and the classes at them: quantiles, brute force, draws."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm

from galcen import config
from galcen.catalogue.gaia_distance import PublishedDistance, class_probability, infer_stars
from galcen.catalogue.posterior import BATCH, Evaluator, clean
from galcen.galaxy.model import sightlines
from galcen.io.model_tables import read_tables
from galcen.stages.galaxy_model import build_galaxy
from galcen.stages.posterior import infer, kernel_options, stars_of

# l, b [deg], J, H, Ks, parallax, its error [mas], r_lo, r_med, r_hi [pc].
STARS = np.array(
    [
        (-0.0625, 0.0875, 12.50, 11.90, 11.70, 0.80, 0.10, 1122, 1257, 1410),
        (-0.0625, 0.0875, 11.20, 10.80, 10.70, 1.60, 0.04, 600, 610, 640),
        (0.5125, 0.1125, 13.30, 12.10, 11.60, 0.40, 0.10, 1500, 2300, 3100),
        (-1.0125, 0.2875, 10.00, 9.20, 8.95, 0.30, 0.05, 2700, 3000, 3500),
    ]
)


def columns_of(stars):
    """Columns of the observed table for rows like those of `STARS`."""
    names = ("glon", "glat", "mj", "mh", "mks", "parallax_obs", "parallax_obs_error")
    columns = dict(zip((*names, "r_lo_photogeo", "r_med_photogeo", "r_hi_photogeo"), stars.T, strict=True))
    errors = {f"{name}_error": np.full(len(stars), 0.03) for name in ("mj", "mh", "mks")}
    return {**columns, **errors, "source_id": np.arange(len(stars)), "ruwe": np.full(len(stars), 1.0)}


@pytest.fixture(scope="module")
def galaxy():
    settings = config.parse({})
    return build_galaxy(settings.galaxy, settings.extinction, read_tables()[0])


@pytest.fixture(scope="module")
def options():
    return config.parse({}).posterior


@pytest.fixture(scope="module")
def result(galaxy, options):
    return infer(galaxy, columns_of(STARS), options, seed=1)


def split_normal(published, row, p):
    """Quantile of the distribution that is cut at zero, from scipy's normal quantiles."""
    low, median, high = (column[row] for column in published)
    scale = norm.ppf(0.84)
    cut = norm.cdf(-scale * median / (median - low))
    score = norm.ppf(cut + p * (1 - cut)) / scale
    return median + score * np.where(score < 0, median - low, high - median)


def test_quantiles_are_the_published_ones(result):
    """16, 50 and 84 per cent are r_lo, r_med, r_hi but for the cut at zero, here 0.2 per cent of a star."""
    np.testing.assert_allclose(result["quantile"].T[[0, 1, 3]], STARS[[0, 1, 3], 7:10], rtol=1e-6)
    cut = split_normal(STARS[:, 7:10].T, 2, np.array([0.16, 0.5, 0.84]))
    np.testing.assert_allclose(result["quantile"][:, 2], cut, rtol=1e-12)
    np.testing.assert_allclose(cut, STARS[2, 7:10], rtol=5e-3)
    assert (result["dist_source"] == 2).all()
    assert np.isnan(result["ln_evidence"]).all()


def test_distribution_is_a_distribution():
    """Its probability below its own quantiles is what was asked for, to 1e-12; no distance is negative."""
    published = PublishedDistance(*np.array([[900.0, 50.0], [1000.0, 300.0], [1200.0, 900.0]]))
    p = np.linspace(0.001, 0.999, 21)
    dist = published.quantile(np.broadcast_to(p, (2, 21)))
    assert (dist > 0).all()
    for k, level in enumerate(p):
        below = [published.below(dist[row, k])[row] for row in range(2)]
        np.testing.assert_allclose(below, level, atol=1e-12)


def test_draws_follow_the_quantiles(galaxy, options):
    """Of 6,400 draws 16, 50 and 84 per cent lie below the published quantiles, within 4 standard errors."""
    many = infer(
        galaxy,
        columns_of(np.repeat(STARS[:1], 64, axis=0)),
        config.parse({"posterior": {"n_sample": 100}}).posterior,
        seed=2,
    )
    for level, quantile in zip((0.16, 0.5, 0.84), STARS[0, 7:10], strict=True):
        error = np.sqrt(level * (1 - level) / many["dist"].size)
        assert (many["dist"] < quantile).mean() == pytest.approx(level, abs=4 * error + 1e-3)
    p = many["probability"][:, 0]
    frequency = np.bincount(many["comp"].ravel(), minlength=12) / many["comp"].size
    assert (np.abs(frequency - p) <= 4 * np.sqrt(p * (1 - p) / many["comp"].size) + 1e-9).all()


@pytest.fixture(scope="module")
def batch(galaxy, options):
    """The stars as one batch of the kernel."""
    columns = columns_of(STARS)
    evaluator = Evaluator(galaxy, kernel_options(options))
    data, _ = clean(stars_of(columns), evaluator.options)
    line = sightlines(galaxy, columns["glon"], columns["glat"])
    published = PublishedDistance(*STARS[:, 7:10].T)
    return evaluator, data, line, published


def test_class_average_agrees_with_brute_force(batch, result):
    """Against 3,000 equal parts of the probability: class probabilities within 1e-3."""
    evaluator, data, line, published = batch
    p = (np.arange(3000) + 0.5) / 3000
    dist = np.stack([split_normal(published, row, p) for row in range(len(STARS))])
    fine, _ = class_probability(evaluator, data, line, 0, dist)
    np.testing.assert_allclose(result["probability"], fine.mean(axis=2), atol=1e-3)


def test_classes_at_a_distance_are_those_of_the_curves(batch):
    """p(i | D) at the nodes of the grid near the peak is that of the exact curves, within 1e-4."""
    evaluator, data, line, _ = batch
    rows = np.resize(np.arange(len(STARS)), BATCH)
    # The finest grid serves them all.
    curves = evaluator.curves(data.take(rows), line.take(rows), 0)
    for row in range(len(STARS)):
        total = curves.density[:, row].sum(axis=0)
        peak = np.flatnonzero(total > 0.03 * total.max())
        alone = data.take(np.array([row])), line.take(np.array([row]))
        got, _ = class_probability(evaluator, *alone, 0, curves.dist[row : row + 1, peak])
        np.testing.assert_allclose(got[:, 0], curves.density[:, row, peak] / total[peak], atol=1e-4)


def test_draws_of_the_class_belong_to_the_distance(batch):
    """A star's class is drawn at its drawn distance: joint frequencies in thirds of the distance."""
    evaluator, data, line, published = batch
    rows = np.repeat([2], BATCH)
    uniform = np.random.default_rng(5).random((BATCH, 2, 200))
    some = data.take(rows), line.take(rows), 0, published.take(rows)
    summary, _ = infer_stars(evaluator, *some, uniform)
    comp, dist = np.asarray(summary.comp).ravel(), np.asarray(summary.dist).ravel()
    edges = np.quantile(dist, [0, 1 / 3, 2 / 3, 1])
    for low, high in pairwise(edges):
        mine = (dist >= low) & (dist < high)
        at, _ = class_probability(
            evaluator,
            data.take(np.array([2])),
            line.take(np.array([2])),
            0,
            np.sort(dist[mine])[None, ::40],
        )
        p = at[:, 0].mean(axis=1)
        frequency = np.bincount(comp[mine], minlength=12) / mine.sum()
        assert (np.abs(frequency - p) < 4 * np.sqrt(p * (1 - p) / mine.sum()) + 2e-3).all()


def test_stars_that_do_not_qualify_go_the_other_way(galaxy, options, result):
    """RUWE, parallax over error, quantiles out of order or missing, the option: photometry and parallax."""
    stars = np.repeat(STARS[:1], 6, axis=0)
    columns = columns_of(stars)
    columns["ruwe"] = np.array([1.5, 1.0, 1.0, 1.0, np.nan, 1.0])
    columns["parallax_obs_error"] = np.array([0.1, 0.3, 0.1, 0.1, 0.1, 0.1])
    columns["r_lo_photogeo"] = np.array([1122.0, 1122.0, 1300.0, np.nan, 1122.0, 1122.0])
    got = infer(galaxy, columns, options, seed=1)
    assert got["dist_source"].tolist() == [0, 1, 1, 1, 1, 2]
    np.testing.assert_array_equal(got["probability"][:, 5], result["probability"][:, 0])
    off = config.parse({"posterior": {"gaia_distances": False}}).posterior
    assert infer(galaxy, columns, off, seed=1)["dist_source"].tolist() == [0, 1, 1, 1, 1, 1]


def test_a_star_that_no_model_explains_falls_back_on_the_prior(galaxy, options):
    """An impossible colour: flagged, finite and normalised, the distance still the published one."""
    odd = STARS[:1].copy()
    odd[0, 2:5] = (2.0, 9.0, 2.0)
    got = infer(galaxy, columns_of(odd), options, seed=1)
    assert got["flags"][0] & 16
    assert got["probability"].sum() == pytest.approx(1.0, rel=1e-12)
    np.testing.assert_allclose(got["quantile"][:, 0], odd[0, 7:10], rtol=1e-3)
