"""Five parameters out of many orbits: against scipy star by star, and with injected truth."""

from typing import NamedTuple

import erfa
import numpy as np
import pytest
from scipy import stats
from scipy.linalg import lstsq

from galcen.astrometry.motion import Flag, MotionOptions, motion_columns, solve_motion
from galcen.astrometry.orbit_positions import OrbitPositions, Orbits, mean_positions
from galcen.astrometry.priors import Prior
from galcen.mapping.catalogue_covariance import CORRELATIONS, ERRORS
from galcen.mapping.space_motion import triads

DELAY = 499.004783836 / (365.25 * 86400)


class Mock(NamedTuple):
    """Drawn positions and the truth behind them."""

    data: OrbitPositions
    ra: np.ndarray
    dec: np.ndarray
    orbits: Orbits
    truth: np.ndarray  # star, parameter


def place(t):
    """Barycentric position of the Earth [au], Julian years from 2032."""
    return np.array([erfa.epv00(2451545.0, (32.0 + x) * 365.25)[1]["p"] for x in t])


def mock(n_star=400, n_orbit=100, seed=1, shift=None, seen=0.6):
    """Orbits in the spring and autumn of three years, stars in a part of them, correlated errors."""
    rng = np.random.default_rng(seed)
    season = rng.choice([0.22, 0.72], n_orbit) + rng.uniform(-0.11, 0.11, n_orbit)
    t = np.sort(rng.integers(-2, 1, n_orbit) + 0.5 + season - 0.47)
    orbits = Orbits(t, place(t))
    ra, dec = 266.0 + rng.uniform(-0.3, 0.3, n_star), -29.2 + rng.uniform(-0.3, 0.3, n_star)
    star, orbit = np.nonzero(rng.uniform(size=(n_star, n_orbit)) < seen)
    order = rng.permutation(len(star))
    star, orbit = star[order], orbit[order]
    error = rng.uniform(0.3, 2.0, (2, len(star)))
    correlation = rng.uniform(-0.7, 0.7, len(star))
    truth = rng.normal(size=(n_star, 5)) * [100, 100, 0.5, 4, 4] + [0, 0, 0.6, 0, 0]
    at = triads(ra, dec)
    time = t[orbit] + DELAY * (at.radial.T[star] * orbits.b[orbit]).sum(axis=1)
    east, north = ((axis.T[star] * orbits.b[orbit]).sum(axis=1) for axis in at[:2])
    s = truth[star].T
    noise = rng.normal(size=(2, len(star)))
    a = s[0] + time * s[3] - s[2] * east + error[0] * noise[0]
    d = s[1] + time * s[4] - s[2] * north
    d = d + error[1] * (correlation * noise[0] + np.sqrt(1 - correlation**2) * noise[1])
    if shift is not None:
        a, d = a + shift[orbit, 0], d + shift[orbit, 1]
    number = rng.integers(5, 60, len(star))
    return Mock(OrbitPositions(star, orbit, a, d, *error, correlation, number), ra, dec, orbits, truth)


def solve(m, prior=None, **options):
    """The solution of a mock."""
    return solve_motion(m.data, m.ra, m.dec, m.orbits, prior, MotionOptions(**options))


def one_by_one(m, star, prior=None):
    """The plain twin: whitened rows of one star, solved by scipy."""
    at = triads(m.ra[star : star + 1], m.dec[star : star + 1])
    rows, right = [], []
    for k in np.flatnonzero(m.data.star == star):
        b = m.orbits.b[m.data.orbit[k]]
        t = m.orbits.t[m.data.orbit[k]] + DELAY * (b @ at.radial[:, 0])
        design = np.array([[1, 0, -(b @ at.east[:, 0]), t, 0], [0, 1, -(b @ at.north[:, 0]), 0, t]])
        e_a, e_d, rho = m.data.a_error[k], m.data.d_error[k], m.data.ad_corr[k]
        covariance = np.array([[e_a**2, rho * e_a * e_d], [rho * e_a * e_d, e_d**2]])
        whiten = np.linalg.inv(np.linalg.cholesky(covariance))
        rows.append(whiten @ design)
        right.append(whiten @ [m.data.a[k], m.data.d[k]])
    if prior is not None:
        whiten = np.linalg.inv(np.linalg.cholesky(prior.covariance[star]))
        rows.append(whiten)
        right.append(whiten @ prior.mean[star])
    matrix, values = np.concatenate(rows), np.concatenate(right)
    solution = lstsq(matrix, values)[0]
    chi2 = ((values - matrix @ solution) ** 2).sum()
    return solution, np.linalg.inv(matrix.T @ matrix), chi2


