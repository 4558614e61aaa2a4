"""Sums over the sources of a solution against the exact posterior of a small linear problem."""

from typing import NamedTuple

import numpy as np
import pytest

from galcen.astrometry.plate_quality import LIMIT, Estimates, Frame, common_frame, place_terms
from galcen.astrometry.solution_quality import (
    DEGREE,
    N_PATTERN,
    by_magnitude,
    fit_patterns,
    joint_error,
    power,
    zero_point,
)

N, N_REFERENCE, N_PAR = 300, 60, 2
ROWS = np.arange(N)


class Exact(NamedTuple):
    """Sources with two parameters, whose measurements leave an affine function of the place free."""

    place: np.ndarray
    frame: Frame
    found: Estimates
    covariance: np.ndarray
    """Of all parameters of all sources, (N, N_PAR, N, N_PAR)."""
    error: np.ndarray


@pytest.fixture(scope="module")
def exact():
    """The posterior by inverting the whole normal matrix, and a draw from it."""
    rng = np.random.default_rng(2)
    place = rng.uniform(-1, 1, (2, N))
    terms = place_terms(266.0 + 0.3 * place[0], 0.3 * place[1])
    data = np.linalg.inv([[1.0, 0.3], [0.3, 0.5]])
    width = np.where(ROWS < N_REFERENCE, 0.7, 30.0)
    prior = width[:, None, None] ** -2 * np.eye(N_PAR)
    size = N * N_PAR
    normal = np.zeros((size + 6, size + 6))
    for i in ROWS:
        own = np.zeros((N_PAR, size + 6))
        own[:, N_PAR * i : N_PAR * (i + 1)] = np.eye(N_PAR)
        own[0, size : size + 3] = own[1, size + 3 :] = terms[i]
        normal += own.T @ data @ own
        normal[N_PAR * i : N_PAR * (i + 1), N_PAR * i : N_PAR * (i + 1)] += prior[i]
    covariance = np.linalg.inv(normal)[:size, :size]
    miss = (np.linalg.cholesky(covariance) @ rng.normal(size=size)).reshape(N, N_PAR)
    whole = covariance.reshape(N, N_PAR, N, N_PAR)
    found = Estimates(miss, whole[ROWS, :, ROWS], prior)
    frame = common_frame(terms, found, is_stated=True)
    return Exact(place, frame, found, whole, np.sqrt(whole[ROWS, :, ROWS][:, (0, 1), (0, 1)]))


@pytest.mark.parametrize("parameter", [0, 1])
def test_the_zero_point_has_the_error_of_the_whole_covariance(exact, parameter):
    """To 2 per cent; independent errors would make it half as large."""
    weight = exact.error[:, parameter] ** -2.0
    weight /= weight.sum()
    expected = np.sqrt(weight @ exact.covariance[:, parameter, :, parameter] @ weight)
    found = zero_point(exact.frame, exact.found.miss, exact.error, parameter, ROWS)
    assert found.error == pytest.approx(expected, rel=0.02)
    assert found.zero == pytest.approx(weight @ exact.found.miss[:, parameter])
    assert found.pull == pytest.approx(found.zero / found.error)
    assert np.sqrt(1 / (exact.error[:, parameter] ** -2.0).sum()) < 0.6 * expected


def test_patterns_have_the_covariance_of_the_whole(exact):
    """Of amplitudes of all degrees, to 3 per cent of their errors; a draw from the posterior passes."""
    fitted = fit_patterns(exact.frame, exact.found.miss, exact.error, 0, exact.place)
    terms = np.polynomial.legendre.legvander(exact.place, DEGREE)
    design = np.stack([terms[0][:, i] * terms[1][:, j] for i, j in fitted.degrees], axis=-1)
    weight = exact.error[:, 0] ** -2.0
    estimator = np.linalg.solve(design.T * weight @ design, design.T * weight)
    expected = estimator @ exact.covariance[:, 0, :, 0] @ estimator.T
    scale = np.sqrt(np.diagonal(expected))
    np.testing.assert_allclose(
        fitted.covariance / scale / scale[:, None], expected / scale / scale[:, None], atol=0.03
    )
    np.testing.assert_allclose(fitted.amplitude, estimator @ exact.found.miss[:, 0])
    assert len(fitted.degrees) == N_PATTERN
    assert power(fitted).passes == 1
    assert power(fitted).n_term == N_PATTERN
    assert [power(fitted, k).n_term for k in range(DEGREE + 1)] == [1, 2, 3, 4]


