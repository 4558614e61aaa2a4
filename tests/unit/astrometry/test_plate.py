"""Maximum of the posterior of a plate problem, its covariances and its robustness."""

import numpy as np
import pytest
from scipy.stats import kstest

from galcen.astrometry import plate, plate_normal
from galcen.astrometry.plate import PLAIN, Robust
from galcen.astrometry.plate_problem import start
from galcen.errors import ConvergenceError
from plate_mock import Size, plate_mock


@pytest.fixture(scope="module")
def mock():
    return plate_mock(1)


@pytest.fixture(scope="module")
def solved(mock):
    return plate.solve(mock.problem, PLAIN)


def pulls(result, truth):
    return (result.state.source - truth.source) / np.sqrt(result.source_covariance[(0, 1), (0, 1)])


def dense(normal):
    """The whole normal matrix and right-hand side, sources first."""
    n_src, n_y = normal.bs.shape[1], len(normal.by)
    matrix = np.zeros((2 * n_src + n_y, 2 * n_src + n_y))
    for i in range(2):
        for j in range(2):
            matrix[np.arange(i * n_src, (i + 1) * n_src), np.arange(j * n_src, (j + 1) * n_src)] = normal.ss[
                i, j
            ]
        matrix[i * n_src : (i + 1) * n_src, 2 * n_src :] = normal.sy[i].T
        matrix[2 * n_src :, i * n_src : (i + 1) * n_src] = normal.sy[i]
    matrix[2 * n_src :, 2 * n_src :] = normal.yy
    return matrix, np.concatenate([normal.bs.ravel(), normal.by])


def test_step_and_covariance_are_those_of_the_whole_matrix(mock, solved):
    """Elimination agrees with a dense solution to 1e-6 of the largest step, covariances to 1e-5.

    The matrix has a condition number of 1e11, by the moves of all chips against the attitude.
    """
    state = plate.with_attitude(mock.problem, start(mock.problem))
    weight = mock.problem.observations.is_real.astype(float)
    normal = plate_normal.assemble(mock.problem, state, weight, np.ones(state.source.shape[1]))
    matrix, right = dense(normal)
    scale = 1 / np.sqrt(np.diag(matrix))
    inverse = np.linalg.inv(matrix * scale[:, None] * scale) * scale[:, None] * scale
    sigma = np.sqrt(np.diag(inverse))
    n = state.source.size
    step = plate_normal.solve(normal)
    expected = (inverse @ right)[:n] / sigma[:n]
    np.testing.assert_allclose(
        step.source.ravel() / sigma[:n], expected, rtol=0, atol=1e-6 * np.ptp(expected)
    )
    got = np.sqrt(plate_normal.source_covariance(step)[(0, 1), (0, 1)]).ravel()
    np.testing.assert_allclose(got, sigma[:n], rtol=1e-5)


def test_normal_equations_are_the_gradient_of_chi2(mock):
    """Right-hand sides agree with central differences of chi2 to 1e-6."""
    problem, rng = mock.problem, np.random.default_rng(2)
    state = plate.with_attitude(problem, start(problem))
    weight, one = problem.observations.is_real.astype(float), np.ones(len(problem.sources.ra))
    normal = plate_normal.assemble(problem, state, weight, one)

    def chi2(scale, source, y):
        at = plate_normal.assemble(problem, plate_normal.moved(state, scale * source, scale * y), weight, one)
        return at.chi2_data + at.chi2_prior

    source = rng.normal(size=state.source.shape) / np.sqrt(normal.ss[(0, 1), (0, 1)])
    y = rng.normal(size=len(normal.by)) / np.sqrt(np.diag(normal.yy))
    expected = -2 * ((normal.bs * source).sum() + normal.by @ y)
    got = (chi2(1.0, source, y) - chi2(-1.0, source, y)) / 2
    assert got == pytest.approx(expected, rel=1e-6)


def test_pulls_of_sources_have_unit_width(mock, solved):
    """Mean 0, width 1 and normal, for references and the others (marginal standard deviations)."""
    pull = pulls(solved, mock.truth)
    for chosen in (mock.is_reference, ~mock.is_reference):
        values = pull[:, chosen].ravel()
        # Errors of neighbours are correlated through the plate: the mean is the field's, not each star's.
        assert abs(values.mean()) < 4 / np.sqrt(len(values)) * 2
        assert abs(values.std() - 1) < 4 / np.sqrt(2 * len(values))
        assert kstest(values - values.mean(), "norm").pvalue > 1e-3


def test_chi2_is_that_of_its_degrees_of_freedom(mock, solved):
    """Residuals at the level of the noise: chi2 / dof within four of its standard deviations."""
    assert abs(solved.chi2 / solved.dof - 1) < 4 * np.sqrt(2 / solved.dof)
    assert len(solved.history) <= 6


