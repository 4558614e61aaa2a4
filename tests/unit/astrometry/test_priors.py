"""Priors from a catalogue: covariances at another epoch against Monte Carlo and automatic differentiation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from galcen.astrometry.priors import PriorOptions, catalogue_of, motion_prior, position_prior, transition
from galcen.errors import SchemaError
from galcen.mapping.catalogue_covariance import CORRELATIONS, ERRORS, columns_of
from galcen.mapping.space_motion import SpaceMotion, offsets, propagated, triads

B = np.array([0.6, -0.7, -0.3])
PLAIN = PriorOptions(ruwe_inflation=False)


def entries(n=300, seed=2):
    """Sources with random errors, motions and correlation matrices."""
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(n, 5, 7))
    covariance = factor @ factor.transpose(0, 2, 1)
    error = rng.uniform(0.02, 0.3, (n, 5))
    scale = error / np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    covariance *= scale[:, :, None] * scale[:, None, :]
    return {
        "source_id": np.arange(n),
        "ra": rng.uniform(265, 268, n),
        "dec": rng.uniform(-30, -28, n),
        "parallax": rng.uniform(0.1, 3, n),
        "pmra": rng.normal(0, 5, n),
        "pmdec": rng.normal(0, 5, n),
        "ref_epoch": np.full(n, 2016.0),
        "ruwe": rng.uniform(0.8, 2.0, n),
        **columns_of(covariance),
    }


def linear(parameters, years, east, north):
    """The offsets on the sky of the linear model, term by term."""
    a, d, parallax, pma, pmd = parameters
    return np.array([a + years * pma - parallax * east, d + years * pmd - parallax * north])


def test_position_prior_is_that_of_drawn_sources():
    """Mean and covariance of 400,000 draws from the catalogue's covariance, moved one by one: 1 per cent."""
    columns = entries()
    catalogue, rng = catalogue_of(columns), np.random.default_rng(4)
    prior = position_prior(catalogue, 2032.3, B, PLAIN)
    at = triads(columns["ra"], columns["dec"])
    for n in range(5):
        mean = np.array([0, 0, *(columns[name][n] for name in ("parallax", "pmra", "pmdec"))])
        drawn = rng.multivariate_normal(mean, catalogue.covariance[n], 400_000).T
        moved = linear(drawn, 16.3, at.east[:, n] @ B, at.north[:, n] @ B)
        expected = np.cov(moved)
        width = np.sqrt(np.diag(expected))
        # The Roemer delay of 5 minutes is 0.05 uas for 5 mas/yr; the draws' own mean scatters by more.
        np.testing.assert_allclose((prior.mean[n] - moved.mean(axis=1)) / width, 0, atol=0.01)
        np.testing.assert_allclose((prior.covariance[n] - expected) / np.outer(width, width), 0, atol=0.01)


def test_motion_prior_is_the_derivative_of_exact_propagation():
    """Exact A of space motion with perspective, 100 km/s, 16 years: errors agree to 3e-4."""
    columns = entries(5)
    catalogue = catalogue_of(columns)
    prior = motion_prior(catalogue, 2032.0, PLAIN)

    def moved(s, *at):
        mas = jnp.pi / 180 / 3.6e6
        radial = 100.0 * s[2] * mas / 4.74047
        start = at[2] + mas * (s[0] * at[0] + s[1] * at[1])
        velocity = mas * (s[3] * at[0] + s[4] * at[1]) + radial * at[2]
        place = start + 16.0 * velocity
        depth = place @ at[2]
        away = velocity @ at[2] / depth
        motion = [(velocity @ at[k] / depth - place @ at[k] / depth * away) / mas for k in (0, 1)]
        return jnp.array(
            [
                place @ at[0] / depth / mas,
                place @ at[1] / depth / mas,
                s[2] / jnp.sqrt(place @ place),
                *motion,
            ]
        )

    step_of = jax.jit(jax.jacfwd(moved))
    for n in range(5):
        s = jnp.array([0, 0, *(columns[name][n] for name in ("parallax", "pmra", "pmdec"))])
        at = [jnp.asarray(axis[:, n]) for axis in triads(columns["ra"], columns["dec"])]
        step = np.asarray(step_of(s, *at))
        expected = step @ catalogue.covariance[n] @ step.T
        width = np.sqrt(np.diag(expected))
        np.testing.assert_allclose((prior.covariance[n] - expected) / np.outer(width, width), 0, atol=6e-4)
        np.testing.assert_allclose(prior.mean[n], moved(s, *at), atol=1e-2)