def some_prior(truth, seed=4):
    """Priors with full covariances, drawn about the truth."""
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(len(truth), 5, 8)) * np.array([0.5, 0.5, 0.1, 0.1, 0.1])[:, None]
    covariance = factor @ factor.transpose(0, 2, 1)
    drawn = np.einsum("nij,nj->ni", np.linalg.cholesky(covariance), rng.normal(size=truth.shape))
    return Prior(truth + drawn, covariance)


@pytest.mark.parametrize("with_prior", [False, True])
def test_agrees_with_least_squares_star_by_star(with_prior):
    """Parameters, covariance and chi-square as scipy's on whitened rows, to 1e-8."""
    m = mock(n_star=30)
    prior = some_prior(m.truth) if with_prior else None
    got = solve(m, prior)
    for star in range(30):
        offsets, covariance, chi2 = one_by_one(m, star, prior)
        error = np.sqrt(np.diag(covariance))
        np.testing.assert_allclose((got.offsets[star] - offsets) / error, 0, atol=1e-8)
        np.testing.assert_allclose((got.covariance[star] - covariance) / np.outer(error, error), 0, atol=1e-8)
        assert got.chi2[star] == pytest.approx(chi2, rel=1e-8)


def pulls_are_normal(error, covariance):
    """Mean, width and distribution of each parameter's pulls, and of the joint chi-square."""
    n = len(error)
    for k in range(5):
        pull = error[:, k] / np.sqrt(covariance[:, k, k])
        assert abs(pull.mean()) < 4 / np.sqrt(n)
        assert abs(pull.std() - 1) < 4 / np.sqrt(2 * n)
        assert stats.kstest(pull, "norm").pvalue > 1e-3
    joint = np.einsum("ni,nij,nj->n", error, np.linalg.inv(covariance), error)
    assert abs(joint.mean() / 5 - 1) < 4 * np.sqrt(2 / (5 * n))


@pytest.mark.parametrize("with_prior", [False, True])
def test_pulls_are_standard_normal(with_prior):
    """4,000 stars in 100 orbits: pulls N(0, 1), chi-square of its degrees of freedom."""
    m = mock(n_star=4000, seed=7)
    got = solve(m, some_prior(m.truth) if with_prior else None)
    pulls_are_normal(got.offsets - m.truth, got.covariance)
    dof = got.dof.sum()
    assert abs(got.chi2.sum() / dof - 1) < 4 * np.sqrt(2 / dof)
    assert (got.dof == 2 * got.n_orbit - (0 if with_prior else 5)).all()
    assert (got.flags == (Flag.HAS_PRIOR if with_prior else 0)).all()
    assert (got.common_mode == 0).all()


def test_noise_free_positions_give_the_truth():
    """Exact parameters back to 1e-9 mas, with and without few orbits."""
    m = mock(n_star=50)
    quiet = mock(n_star=50)
    at = triads(m.ra, m.dec)
    b = m.orbits.b[m.data.orbit].T
    east, north, radial = ((axis[:, m.data.star] * b).sum(axis=0) for axis in at)
    t = m.orbits.t[m.data.orbit] + DELAY * radial
    s = m.truth[m.data.star].T
    data = quiet.data._replace(a=s[0] + t * s[3] - s[2] * east, d=s[1] + t * s[4] - s[2] * north)
    got = solve_motion(data, m.ra, m.dec, m.orbits)
    np.testing.assert_allclose(got.offsets, m.truth, atol=1e-9)


def test_order_of_the_positions_does_not_matter():
    """Permuted observations and stars: 1e-10 sigma."""
    m = mock(n_star=60)
    order = np.random.default_rng(5).permutation(len(m.data.a))
    got = solve_motion(OrbitPositions(*(x[order] for x in m.data)), m.ra, m.dec, m.orbits)
    expected = solve(m)
    error = np.sqrt(np.diagonal(expected.covariance, axis1=1, axis2=2))
    np.testing.assert_allclose((got.offsets - expected.offsets) / error, 0, atol=1e-10)


