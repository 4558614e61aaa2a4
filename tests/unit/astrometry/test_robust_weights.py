"""Weights, the loss they belong to, and their expectations; maps between planes."""

import numpy as np
import pytest
from scipy import integrate, stats

from galcen.astrometry import weights
from galcen.astrometry.plane_map import fit_map
from galcen.astrometry.plate_polynomial import basis, gradient, n_terms, powers
from galcen.astrometry.robust_weights import BAD, as_one_axis, loss, normal_errors, weight


def test_weight_is_the_published_function():
    """1, 0.917 (cubic), exp(-1) and exp(-5/3) at |z| = 2, 2.25, 3, 5, to 1e-6; continuous at 3."""
    cubic = 1 - 1.773735 * 0.25**2 + 1.141615 * 0.25**3
    got = weight(np.array([-2.0, 2.25, 3.0 - 1e-12, 5.0]))
    np.testing.assert_allclose(got, [1, cubic, np.exp(-1), np.exp(-5 / 3)], atol=1e-6)


def test_weights_are_those_of_the_compiled_solutions():
    """Both modules give the same weight for one axis to 1e-12 and for two to 1e-6, and call the same bad."""
    z = np.linspace(0, 12, 500)
    np.testing.assert_allclose(weight(z), np.asarray(weights.weight(z)), rtol=0, atol=1e-12)
    two = np.asarray(weights.two_axis_weight(z, 0.5 * z))
    np.testing.assert_allclose(weight(as_one_axis(1.25 * z**2)), two, rtol=0, atol=1e-6)
    assert weights.BAD == BAD


def test_loss_is_the_integral_of_weight_times_residual():
    """Against quadrature, to 1e-5 (the published cubic meets the tail to 1e-6)."""
    for z in (1.0, 2.5, 3.0, 7.0, 40.0):
        expected = integrate.quad(lambda t: t * float(weight(np.array([t]))[0]), 0, z, points=[2, 3])[0]
        assert float(loss(np.array([z]))[0]) == pytest.approx(expected, abs=1e-5)


def test_two_axes_count_as_one_of_the_same_probability():
    """P(|z| > ours) equals P(chi2_2 > square) to 1e-10 relative, and holds where both underflow."""
    square = np.array([0.1, 1.0, 9.0, 60.0])
    np.testing.assert_allclose(2 * stats.norm.sf(as_one_axis(square)), stats.chi2.sf(square, 2), rtol=1e-10)
    # The tail of a normal distribution: z^2 = square up to logarithms.
    assert float(as_one_axis(np.array([1e6]))[0]) == pytest.approx(1e3, rel=1e-4)


def test_expectations_under_normal_errors():
    """E[w r^2]/2 by simulation to 5 standard errors; variance of weighted means to 7 % (3 sigma)."""
    rng = np.random.default_rng(1)
    draws = rng.normal(size=(400_000, 2))
    w = weight(as_one_axis((draws**2).sum(axis=1)))
    sample = w * (draws**2).sum(axis=1) / 2
    error = sample.std() / np.sqrt(len(sample))
    assert abs(sample.mean() - normal_errors().chi2) < 5 * error
    # Means of groups of 200, reweighted until they stay, whose spread is what the factor predicts.
    groups, share = draws.reshape(2000, 200, 2), w.reshape(2000, 200)
    place = np.zeros((2000, 2))
    for _ in range(20):
        share = weight(as_one_axis(((groups - place[:, None]) ** 2).sum(axis=2)))
        place = (share[:, :, None] * groups).sum(axis=1) / share.sum(axis=1)[:, None]
    predicted = normal_errors().covariance / share.sum(axis=1).mean()
    # 4000 numbers: the variance is known to 2.2 %.
    assert place.var() / predicted == pytest.approx(1, abs=0.07)


def test_gradient_is_the_derivative_of_the_terms():
    """Against central differences, to 1e-8, for orders 1 to 5."""
    place, step = np.random.default_rng(2).uniform(-1, 1, (20, 2)), 1e-6
    for order in range(1, 6):
        assert len(powers(order)) == n_terms(order)
        for axis in (0, 1):
            away = step * np.eye(2)[axis]
            expected = (basis(order, place + away) - basis(order, place - away)) / (2 * step)
            np.testing.assert_allclose(gradient(order, place)[:, :, axis], expected, atol=1e-8)


def test_map_is_found_among_wrong_points():
    """An affine map comes back to 1e-3 of the error of a fifth of the points, which keep weights of 1e-6."""
    rng = np.random.default_rng(3)
    source = rng.uniform(0, 1000, (40, 2))
    matrix = np.array([[0.9, 0.3], [-0.3, 0.9]])
    target = source @ matrix + [10, -20]
    wrong = target.copy()
    wrong[:8] += rng.uniform(50, 100, (8, 2))
    got = fit_map(source, wrong, 1)
    np.testing.assert_allclose(got(source), target, rtol=0, atol=1e-3)


def test_map_refuses_fewer_points_than_terms():
    """Three terms from two points."""
    with pytest.raises(ValueError, match="2 points"):
        fit_map(np.eye(2), np.eye(2), 1)