def test_means_are_those_of_space_motion():
    """Offsets at 2032 of the propagated catalogue: 1 uas, parallax and motion as they are."""
    columns = entries()
    prior = motion_prior(catalogue_of(columns), 2032.0, PLAIN)
    names = ("ra", "dec", "parallax", "pmra", "pmdec")
    moved = propagated(SpaceMotion(*(columns[name] for name in names), np.zeros(300)), 16.0)
    a, d = offsets(moved.ra, moved.dec, columns["ra"], columns["dec"])
    np.testing.assert_allclose(prior.mean[:, 0], a, atol=1e-3)
    np.testing.assert_allclose(prior.mean[:, 1], d, atol=1e-3)
    np.testing.assert_allclose(prior.mean[:, 2:].T, [columns[name] for name in names[2:]])


def test_priors_of_two_and_five_parameters_agree():
    """The prior of an orbit's position is that of the five parameters at its time, seen from its place."""
    catalogue = catalogue_of(entries())
    at = triads(catalogue.ra, catalogue.dec)
    five = motion_prior(catalogue, 2032.0, PLAIN)
    two = position_prior(catalogue, 2032.0, B, PLAIN)
    delay = 499.004783836 / (365.25 * 86400) * (B @ at.radial)
    view = np.zeros((300, 2, 5))
    view[:, 0, 0] = view[:, 1, 1] = 1
    view[:, 0, 2], view[:, 1, 2] = -(B @ at.east), -(B @ at.north)
    view[:, 0, 3] = view[:, 1, 4] = delay
    np.testing.assert_allclose(two.mean, np.einsum("nij,nj->ni", view, five.mean), atol=1e-12)
    np.testing.assert_allclose(two.covariance, view @ five.covariance @ view.transpose(0, 2, 1), rtol=1e-9)


def test_errors_are_honest_at_the_later_epoch():
    """Drawn about the truth: chi-square of 2 degrees at another epoch (KS); not so by the linear sum (T5)."""
    columns = entries(4000, seed=8)
    motions = [columns[name] for name in ("parallax", "pmra", "pmdec")]
    truth = np.stack([np.zeros(4000), np.zeros(4000), *motions], axis=-1)
    lower = np.linalg.cholesky(catalogue_of(columns).covariance)
    error = np.einsum("nij,nj->ni", lower, np.random.default_rng(9).normal(size=(4000, 5)))
    for name, k in (("parallax", 2), ("pmra", 3), ("pmdec", 4)):
        columns[name] = truth[:, k] + error[:, k]
    catalogue = catalogue_of(columns)
    chance = {}
    for propagation in ("covariance", "linear_sum"):
        options = PriorOptions(propagation=propagation, ruwe_inflation=False)
        for epoch in (2032.0, 2010.0):
            try:
                prior = motion_prior(catalogue, epoch, options)
            except SchemaError:
                chance[propagation, epoch] = None
                continue
            shift = prior.mean - np.einsum("nij,nj->ni", transition(epoch - columns["ref_epoch"]), truth)
            shift[:, :2] += error[:, :2]
            inverse = np.linalg.inv(prior.covariance[:, :2, :2])
            chi2 = np.einsum("ni,nij,nj->n", shift[:, :2], inverse, shift[:, :2])
            chance[propagation, epoch] = stats.kstest(chi2, stats.chi2(2).cdf).pvalue
    assert chance["covariance", 2032.0] > 1e-3
    assert chance["covariance", 2010.0] > 1e-3
    assert chance["linear_sum", 2032.0] < 1e-10
    assert chance["linear_sum", 2010.0] is None


