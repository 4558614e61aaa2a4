"""The likelihood of motions against averages over drawn velocities, direct integrals and no data."""

import jax.numpy as jnp
import numpy as np
import pytest

from galcen import config
from galcen.catalogue.kinematic_likelihood import Motions, along_galactic_axes, ln_kinematic
from galcen.catalogue.score_integral import ln_score_integrals
from galcen.catalogue.velocity import phase_space
from galcen.galaxy.components import BAR, NSC, NSD
from galcen.galaxy.kinematics import disc
from galcen.galaxy.kinematics.disc_velocities import DiscVelocities
from galcen.galaxy.observables import icrs_proper_motion
from galcen.io.model_tables import read_tables
from galcen.random import stage_key
from galcen.stages.galaxy_model import build_galaxy
from galcen.stages.posterior import infer

N_DRAW = 200_000
PM, RV = (0, 1), (2,)


@pytest.fixture(scope="module")
def galaxy():
    settings = config.parse({})
    return build_galaxy(settings.galaxy, settings.extinction, read_tables()[0])


@pytest.fixture(scope="module")
def table(galaxy):
    return DiscVelocities.build(galaxy.kinematics.shu)


@pytest.mark.parametrize("comp", range(12))
@pytest.mark.parametrize("given", [PM, RV, PM + RV])
def test_agrees_with_an_average_over_draws(galaxy, table, comp, given):
    """K is the mean of N(o; observables of drawn velocities), within 5 standard errors of the mean or 1 %.

    The draws share neither moments nor projections with K. The bar is looked at where few of its draws are
    cut at the escape speed.
    """
    lon, lat, dist = (5.0, -0.8, 7000.0) if comp == BAR else (0.7, -0.25, 7990.0)
    place = [np.full(N_DRAW, x) for x in (np.radians(lon), np.radians(lat), dist)]
    motion = phase_space(galaxy, stage_key(6, "test"), np.arange(N_DRAW), np.full(N_DRAW, comp), *place)
    drawn = np.stack([motion.pmra, motion.pmdec, motion.radial_velocity])
    spread = drawn.std(axis=1)
    value = drawn.mean(axis=1) + np.array([0.8, -0.5, 0.9]) * spread
    error = np.array([0.3, 0.5, 0.4]) * spread
    use = list(given)
    excess = (drawn[use] - value[use, None]) / error[use, None]
    density = np.exp(-0.5 * (excess**2).sum(axis=0)) / np.prod(np.sqrt(2 * np.pi) * error[use])
    seen = np.where(np.isin(np.arange(3), use), value, np.nan)[:, None]
    angles = place[0][:1], place[1][:1]
    got = ln_kinematic(galaxy, table, Motions(seen, error[:, None]), *angles, np.full((1, 1), dist))
    tolerance = 5 * density.std() / np.sqrt(N_DRAW) / density.mean() + 0.01
    assert np.exp(got[comp, 0, 0]) == pytest.approx(density.mean(), rel=tolerance)


def test_galactic_axes_of_a_measurement():
    """Value and covariance turned as a sample of measurements is, within 5 standard errors."""
    lon, lat = np.radians([0.4]), np.radians([-0.2])
    measured = along_galactic_axes(
        Motions(np.array([[-3.0], [-5.0], [40.0]]), np.array([[0.3], [0.1], [2.0]])), lon, lat
    )
    rng, n = np.random.default_rng(1), 200_000
    pm = np.array([[-3.0], [-5.0]]) + np.array([[0.3], [0.1]]) * rng.normal(size=(2, n))
    # The inverse rotation, solved for: its matrix is what unit motions along l and b become.
    unit = np.array(
        [icrs_proper_motion(lon, lat, np.array([a]), np.array([b])) for a, b in ((1.0, 0.0), (0.0, 1.0))]
    )[:, :, 0].T
    galactic = np.linalg.solve(unit, pm)
    np.testing.assert_allclose(measured.value[:2, 0], galactic.mean(axis=1), atol=5 * 0.3 / np.sqrt(n))
    np.testing.assert_allclose(
        measured.covariance[:2, :2, 0], np.cov(galactic), atol=5 * 0.09 * np.sqrt(2 / n)
    )
    assert measured.covariance[2, 2, 0] == pytest.approx(4.0, rel=1e-12)
    assert measured.value[2, 0] == 40.0


PLACES = [(40.0, 10.0), (300.0, 60.0), (900.0, -400.0), (2500.0, 100.0), (6000.0, -250.0), (9000.0, 600.0)]


