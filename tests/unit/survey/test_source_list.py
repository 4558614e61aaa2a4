"""Sources of the survey and what Gaia says of them: statistics of the draws, streams by identifier."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from scipy import stats

from galcen.mapping.catalogue_covariance import CORRELATIONS, ERRORS, correlation_matrix, covariance_of
from galcen.mapping.space_motion import SpaceMotion, offsets
from galcen.random import stage_key
from galcen.survey import reference_catalogue
from galcen.survey.source_list import (
    CATALOGUE,
    CORRELATION,
    MOTION,
    Rectangle,
    artificial_sources,
    bounds,
    close_pairs,
    equatorial,
    filled_motion,
    random_subset,
    scores,
    uniforms,
)

ROOT = stage_key(1, "survey_sources")
IDS = np.arange(5000, dtype=np.int64) * 977 + 5


def stars(n=5000, **columns):
    """Motions in the field."""
    rng = np.random.default_rng(1)
    values = {
        "ra": rng.uniform(265, 268, n),
        "dec": rng.uniform(-30, -28, n),
        "parallax": rng.uniform(0.1, 2, n),
        "pmra": rng.normal(0, 4, n),
        "pmdec": rng.normal(0, 4, n),
        "radial_velocity": rng.normal(0, 80, n),
    }
    return SpaceMotion(**(values | columns))


def drawn_errors(rms=0.25):
    """Errors and correlations of `IDS`."""
    g = np.random.default_rng(2).uniform(12, 18, len(IDS))
    count = reference_catalogue.n_score(rms)
    correlations = reference_catalogue.random_correlations(scores(ROOT, IDS, CORRELATION, count))
    return reference_catalogue.filled_errors({}, g) | correlations


def test_scores_are_those_of_the_identifier():
    """Any order, any company, any range of places: the same bits."""
    order = np.random.default_rng(3).permutation(len(IDS))
    every = scores(ROOT, IDS, 0, 20)
    np.testing.assert_array_equal(scores(ROOT, IDS[order][:100], 5, 3), every[5:8, order[:100]])
    assert stats.kstest(every.ravel(), "norm").pvalue > 1e-3
    assert stats.kstest(uniforms(ROOT, IDS, 30, 4).ravel(), "uniform").pvalue > 1e-3


def test_catalogue_errors_are_those_it_states():
    """Catalogue minus truth with the stated covariance: chi-square of 5 degrees (KS), pulls N(0, 1)."""
    truth, columns = stars(), drawn_errors()
    covariance = covariance_of(columns, IDS)
    catalogue = reference_catalogue.drawn_catalogue(truth, covariance, scores(ROOT, IDS, CATALOGUE, 5))
    a, d = offsets(catalogue.ra, catalogue.dec, truth.ra, truth.dec)
    rest = [getattr(catalogue, name) - getattr(truth, name) for name in ("parallax", "pmra", "pmdec")]
    error = np.stack([a, d, *rest], axis=-1)
    chi2 = np.einsum("ni,nij,nj->n", error, np.linalg.inv(covariance), error)
    assert stats.kstest(chi2, stats.chi2(5).cdf).pvalue > 1e-3
    pull = error / np.stack([columns[name] for name in ERRORS], axis=-1)
    for k in range(5):
        assert stats.kstest(pull[:, k], "norm").pvalue > 1e-3
    # Correlations: the product of two pulls has the stated one as mean.
    pairs = [(i, j) for i in range(5) for j in range(i + 1, 5)]
    for name, (i, j) in zip(CORRELATIONS, pairs, strict=True):
        stated = columns[name]
        spread = np.sqrt(np.mean((pull[:, i] * pull[:, j] - stated) ** 2))
        slope = np.sum((pull[:, i] * pull[:, j]) * stated) / np.sum(stated**2)
        assert abs(slope - 1) < 4 * spread / np.sqrt(np.sum(stated**2))
    assert (catalogue.radial_velocity == truth.radial_velocity).all()


@pytest.mark.parametrize("rms", [0.1, 0.25, 0.35])
def test_correlations_have_the_size_asked_for(rms):
    """Matrices positive definite, mean 0 and root mean square within 2 per cent."""
    columns = drawn_errors(rms)
    correlations = np.stack([columns[name] for name in CORRELATIONS], axis=-1)
    assert np.linalg.eigvalsh(correlation_matrix(correlations)).min() > 1e-4
    assert correlations.std() == pytest.approx(rms, rel=0.02)
    assert abs(correlations.mean()) < 0.01


def test_no_correlations_on_request():
    """Size 0 gives zeros."""
    columns = drawn_errors(0.0)
    assert all((columns[name] == 0).all() for name in CORRELATIONS)


def test_errors_are_those_of_dr3():
    """Figures of the release, 0.02 mas for bright stars to 0.5 at G = 20, within 40 per cent."""
    g = np.array([9.0, 14.0, 15.0, 17.0, 20.0])
    published = np.array([0.02, 0.02, 0.03, 0.07, 0.5])
    ratio = reference_catalogue.parallax_error(g) / published
    assert (ratio > 0.6).all()
    assert (ratio < 1.4).all()
    errors = reference_catalogue.filled_errors({}, g)
    np.testing.assert_allclose(errors["pmra_error"] / errors["parallax_error"], 1.03)


def test_given_errors_are_kept():
    """What is missing follows the star's own parallax error where there is one."""
    nan = np.nan
    given = {"parallax_error": np.array([0.1, nan]), "pmra_error": np.array([0.3, 0.2])}
    errors = reference_catalogue.filled_errors(given, np.array([15.0, 15.0]))
    assert errors["parallax_error"][0] == 0.1
    assert errors["pmra_error"].tolist() == [0.3, 0.2]
    np.testing.assert_allclose(errors["ra_error"], 0.8 * errors["parallax_error"])
    assert errors["parallax_error"][1] == reference_catalogue.parallax_error(np.array([15.0]))[0]