def test_noise_free_data_give_the_truth():
    """Without noise, references known and the camera nominal, coordinates come back to 1e-3 uas.

    Attitudes are off by 1 arcsec, the other sources unknown. A camera that is not where its priors are would
    be pulled by them, by a hundredth of a standard deviation.
    """
    mock = plate_mock(3, Size(n_source=200, sigma_pixel=0.0, camera_error=0.0))
    sources = mock.problem.sources
    sigma = np.where(mock.is_reference, 1e-3, 1e6)
    known = np.where(mock.is_reference[:, None], mock.truth.source.T, 0.0)
    covariance = (sigma**2)[:, None, None] * np.eye(2)
    problem = mock.problem._replace(sources=sources._replace(mean=known, covariance=covariance))
    result = plate.solve(problem, PLAIN)
    assert np.abs(result.state.source - mock.truth.source).max() < 1e-6
    assert np.abs(result.residual).max() < 1e-7


def test_outliers_do_not_spoil_the_pulls(mock):
    """One measurement in a hundred off by a pixel: pulls stay within 1.05 of unit width, or their error."""
    rng = np.random.default_rng(4)
    seen = mock.problem.observations
    hit = (rng.uniform(size=seen.is_real.shape) < 0.01) & seen.is_real
    pixel = seen.pixel + np.where(hit[:, None], rng.normal(size=seen.pixel.shape), 0.0)
    problem = mock.problem._replace(observations=seen._replace(pixel=pixel))
    robust, plain = plate.solve(problem, Robust()), plate.solve(problem, PLAIN)
    width = pulls(robust, mock.truth).std()
    assert width < 1.05 + 2 / np.sqrt(2 * mock.truth.source.size)
    assert pulls(plain, mock.truth).std() > 3
    assert (robust.weight[hit] < 0.2).mean() > 0.9


def test_weights_that_never_settle_are_held(mock, monkeypatch):
    """A measurement whose weight goes up and down for ever: the last weights stay, and have their maximum."""
    right, calls = plate._weights, []

    def restless(*arguments):
        weight, of_prior = right(*arguments)
        calls.append(np.array(weight))
        calls[-1][0, 0] = 0.3 + 0.4 * (len(calls) % 2)
        return calls[-1], of_prior

    monkeypatch.setattr(plate, "_weights", restless)
    found = plate.solve(mock.problem, Robust())
    assert len(calls) == plate.MAX_WEIGHTS
    np.testing.assert_array_equal(found.weight, calls[-1])
    assert found.history[-1].largest_step < plate.STEP_TOLERANCE


def test_a_wrong_prior_does_not_spoil_the_others():
    """Priors off by ten errors of the data: left out, the others are where they are without these priors.

    Weighed down, they keep a part of their pull, as the weight function falls no faster than exp(-z/3).
    """
    mock = plate_mock(1, Size(n_per_field=8))
    sources, wrong = mock.problem.sources, np.flatnonzero(mock.is_reference)[:3]
    mean, covariance = sources.mean.copy(), sources.covariance.copy()
    mean[wrong, 0] += 30.0
    covariance[wrong] *= 1e6
    expected = plate.solve(mock.problem._replace(sources=sources._replace(covariance=covariance)), PLAIN)
    problem = mock.problem._replace(sources=sources._replace(mean=mean))
    solved = {
        remedy: plate.solve(problem, PLAIN._replace(priors=remedy))
        for remedy in ("keep", "weigh_down", "leave_out")
    }
    sigma = np.sqrt(expected.source_covariance[(0, 1), (0, 1)])
    others = np.setdiff1d(np.arange(len(mean)), wrong)
    damage = {
        remedy: np.abs((result.state.source - expected.state.source) / sigma)[:, others].max()
        for remedy, result in solved.items()
    }
    assert damage["keep"] > 2
    assert damage["weigh_down"] < damage["keep"] / 3
    assert damage["leave_out"] < 0.01
    assert (solved["leave_out"].prior_weight[wrong] == 0).all()


def test_nonsense_does_not_converge_in_silence(mock):
    """Stars matched to the wrong measurements end in an error or in a chi2 that shows it."""
    rng = np.random.default_rng(5)
    seen = mock.problem.observations
    source = np.where(seen.is_real, rng.integers(0, len(mock.problem.sources.ra), seen.source.shape), 0)
    source = np.stack([_distinct(row, real) for row, real in zip(source, seen.is_real, strict=True)])
    problem = mock.problem._replace(observations=seen._replace(source=source.astype(np.int32)))
    try:
        result = plate.solve(problem, PLAIN)
    except ConvergenceError:
        return
    assert result.chi2 / result.dof > 100


def _distinct(row, real):
    """Each source at most once in an exposure."""
    rng = np.random.default_rng(int(row.sum()))
    out = row.copy()
    out[real] = rng.permutation(row.max() + 1)[: np.count_nonzero(real)]
    return out