def test_still_sources_have_normal_means():
    """Sources at rest: weighted means with pulls N(0, 1) on both axes and an honest chi-square."""
    m = mock(n_star=3000, seed=3)
    s, at, b = m.truth[m.data.star].T, triads(m.ra, m.dec), m.orbits.b[m.data.orbit].T
    east, north, radial = ((axis[:, m.data.star] * b).sum(axis=0) for axis in at)
    t = m.orbits.t[m.data.orbit] + DELAY * radial
    data = m.data._replace(a=m.data.a - t * s[3] + s[2] * east, d=m.data.d - t * s[4] + s[2] * north)
    got = mean_positions(data, 3000)
    error = got.offsets - m.truth[:, :2]
    for k in range(2):
        pull = error[:, k] / np.sqrt(got.covariance[:, k, k])
        assert stats.kstest(pull, "norm").pvalue > 1e-3
    chance = stats.chi2(got.dof).cdf(got.chi2)
    assert stats.kstest(chance, "uniform").pvalue > 1e-3
    moving = mean_positions(m.data, 3000)
    assert np.median(moving.chi2 / moving.dof) > 5


def test_noise_of_orbits_is_found_and_honest():
    """A tenth of the orbits shifted by 3 mas rms: found within a third, and pulls N(0, 1) with it only.

    A single star's errors are right over many draws of the shifts; stars of one draw share them, so each of
    the 60 stars is taken from a survey of its own.
    """
    error, covariance, plain = [], [], []
    for seed in range(60):
        rng = np.random.default_rng(100 + seed)
        shift = rng.normal(0, 3, (40, 2)) * (np.arange(40) % 10 == 3)[:, None]
        m = mock(n_star=80, n_orbit=40, seed=seed, shift=shift, seen=0.9)
        got = solve(m, common_mode=True)
        noisy = got.common_mode > 0
        assert not noisy[np.arange(40) % 10 != 3].any()
        rms = np.sqrt(np.mean(shift**2, axis=1))
        large = rms > 1.5
        np.testing.assert_allclose(got.common_mode[large], rms[large], rtol=0.33)
        assert (got.flags & Flag.EXCESS_NOISE).any() == noisy.any()
        error.append(got.offsets[0] - m.truth[0])
        covariance.append(got.covariance[0])
        without = solve(m)
        plain.append((without.offsets[0] - m.truth[0]) / np.sqrt(np.diag(without.covariance[0])))
    pulls = np.array(error) / np.sqrt(np.diagonal(np.array(covariance), axis1=1, axis2=2))
    assert pulls.std() == pytest.approx(1, abs=4 / np.sqrt(2 * 300))
    assert np.array(plain).std() > 1.3


def test_noise_of_every_orbit_is_found():
    """All orbits shifted by 1 mas rms: found within 10 per cent, chi-square honest again to 2 per cent."""
    shift = np.random.default_rng(2).normal(0, 1, (60, 2))
    m = mock(n_star=1000, n_orbit=60, shift=shift)
    got = solve(m, common_mode=True)
    rms = np.sqrt(np.mean(got.common_mode**2))
    # The solution of the stars takes up some of it: 5 of 120 residuals.
    assert rms == pytest.approx(np.sqrt(np.mean(shift**2)), rel=0.1)
    assert got.chi2.sum() / got.dof.sum() == pytest.approx(1, abs=0.02)
    assert solve(m).chi2.sum() / got.dof.sum() > 1.5


def test_quiet_orbits_are_left_alone():
    """Without common noise the option changes nothing at all."""
    m = mock(n_star=200)
    got, expected = solve(m, common_mode=True), solve(m)
    np.testing.assert_array_equal(got.common_mode, 0)
    np.testing.assert_array_equal(got.offsets, expected.offsets)


def few(m, star, n_orbit):
    """The mock with that star in its first orbits only."""
    rank = np.full(len(m.data.star), -1)
    mine = np.flatnonzero(m.data.star == star)
    rank[mine] = np.arange(len(mine))
    return m._replace(data=OrbitPositions(*(x[rank < n_orbit] for x in m.data)))


def test_too_few_orbits_give_a_mean_position():
    """Two orbits: two parameters, the rest missing; the mean of the two; none: nothing."""
    m = few(few(mock(n_star=10), 3, 2), 5, 0)
    got = solve(m)
    mean = mean_positions(m.data, 10)
    assert got.flags[3] == Flag.TWO_PARAMETERS
    assert got.flags[5] == Flag.NOT_SEEN
    np.testing.assert_allclose(got.offsets[3, :2], mean.offsets[3])
    np.testing.assert_allclose(got.covariance[3, :2, :2], mean.covariance[3])
    assert got.dof[3] == 2
    assert got.chi2[3] == pytest.approx(mean.chi2[3])
    columns = motion_columns(np.arange(10), m.ra, m.dec, got, 2032.0)
    for name in ("parallax", "pmra", "pmdec", "parallax_error", "ra_pmra_corr"):
        assert np.isnan(columns[name][[3, 5]]).all()
        assert np.isfinite(np.delete(columns[name], [3, 5])).all()
    assert np.isfinite(columns["ra_dec_corr"][3])
    assert np.isnan(columns["ra"][5])
    assert (columns["n_orbit"][[3, 5]] == [2, 0]).all()


