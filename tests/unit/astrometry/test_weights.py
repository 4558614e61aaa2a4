"""Weights of residuals and of priors, against scipy and direct solutions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from galcen.astrometry.weights import (
    BAD,
    equivalent_z,
    is_kept,
    prior_chi2,
    prior_weight,
    two_axis_weight,
    weight,
)


def test_weight_is_one_in_the_middle_and_falls_beyond():
    """1 up to 2 sigma, exp(-z/3) from 3, 0.2 at 4.83, the same for both signs."""
    z = np.linspace(-2, 2, 21)
    np.testing.assert_array_equal(weight(z), 1.0)
    far = np.linspace(3, 100, 50)
    np.testing.assert_allclose(weight(far), np.exp(-far / 3))
    np.testing.assert_array_equal(weight(-far), weight(far))
    assert weight(-3 * np.log(BAD)) == pytest.approx(BAD)
    assert np.isnan(weight(jnp.nan))


def test_pieces_join_smoothly():
    """Value and slope agree at 2 and 3 to the six digits of the coefficients; the weight never rises."""
    slope = jax.vmap(jax.grad(weight))
    for knot in (2.0, 3.0):
        below, above = jnp.array([knot - 1e-9]), jnp.array([knot + 1e-9])
        np.testing.assert_allclose(weight(below), weight(above), atol=2e-6)
        np.testing.assert_allclose(slope(below), slope(above), atol=3e-6)
    assert (np.diff(weight(np.linspace(0, 50, 5001))) <= 2e-6).all()


@pytest.mark.parametrize("n_axis", [1, 2, 3, 5])
def test_equivalent_z_has_the_same_tail(n_axis):
    """Logarithm of the normal tail as scipy's of the chi-square: 1e-6 to 37 sigma; finite beyond."""
    chi2 = np.concatenate([[1e-6], np.geomspace(1e-3, 1350, 300)])
    z = np.asarray(equivalent_z(chi2, n_axis))
    expected = stats.chi2(n_axis).logsf(chi2)
    got = np.log(2) + stats.norm.logsf(z)
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-7)
    far = np.asarray(equivalent_z(np.array([1e3, 1e4, 1e6, 1e9]), n_axis))
    np.testing.assert_allclose(far, np.sqrt([1e3, 1e4, 1e6, 1e9]), rtol=0.02)
    assert (np.diff(far) > 0).all()
    assert equivalent_z(np.zeros(1), n_axis)[0] == pytest.approx(0, abs=1e-7)


def test_two_axes_are_judged_like_one():
    """As many of 1e6 normal residuals are weighted down on two axes as on one, 4.55 per cent: 4 sigma."""
    x, y = np.random.default_rng(1).normal(size=(2, 1_000_000))
    part = np.mean(np.asarray(two_axis_weight(x, y)) < 1)
    expected = 2 * stats.norm.sf(2)
    assert part == pytest.approx(expected, abs=4 * np.sqrt(expected / 1e6))
    assert np.mean(np.asarray(weight(np.hypot(x, y))) < 1) > 2 * expected


def test_weights_work_inside_jit():
    """Compiled and plain results agree to rounding, gradients are finite."""
    x = jnp.linspace(0.1, 30, 50)
    np.testing.assert_allclose(jax.jit(two_axis_weight)(x, 0.5 * x), two_axis_weight(x, 0.5 * x), rtol=1e-12)
    assert np.isfinite(jax.vmap(jax.grad(two_axis_weight))(x, x)).all()


def combined(n, k, applied, seed=1, bad=0.0):
    """Priors and data of n sources with k parameters, and their solution with weighted priors."""
    rng = np.random.default_rng(seed)
    prior, data = (
        (lambda f: f @ f.transpose(0, 2, 1))(rng.normal(size=(n, k, k + 2)) * width) for width in (1.0, 0.7)
    )
    mean = np.einsum("nij,nj->ni", np.linalg.cholesky(prior), rng.normal(size=(n, k))) + bad
    measured = np.einsum("nij,nj->ni", np.linalg.cholesky(data), rng.normal(size=(n, k)))
    weighted = np.linalg.inv(prior) * applied[:, None, None]
    posterior = np.linalg.inv(weighted + np.linalg.inv(data))
    right = np.einsum("nij,nj->ni", weighted, mean) + np.einsum("nij,nj->ni", np.linalg.inv(data), measured)
    return prior, data, mean, measured, posterior, np.einsum("nij,nj->ni", posterior, right)


@pytest.mark.parametrize("n_par", [2, 5])
def test_prior_chi2_is_that_of_the_data_alone(n_par):
    """Mean minus data alone in units of both errors to 1e-8, whatever weight the prior had; KS."""
    applied = np.random.default_rng(3).uniform(0.05, 1, 3000)
    prior, data, mean, measured, posterior, solution = combined(3000, n_par, applied)
    got = np.asarray(prior_chi2(solution - mean, prior, posterior, applied))
    shift = measured - mean
    expected = np.einsum("ni,nij,nj->n", shift, np.linalg.inv(prior + data), shift)
    np.testing.assert_allclose(got, expected, rtol=1e-8)
    assert stats.kstest(got, stats.chi2(n_par).cdf).pvalue > 1e-3


def test_prior_without_data_is_not_judged():
    """A source that no datum reaches has its prior as solution: chi-square 0, weight 1."""
    prior = np.eye(5)[None] * 4.0
    chi2 = prior_chi2(np.zeros((1, 5)), prior, prior)
    assert chi2[0] == 0
    assert prior_weight(chi2, 5)[0] == 1
    assert is_kept(chi2, 5)[0]


def test_wrong_priors_lose_their_weight():
    """Good priors keep weight 1 but for 5 per cent; those wrong by 30 units are bad and left out."""
    good = combined(2000, 2, np.ones(2000))
    chi2 = prior_chi2(good[5] - good[2], good[0], good[4])
    assert np.mean(np.asarray(prior_weight(chi2, 2)) < 1) == pytest.approx(0.0455, abs=0.02)
    assert np.mean(~np.asarray(is_kept(chi2, 2))) < 0.002
    wrong = combined(2000, 2, np.ones(2000), bad=30.0)
    chi2 = prior_chi2(wrong[5] - wrong[2], wrong[0], wrong[4])
    assert np.mean(np.asarray(prior_weight(chi2, 2)) < BAD) > 0.95
    assert np.mean(~np.asarray(is_kept(chi2, 2))) > 0.95
