"""The verdict on pulls: right errors pass, wrong ones are found, errors of references are allowed for."""

import numpy as np
import pytest
from scipy import stats

from galcen.astrometry.plate_quality import (
    Estimates,
    chi2_passes,
    common_frame,
    conditional_frame,
    judged,
    place_terms,
)

N = 900
N_REFERENCE = 60
FIELD = (266.4, -28.9)


def solution(seed, n_reference=N_REFERENCE, measured=1.0, scale=1.0):
    """A solution by weighted least squares: positions measured in a frame that references alone tie down.

    The frame is a free affine function in each of two axes; everything is linear, so that the posterior and
    its marginal covariances are exact.
    """
    rng = np.random.default_rng(seed)
    ra = FIELD[0] + rng.uniform(-0.4, 0.4, N) / np.cos(np.radians(FIELD[1]))
    dec = FIELD[1] + rng.uniform(-0.4, 0.4, N)
    terms = place_terms(ra, dec)
    prior = np.where(np.arange(N) < n_reference, 0.5, 100.0)
    # Unknowns: true offsets, whose prior mean is 0, and the frame. Data: offsets + frame + noise.
    weight, precision = 1 / measured**2, 1 / prior**2
    own = 1 / (weight + precision)
    schur = weight * terms.T @ terms - (terms.T * weight**2 * own) @ terms
    frame_covariance = np.linalg.inv(schur)
    variance = own + (own * weight) ** 2 * np.einsum("na,ab,nb->n", terms, frame_covariance, terms)
    miss = np.empty((N, 2))
    for axis in range(2):
        truth = rng.normal(size=N) * prior
        data = truth + terms @ rng.normal(size=3) * 5 + rng.normal(size=N) * measured
        frame = frame_covariance @ (terms.T @ (weight * data) - terms.T @ (weight**2 * own * data))
        miss[:, axis] = own * weight * (data - terms @ frame) - truth
    covariance = (scale**2 * variance)[:, None, None] * np.eye(2)
    return terms, Estimates(miss, covariance, precision[:, None, None] * np.eye(2))


def verdicts(terms, found):
    """Both axes of references and others."""
    frame = common_frame(terms, found, is_stated=True)
    error = np.sqrt(np.diagonal(found.covariance, axis1=1, axis2=2))
    is_reference = found.prior_precision[:, 0, 0] > 1
    return frame, [
        judged(frame, found.miss, error, axis, np.flatnonzero(mine))
        for mine in (is_reference, ~is_reference)
        for axis in range(2)
    ]


@pytest.mark.parametrize("n_reference", [10, 60, 600])
def test_right_errors_pass(n_reference):
    """Of 160 verdicts on exact posteriors no more fail than chance explains, few references or many."""
    found = [v.passes for seed in range(40) for v in verdicts(*solution(seed, n_reference))[1]]
    assert found.count(0) <= 3


def test_the_common_part_is_as_large_as_expected():
    """p-values of the fitted frame are uniform: 200 of them, Kolmogorov p above 0.001."""
    p = [verdicts(*solution(seed))[0].p_value(axis) for seed in range(100) for axis in range(2)]
    assert stats.kstest(p, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("n_reference", [10, 60])
def test_expected_covariance_is_that_of_the_frame(n_reference):
    """Q is the covariance of the frame in the least-squares solution, to 1e-3, with ten references too."""
    terms, found = solution(3, n_reference)
    frame = common_frame(terms, found, is_stated=True)
    prior, weight = 1 / found.prior_precision[:, 0, 0], 1.0
    exact = np.linalg.inv((terms.T / (prior + 1 / weight)) @ terms)
    np.testing.assert_allclose(frame.expected[0, :, 0], exact, rtol=1e-3, atol=1e-3 * exact[0, 0])


@pytest.mark.parametrize("scale", [0.75, 1.3])
def test_wrong_errors_are_found(scale):
    """Errors a quarter too small or too large: the others fail, with the width that the scale tells."""
    _, found = verdicts(*solution(5, scale=scale))
    for verdict in found[2:]:
        assert verdict.passes == 0
        assert verdict.local_width == pytest.approx(1 / scale, abs=0.12)


def test_a_shift_beyond_the_references_is_found():
    """By the mean of the pulls and by the frame; one that references leave open is not held against it."""
    terms, found = solution(7)
    sigma = np.sqrt(common_frame(terms, found, is_stated=True).expected[0, 0, 0, 0])
    frame, moved = verdicts(terms, found._replace(miss=found.miss + 8 * sigma))
    assert frame.p_value(0) < 1e-6
    assert moved[2].passes == 0
    assert abs(moved[2].mean) > moved[2].mean_limit


def test_a_stretch_without_shift_is_found_by_the_frame():
    """The mean stays, the p-value does not."""
    terms, found = solution(8)
    frame, _ = verdicts(terms, found._replace(miss=found.miss + 3.0 * terms[:, 1:2]))
    assert frame.p_value(0) < 1e-6


def test_heavy_tails_are_found():
    """Pulls of Student's t with two degrees of freedom and unit rms."""
    terms, found = solution(9)
    rng = np.random.default_rng(0)
    tail = stats.t.rvs(2, size=(N, 2), random_state=rng)
    error = np.sqrt(found.covariance[:, :1, 0])
    _, verdict = verdicts(terms, found._replace(miss=tail / np.sqrt(np.mean(tail**2)) * error))
    assert verdict[2].passes == 0
    assert verdict[2].local_p < 1e-3


def test_errors_without_the_common_part_are_judged_without_it():
    """Variational errors, conditional on the frame: unit width once the frame is taken off."""
    terms, found = solution(11, n_reference=6)
    frame = common_frame(terms, found, is_stated=True)
    error = np.ones((N, 2))
    verdict = judged(
        conditional_frame(frame, found.miss, error), found.miss, error, 0, np.arange(N_REFERENCE, N)
    )
    assert verdict.passes == 1
    assert verdict.width > verdict.local_width


def test_few_sources_are_not_judged():
    """None, and too few."""
    terms, found = solution(1)
    frame, error = common_frame(terms, found, is_stated=True), np.ones((N, 2))
    none = judged(frame, found.miss, error, 0, np.arange(0))
    assert (none.n, none.passes) == (0, -1)
    assert np.isnan(none.width)
    assert judged(frame, found.miss, error, 0, np.arange(4)).passes == -1


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_solution_of_hardly_any_sources_has_a_frame(n):
    """No division by zero, finite numbers."""
    terms = place_terms(np.full(n, 266.0), np.full(n, -29.0))
    found = Estimates(np.ones((n, 2)), np.tile(np.eye(2), (n, 1, 1)), np.zeros((n, 2, 2)))
    frame = common_frame(terms, found, is_stated=True)
    assert np.isfinite(frame.local_pull).all()
    assert 0 <= frame.p_value(0) <= 1


def test_places_across_the_first_meridian_are_together():
    """The terms do not depend on where right ascension is 0."""
    rng = np.random.default_rng(4)
    ra, dec = rng.uniform(-0.4, 0.4, 50), rng.uniform(-0.4, 0.4, 50)
    np.testing.assert_allclose(place_terms(ra % 360, dec), place_terms(ra + 100, dec), atol=1e-9)


def test_chi2_has_the_scatter_of_its_degrees_of_freedom():
    """1 +- 4 sqrt(2 / dof)."""
    assert chi2_passes(20000 * (1 + 3.9 * 0.01), 20000)
    assert not chi2_passes(20000 * (1 - 4.1 * 0.01), 20000)