def test_priors_decide_where_orbits_do_not():
    """One orbit with a prior, as scipy; no orbit: the prior itself."""
    m = few(few(mock(n_star=10), 3, 1), 5, 0)
    prior = some_prior(m.truth)
    prior.mean[7:] = np.nan
    got = solve(m, prior)
    offsets, covariance, chi2 = one_by_one(m, 3, prior)
    np.testing.assert_allclose(got.offsets[3], offsets, atol=1e-8)
    np.testing.assert_allclose(got.covariance[3], covariance, rtol=1e-6, atol=1e-10)
    assert got.chi2[3] == pytest.approx(chi2)
    assert got.flags[3] == Flag.HAS_PRIOR | Flag.PRIOR_DECIDES
    assert got.flags[5] == Flag.HAS_PRIOR | Flag.PRIOR_DECIDES | Flag.NOT_SEEN
    np.testing.assert_allclose(got.offsets[5], prior.mean[5], atol=1e-9)
    np.testing.assert_allclose(got.covariance[5], prior.covariance[5], rtol=1e-6)
    assert (got.flags[7:] == 0).all()


def test_a_weak_prior_changes_little():
    """100 mas, 20 mas, 50 mas/yr about 0: below 0.05 sigma where the data tell all five parameters."""
    m = mock(n_star=100)
    wide = np.broadcast_to(np.diag([1e3, 1e3, 20.0, 50, 50]) ** 2, (100, 5, 5))
    got, expected = solve(m, Prior(np.zeros((100, 5)), wide)), solve(m)
    error = np.sqrt(np.diagonal(expected.covariance, axis1=1, axis2=2))
    assert (np.abs(got.offsets - expected.offsets) / error < 0.05).all()


def test_columns_are_those_of_gaia():
    """Positions by spherical trigonometry (ERFA) to 1e-3 uas; errors and correlations of the covariance."""
    m = mock(n_star=40)
    got = solve(m)
    columns = motion_columns(np.arange(40) + 5, m.ra, m.dec, got, 2032.0)
    expected = erfa.tpsts(
        *(np.radians(x / 3.6e6) for x in got.offsets[:, :2].T), np.radians(m.ra), np.radians(m.dec)
    )
    np.testing.assert_allclose([columns["ra"], columns["dec"]], np.degrees(expected), rtol=0, atol=2e-13)
    assert {*ERRORS, *CORRELATIONS} < set(columns)
    np.testing.assert_allclose(columns["pmra_error"] ** 2, got.covariance[:, 3, 3])
    np.testing.assert_array_equal(columns["pmdec"], got.offsets[:, 4])
    assert (columns["ref_epoch"] == 2032.0).all()
    counted = np.bincount(m.data.star, m.data.n_exposure, minlength=40)
    np.testing.assert_array_equal(columns["n_obs"], counted)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("a", np.nan, "a = nan"),
        ("d", np.inf, "d = inf"),
        ("a_error", 0.0, "a_error = 0.0"),
        ("d_error", -1.0, "d_error = -1.0"),
        ("ad_corr", 1.0, "ad_corr = 1.0"),
        ("star", 99, "belongs to no source or orbit"),
        ("orbit", -1, "belongs to no source or orbit"),
    ],
)
def test_bad_positions_are_refused(name, value, message):
    """What was found, and in which source and orbit."""
    m = mock(n_star=10)
    values = getattr(m.data, name).copy()
    values[3] = value
    with pytest.raises(ValueError, match=message):
        solve_motion(m.data._replace(**{name: values}), m.ra, m.dec, m.orbits)


def test_two_positions_of_a_source_in_one_orbit_are_refused():
    """They would not be independent."""
    m = mock(n_star=10)
    twice = OrbitPositions(*(np.concatenate([x, x[:1]]) for x in m.data))
    with pytest.raises(ValueError, match="two positions in one orbit"):
        solve_motion(twice, m.ra, m.dec, m.orbits)


def test_nonsense_options_are_refused():
    """At once, by name."""
    with pytest.raises(ValueError, match="n_iteration"):
        MotionOptions(n_iteration=0)