def test_linear_sum_is_the_reference_s():
    """sigma_0 + t sigma_mu on the diagonal, nothing beside it; signed t (T5)."""
    columns = entries()
    options = PriorOptions(propagation="linear_sum", ruwe_inflation=False)
    prior = motion_prior(catalogue_of(columns), 2032.0, options)
    expected = columns["ra_error"] + 16 * columns["pmra_error"]
    np.testing.assert_allclose(np.sqrt(prior.covariance[:, 0, 0]), expected)
    assert np.count_nonzero(prior.covariance) == 5 * 300
    columns |= {"pmra_error": np.full(300, 0.1), "ra_error": np.full(300, 0.2)}
    columns["pmdec_error"] = np.full(300, 1e-6)
    before = motion_prior(catalogue_of(columns), 2015.0, options)
    np.testing.assert_allclose(np.sqrt(before.covariance[:, 0, 0]), 0.1)
    honest = motion_prior(catalogue_of(columns | {n: np.zeros(300) for n in CORRELATIONS}), 2015.0, PLAIN)
    np.testing.assert_allclose(np.sqrt(honest.covariance[:, 0, 0]), np.hypot(0.2, 0.1))
    with pytest.raises(SchemaError, match="source 0: sigma_0"):
        motion_prior(catalogue_of(columns), 2014.0, options)


def test_right_ascension_error_holds_cos_dec():
    """As in Gaia the error is that on the sky; taken for that of ra itself it shrinks by cos dec (T4)."""
    columns = entries()
    sky = motion_prior(catalogue_of(columns), 2016.0, PLAIN)
    np.testing.assert_allclose(np.sqrt(sky.covariance[:, 0, 0]), columns["ra_error"])
    plain = PriorOptions(ruwe_inflation=False, ra_error="coordinate")
    coordinate = motion_prior(catalogue_of(columns), 2016.0, plain)
    ratio = np.sqrt(coordinate.covariance[:, 0, 0] / sky.covariance[:, 0, 0])
    np.testing.assert_allclose(ratio, np.cos(np.radians(columns["dec"])))
    assert 1 / ratio.mean() - 1 == pytest.approx(0.14, abs=0.01)
    np.testing.assert_array_equal(coordinate.covariance[:, 1:, 1:], sky.covariance[:, 1:, 1:])


def test_ruwe_widens_and_never_narrows():
    """Errors times RUWE above 1; a missing RUWE changes nothing."""
    columns = entries()
    columns["ruwe"][:10] = np.nan
    plain = motion_prior(catalogue_of(columns), 2032.0, PLAIN)
    wide = motion_prior(catalogue_of(columns), 2032.0, PriorOptions())
    ratio = np.sqrt(wide.covariance[:, 0, 0] / plain.covariance[:, 0, 0])
    np.testing.assert_allclose(ratio, np.where(columns["ruwe"] > 1, columns["ruwe"], 1.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pmra": np.nan}, "source 0: pmra is not finite"),
        ({"ra": np.nan}, "source 0: ra is not finite"),
        ({"dec_error": 0.0}, "source 0: dec_error is not a finite number above 0; a prior of no width"),
    ],
)
def test_bad_values_are_named(change, message):
    """The source and the column."""
    columns = entries()
    for name, value in change.items():
        columns[name][0] = value
    with pytest.raises(SchemaError, match=message):
        catalogue_of(columns)


def test_missing_columns_are_named():
    """Position, motion and errors are all needed, RUWE is not."""
    columns = entries()
    del columns["ruwe"]
    assert np.isnan(catalogue_of(columns).ruwe).all()
    for name in ("ref_epoch", ERRORS[2]):
        with pytest.raises(SchemaError, match=f"no column {name}"):
            catalogue_of({key: value for key, value in columns.items() if key != name})


def test_unknown_options_are_refused():
    """By name."""
    with pytest.raises(ValueError, match="propagation = sum"):
        PriorOptions(propagation="sum")
    with pytest.raises(ValueError, match="ra_error = ra"):
        PriorOptions(ra_error="ra")
