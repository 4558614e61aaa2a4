"""Problems that measurements alone do not determine."""

import numpy as np
import pytest

from galcen.astrometry.iterative.options import Alone, Options
from galcen.astrometry.iterative.preconditioner import TwoLevel
from galcen.astrometry.iterative.problem import start
from galcen.astrometry.iterative.solve import solve
from galcen.astrometry.iterative.system import linearise, no_noise
from galcen.astrometry.iterative.uncertainty import pattern_rank
from galcen.errors import ConvergenceError
from global_mock import errors, global_mock, pulls, zero

ALONE = Alone()
PLAIN = Options(robust=False)
N_SRC = 300


@pytest.fixture(scope="module")
def mock():
    return global_mock(6, 8, N_SRC)


@pytest.fixture(scope="module")
def solved(mock):
    return solve(mock.problem, PLAIN)


def only(problem, keep):
    """The problem with the measurements for which `keep(k, orbit, exposure)` holds."""
    orbits = []
    for k, orbit in enumerate(problem.orbits):
        exposure = np.repeat(np.arange(orbit.n_exp), np.diff(orbit.offset))
        chosen = keep(k, orbit, exposure)
        orbits.append(
            orbit._replace(
                offset=np.searchsorted(exposure[chosen], np.arange(orbit.n_exp + 1)),
                source=orbit.source[chosen],
                chip=orbit.chip[chosen],
                pixel=orbit.pixel[:, chosen],
                sigma=orbit.sigma[:, chosen],
            )
        )
    return problem._replace(orbits=tuple(orbits))


def few(n):
    """All measurements but those of exposure 3 of the second orbit, of which the first n stay."""

    def keep(k, orbit, exposure):
        return (k != 1) | (exposure != 3) | (np.arange(len(exposure)) < orbit.offset[3] + n)

    return keep


@pytest.mark.parametrize("n", [0, 1, 2])
def test_priors_hold_an_exposure_of_few_stars(mock, solved, n):
    """Its attitude stays within its priors, and the sources where they are."""
    found = solve(only(mock.problem, few(n)), PLAIN)
    attitude = found.state.exposure[1][3]
    assert (np.abs(attitude) < 5 * mock.problem.prior.exposure).all()
    assert (attitude == 0).all() == (n == 0)
    assert np.abs((found.state.source - solved.state.source) / errors(found)).mean() < 0.3
    assert len(found.residual[1].T) == len(solved.residual[1].T) - (few_left(mock.problem) - n)


def few_left(problem):
    return int(np.diff(problem.orbits[1].offset)[3])


def test_a_free_exposure_is_named(mock):
    """One star and flat priors: which exposure, how many measurements, and what to do."""
    problem = only(mock.problem, few(1))
    problem = problem._replace(prior=problem.prior._replace(exposure=np.full(5, np.inf)))
    with pytest.raises(
        ConvergenceError, match=r"orbit 1, exposure 3 of the orbit, with 1 meas.*leave the exp"
    ):
        solve(problem, PLAIN)


def test_a_free_chip_is_an_error(mock):
    """No measurement on chip 2, and no prior of its place."""
    problem = only(mock.problem, lambda k, orbit, exposure: orbit.chip != 2)
    flat = np.array([500.0, np.inf, 20.0, 300.0, 300.0])
    with pytest.raises(ConvergenceError, match="neither by measurements nor by a prior"):
        solve(problem._replace(prior=problem.prior._replace(chip=flat)), PLAIN)


def test_sources_without_enough_measurements_are_told(mock, solved):
    """Of one epoch: the prior decides, errors are finite. Of none: as the prior."""
    once, never = np.flatnonzero(solved.n_obs > 20)[:10].reshape(2, 5)

    def keep(k, orbit, exposure):
        is_once = np.isin(orbit.source, once)
        return ~np.isin(orbit.source, never) & (~is_once | (k == 2))

    problem = only(mock.problem, keep)
    found = solve(problem, PLAIN)
    assert found.is_held_by_prior[once].all() and found.is_held_by_prior[never].all()
    assert found.is_held_by_prior.sum() < 0.1 * N_SRC
    assert (found.n_obs[never] == 0).all()
    np.testing.assert_allclose(found.covariance[never], problem.sources.covariance[never], atol=1e-12)
    np.testing.assert_allclose(found.state.source[never], problem.sources.mean[never], atol=1e-12)
    ratio = errors(found)[once] / np.sqrt(np.diagonal(problem.sources.covariance[once], axis1=1, axis2=2))
    assert ((ratio > 0) & (ratio <= 1 + 1e-9)).all()
    others = np.setdiff1d(np.arange(N_SRC), [*once, *never])
    assert abs(pulls(found, mock.truth)[others].std() - 1) < 0.1


def test_parts_of_the_sky_need_not_touch(mock):
    """East in half of the orbits, west in the others, a gap between: each stands on its own references."""
    sources = mock.problem.sources
    east = sources.ra - np.median(sources.ra)
    gap = np.radians(0.05)
    problem = only(
        mock.problem, lambda k, o, _: (east[o.source] > gap) if k % 2 == 0 else (east[o.source] < -gap)
    )
    found = solve(problem, PLAIN)
    seen = np.unique(np.concatenate([o.source for o in problem.orbits]))
    assert np.isfinite(found.state.source).all()
    assert abs(found.chi2 / found.dof - 1) < 4 * np.sqrt(2 / found.dof)
    n = 5 * len(seen)
    # Common errors of a field: five unknowns, three patterns, two parts.
    assert abs(pulls(found, mock.truth)[seen].std() - 1) < 4 / np.sqrt(2 * n) + 0.1


def test_a_survey_without_references_is_finite():
    """Relative places are those of the truth; the mean and the slopes are what the priors left."""
    mock = global_mock(6, 8, N_SRC, reference=0.0)
    found = solve(mock.problem, PLAIN)
    assert abs(found.chi2 / found.dof - 1) < 4 * np.sqrt(2 / found.dof)
    assert np.isfinite(found.covariance).all() and np.isfinite(found.mean_parallax_error)
    # The prior of 20 mas for each of 300 sources
    assert found.mean_parallax_error == pytest.approx(20 / np.sqrt(N_SRC), rel=0.05)
    sources = mock.problem.sources
    known = found.n_obs > 20
    linear = np.column_stack(
        [np.ones(N_SRC), sources.ra - sources.ra.mean(), sources.dec - sources.dec.mean()]
    )
    off = (found.state.source - mock.truth.source)[known]
    left = off - linear[known] @ np.linalg.lstsq(linear[known], off, rcond=None)[0]
    pull = left[:, :2] / errors(found)[known, :2]
    assert abs(pull.std() - 1) < 4 / np.sqrt(2 * pull.size) + 0.05
    problem, _, weight = zero(mock.problem)
    system = linearise(problem, start(problem), weight, no_noise(problem), ALONE).system
    inverse = TwoLevel(system, ALONE, sources)
    assert pattern_rank(system, ALONE, inverse, sources).n_by_prior >= 5