def test_wrong_motions_are_wrong_by_so_many_errors():
    """Displaced by 7 errors in any direction, the others untouched."""
    truth, errors = stars(), drawn_errors()
    wrong, turn = np.arange(5000) % 3 == 0, np.random.default_rng(4).uniform(size=5000)
    got = reference_catalogue.with_wrong_motions(truth, errors, wrong, turn, 7.0)
    shift = np.hypot(
        (got.pmra - truth.pmra) / errors["pmra_error"], (got.pmdec - truth.pmdec) / errors["pmdec_error"]
    )
    np.testing.assert_allclose(shift, np.where(wrong, 7.0, 0.0), atol=1e-9)
    np.testing.assert_array_equal(got.ra, truth.ra)


def test_subset_does_not_depend_on_order():
    """Exactly so many stars, the same ones in any order; of fewer, those of more."""
    order = np.random.default_rng(5).permutation(len(IDS))
    kept = random_subset(ROOT, IDS, 700)
    assert kept.sum() == 700
    np.testing.assert_array_equal(random_subset(ROOT, IDS[order], 700), kept[order])
    assert kept[random_subset(ROOT, IDS, 300)].all()
    assert random_subset(ROOT, IDS, None).all()
    assert random_subset(ROOT, IDS, 10**6).all()


def test_missing_motions_are_filled():
    """3 mas/yr on each axis about 0 and 1/8.2 mas, or zeros; what is known stays."""
    nothing = np.full(5000, np.nan)
    bare = stars(parallax=nothing, pmra=nothing, pmdec=nothing, radial_velocity=nothing)
    got = filled_motion(bare, ROOT, IDS, "draw")
    np.testing.assert_allclose(got.parallax, 1 / 8.2)
    for k, name in enumerate(("pmra", "pmdec")):
        assert stats.kstest(getattr(got, name) / 3.0, "norm").pvalue > 1e-3
        np.testing.assert_allclose(getattr(got, name), 3 * scores(ROOT, IDS, MOTION + k, 1)[0])
    zero = filled_motion(bare, ROOT, IDS, "zero")
    assert all((getattr(zero, name) == 0).all() for name in ("parallax", "pmra", "pmdec", "radial_velocity"))
    known = stars()
    for one, other in zip(filled_motion(known, ROOT, IDS, "draw"), known, strict=True):
        np.testing.assert_array_equal(one, other)


def test_artificial_sources_fill_the_window():
    """Uniform in l and sin b, at rest, with the stars' magnitudes; galactic coordinates as astropy's."""
    window, hw = Rectangle(-1.4, 0.7, -30.0, 40.0), np.linspace(9.5, 14.5, 400)
    source_id, motion, magnitude = artificial_sources(ROOT, 5000, window, hw)
    place = SkyCoord(motion.ra * u.deg, motion.dec * u.deg).galactic
    lon, lat = place.l.wrap_at("180d").deg, place.b.deg
    assert stats.kstest((lon + 1.4) / 2.1, "uniform").pvalue > 1e-3
    low, high = np.sin(np.radians([-30, 40]))
    assert stats.kstest((np.sin(np.radians(lat)) - low) / (high - low), "uniform").pvalue > 1e-3
    assert np.isin(magnitude, hw).all()
    assert stats.kstest((magnitude - 9.5) / 5, "uniform").pvalue > 1e-3
    assert all((values == 0).all() for values in motion[2:])
    assert source_id.max() < 2**53
    first = artificial_sources(ROOT, 10, window, hw)
    np.testing.assert_array_equal(first[1].ra, motion.ra[:10])
    assert len(artificial_sources(ROOT, 0, window, hw)[0]) == 0


def test_equatorial_is_that_of_astropy():
    """30 mas: astropy goes by way of FK5, 25 mas from the definition for ICRS of the Hipparcos catalogue."""
    lon, lat = np.array([-0.3, 0.0, 120.0]), np.array([0.1, 0.0, -45.0])
    expected = SkyCoord(l=lon * u.deg, b=lat * u.deg, frame="galactic").icrs
    a, d = offsets(*equatorial(lon, lat), expected.ra.deg, expected.dec.deg)
    np.testing.assert_allclose(np.hypot(a, d), 0, atol=30.0)


def test_pairs_are_counted():
    """Two stars at 0.3 arcsec in right ascension are one pair, at 0.5 none."""
    dec = -29.0
    step = 0.3 / 3600 / np.cos(np.radians(dec))
    ra = np.array([266.0, 266.0 + step, 266.0 + 3 * step])
    assert close_pairs(ra, np.full(3, dec), 0.4) == 1
    assert close_pairs(ra, np.full(3, dec), 0.65) == 2


def test_bounds_hold_the_stars():
    """Smallest rectangle."""
    assert bounds(np.array([-1.0, 0.5]), np.array([0.2, 0.1])) == Rectangle(-1.0, 0.5, 0.1, 0.2)