@pytest.mark.parametrize("sigma", [1.0, 10.0, 50.0, 300.0])
@pytest.mark.parametrize("which", [0, 3, 6, 7])
def test_integral_over_the_score(galaxy, table, which, sigma):
    """Against a sum over 45,000 scores of the quantiles of `disc.azimuthal_velocity` themselves.

    ln F within 0.05: what the table loses between its nodes, 1 per cent of the dispersion of v_phi.
    """
    r, z = (np.array(part)[None] for part in zip(*PLACES, strict=True))
    scores = np.linspace(-4.5, 4.5, 91)
    for target in (-1.5, 0.0, 1.0):
        exact = np.empty(len(PLACES))
        alpha, beta = (np.zeros((8, 1, len(PLACES))) for _ in range(2))
        for k, (r_k, z_k) in enumerate(PLACES):
            at = jnp.full(1, which), jnp.full(1, r_k), jnp.full(1, z_k)
            v = np.asarray(disc.azimuthal_velocity(galaxy.kinematics.shu, *at, jnp.asarray(scores)[:, None]))
            v = v[:, 0]
            v_0 = np.interp(target, scores, v)
            fine = np.linspace(-4.5, 4.5, 45001)
            excess = (np.interp(fine, scores, v) - v_0) / sigma
            value = np.trapezoid(np.exp(-0.5 * fine**2 - 0.5 * excess**2), fine)
            exact[k] = np.log(value / np.sqrt(2 * np.pi)) + 0.5 * (v_0 / sigma) ** 2
            alpha[which, 0, k], beta[which, 0, k] = 1 / sigma**2, v_0 / sigma**2
        got = np.empty(alpha.shape)
        ln_score_integrals(table, r, z, alpha, beta, got)
        np.testing.assert_allclose(got[which, 0], exact, rtol=0, atol=0.05)


def test_nothing_observed_says_nothing(galaxy, table):
    """Ln K of stars without motions is 0 to 1e-5: the discs' scores end at 4.5."""
    nothing = Motions(np.full((3, 2), np.nan), np.full((3, 2), np.nan))
    half = Motions(np.array([[1.0, np.nan], [np.nan, 2.0], [np.nan, np.nan]]), np.ones((3, 2)))
    for motions in (nothing, half):
        got = ln_kinematic(galaxy, table, motions, np.zeros(2), np.zeros(2), np.full((2, 3), 8000.0))
        np.testing.assert_allclose(got, 0.0, atol=1e-5)


def columns_of(n):
    """A red star in the nuclear disc, `n` times, without motions."""
    names = ("pmra_obs", "pmdec_obs", "radial_velocity_obs")
    motions = {name + suffix: np.full(n, np.nan) for name in names for suffix in ("", "_error")}
    values = dict(glon=0.5125, glat=0.0625, mj=17.9, mh=14.6, mks=12.9)
    errors = {f"{name}_error": np.full(n, 0.1) for name in ("mj", "mh", "mks")}
    none = {name: np.full(n, np.nan) for name in ("parallax_obs", "parallax_obs_error", "ruwe")}
    stars = {name: np.full(n, value) for name, value in values.items()}
    return {"source_id": np.arange(n), **stars, **errors, **none, **motions}


def test_motions_shift_the_classes_as_bayes_says(galaxy, table):
    """With motions: p(i) is the average of K_i(D) over the draws without, within 5 standard errors.

    Motions of a fast rotator at the near side raise the nuclear disc; those without a word change nothing.
    """
    columns = columns_of(3)
    pmra, pmdec = icrs_proper_motion(*np.radians([[0.5125], [0.0625]]), np.array([-4.2]), np.array([-0.2]))
    columns["pmra_obs"][:2], columns["pmdec_obs"][:2] = pmra[0], pmdec[0]
    columns["pmra_obs_error"][:2] = columns["pmdec_obs_error"][:2] = [0.2, 1e5]
    many = config.parse({"posterior": {"n_sample": 1000}}).posterior
    plain = infer(galaxy, {n: np.repeat(v[2:], 16) for n, v in columns.items()} | ids(16), many, seed=1)
    options = config.parse({"posterior": {"kinematics": True}}).posterior
    got = infer(galaxy, columns, options, seed=1)
    np.testing.assert_allclose(got["probability"][:, 1], plain["probability"][:, 0], atol=1e-4)
    np.testing.assert_allclose(got["probability"][:, 2], plain["probability"][:, 0], atol=1e-4)
    comp, dist = plain["comp"].ravel(), plain["dist"].ravel()
    motions = Motions(np.array([pmra[:1], pmdec[:1], [np.nan]]), np.array([[0.2], [0.2], [np.nan]]))
    angles = np.radians([0.5125]), np.radians([0.0625])
    k = np.exp(ln_kinematic(galaxy, table, motions, *angles, dist[None]))[comp, 0, np.arange(len(dist))]
    for i in range(12):
        mine = comp == i
        if mine.sum() < 50:
            assert got["probability"][i, 0] < 0.01
            continue
        expected = k[mine].sum() / k.sum()
        error = np.sqrt(np.sum((mine - expected) ** 2 * k**2)) / k.sum()
        assert got["probability"][i, 0] == pytest.approx(expected, abs=5 * error + 1e-4)
    assert got["probability"][NSD, 0] > got["probability"][NSD, 2]
    assert got["ln_evidence"][0] - got["ln_evidence"][2] == pytest.approx(np.log(k.mean()), abs=0.05)
    assert got["probability"][NSC, 0] < 0.1


def ids(n):
    return {"source_id": np.arange(n)}