def test_a_pattern_put_in_comes_out(exact):
    """A quadratic one ten errors high: its amplitude, its degree fails, others do not."""
    miss = exact.found.miss.copy()
    miss[:, 1] += 0.8 * (1.5 * exact.place[0] ** 2 - 0.5)
    fitted = fit_patterns(exact.frame, miss, exact.error, 1, exact.place)
    error = np.sqrt(np.diagonal(fitted.covariance))
    place = np.flatnonzero((fitted.degrees == [2, 0]).all(axis=1))[0]
    assert abs(fitted.amplitude[place] - 0.8) < 4 * error[place]
    assert [power(fitted, k).passes for k in range(DEGREE + 1)] == [1, 1, 0, 1]
    quadratic = power(fitted, 2)
    assert quadratic.rms == pytest.approx(0.8 / np.sqrt(5), abs=0.1)
    assert quadratic.expected < 0.2


def test_the_joint_error_scatters_as_the_whole_covariance_has_it(exact):
    """The limit is four exact standard deviations to 5 per cent; without the common part more is expected."""
    weight = np.linalg.inv(exact.found.covariance)
    product = np.einsum("nij,njmk->nimk", weight, exact.covariance).reshape(N * N_PAR, -1)
    scatter = np.sqrt(2.0 * np.trace(product @ product)) / (N * N_PAR)
    found = joint_error(exact.frame, exact.found, ROWS, is_stated=True)
    assert found.limit == pytest.approx(LIMIT * scatter, rel=0.05)
    assert found.expected == 1.0
    assert found.passes == 1
    conditional = joint_error(exact.frame, exact.found, ROWS, is_stated=False)
    assert conditional.expected > 1.01


def test_few_sources_are_not_judged(exact):
    """None at all gives NaN, nine a number without verdict, nineteen no patterns."""
    arguments = exact.frame, exact.found.miss, exact.error, 0
    assert zero_point(*arguments, ROWS[:0])[0] == 0
    assert np.isnan(zero_point(*arguments, ROWS[:0]).zero)
    assert zero_point(*arguments, ROWS[:9]).passes == -1
    assert joint_error(exact.frame, exact.found, ROWS[:0], is_stated=True).passes == -1
    assert fit_patterns(*arguments, exact.place[:, :19]) is None


def test_bins_of_magnitude():
    """Half a magnitude wide; empty ones are left out."""
    hw, error = np.array([10.1, 10.3, 10.4, 12.0]), np.array([1.0, 2.0, 9.0, 4.0])
    found = by_magnitude(hw, np.array([3.0, -3.0, 3.0, 1.0]), error)
    assert found["hw_low"].tolist() == [10.0, 12.0]
    assert found["hw_high"].tolist() == [10.5, 12.5]
    assert found["n"].tolist() == [3, 1]
    assert found["error"].tolist() == [2.0, 4.0]
    np.testing.assert_allclose(found["rms"], [3.0, 1.0])
    assert len(by_magnitude(hw[:0], hw[:0], hw[:0])["n"]) == 0


def test_draws_hold_what_neighbours_share():
    """Errors with a common quadratic pattern: draws expect its power, errors of single sources do not."""
    rng = np.random.default_rng(11)
    place = rng.uniform(-1, 1, (2, 400))
    shared = np.polynomial.legendre.legvander(place[0], 2)[:, 2]

    def errors(n):
        return 0.1 * rng.normal(size=(n, 400)) + 0.5 * rng.normal(size=(n, 1)) * shared

    none, error = np.zeros((1, 3, 1, 3)), np.full((400, 1), 0.1)
    frame = Frame(np.zeros((1, 3)), none, none, np.zeros((400, 1, 1, 3)), error, np.zeros((400, 1)))
    passes = {"draws": 0, "errors": 0}
    for miss in errors(200):
        for name, draws in (("draws", errors(30)), ("errors", None)):
            fitted = fit_patterns(frame, miss[:, None], error, 0, place, draws)
            passes[name] += power(fitted, 2).passes == 1
            if name == "draws":
                assert power(fitted, 2).expected == pytest.approx(0.5 * np.std(shared), rel=0.6)
    assert passes["draws"] >= 196
    assert passes["errors"] < 60
    odd = errors(1)[0] + 3.0 * shared
    fitted = fit_patterns(frame, odd[:, None], error, 0, place, errors(30))
    assert power(fitted, 2).passes == 0
