"""The global solution against the truth, by two schemes, from two starts, on several ranks and restarted."""

import numpy as np
import pytest
from scipy.stats import kstest

from galcen.astrometry.iterative import cg
from galcen.astrometry.iterative.options import Alone, Hooks, Options, Progress
from galcen.astrometry.iterative.preconditioner import TwoLevel
from galcen.astrometry.iterative.problem import State
from galcen.astrometry.iterative.solve import solve
from galcen.astrometry.iterative.system import linearise, no_noise
from global_mock import Team, errors, global_mock, reduced_matrix, source_covariances, zero

ALONE = Alone()
PLAIN = Options(robust=False)
N_SRC = 300


@pytest.fixture(scope="module")
def mock():
    return global_mock(10, 8, N_SRC, at_rest=0.4)


@pytest.fixture(scope="module")
def saved():
    """What the solution of `mock` saved after each outer step."""
    return []


@pytest.fixture(scope="module")
def solved(mock, saved):
    return solve(mock.problem, PLAIN, hooks=Hooks(save=saved.append))


@pytest.fixture(scope="module")
def inverse(mock, solved):
    """Exact covariance of sources and calibration at the solution."""
    problem, _, weight = zero(mock.problem)
    system = linearise(problem, solved.state, weight, no_noise(problem), ALONE).system
    matrix, size = reduced_matrix(system, ALONE)
    return np.linalg.inv(matrix) * size * size[:, None], source_covariances(matrix, size, N_SRC)


def shift(one, other, unit):
    """Largest difference of sources in standard deviations."""
    return np.abs((one.state.source - other.state.source) / unit).max()


@pytest.mark.parametrize("camera_error", [0.0, 1.0])
def test_noise_free_data_give_the_truth(camera_error):
    """To 1e-3 uas from a start 30 mas away: camera at its priors, or off, with flat priors.

    Chips are where their priors are: data tell common moves of them from the attitude by the second order
    only, and priors elsewhere would pull.
    """
    mock = global_mock(10, 8, N_SRC, noise=0.0, camera_error=camera_error, chip_error=0.0)
    problem, prior = mock.problem, mock.problem.prior
    if camera_error > 0:
        prior = prior._replace(exposure=np.full(5, np.inf), distortion_um=np.inf)
    sources = problem.sources._replace(mean=mock.truth.source)
    problem = problem._replace(prior=prior, sources=sources)
    found = solve(problem, PLAIN, hooks=Hooks(resume=perturbed(problem, mock.truth)))
    assert np.abs(found.state.source - mock.truth.source).max() < 1e-6
    assert max(np.abs(r).max() for r in found.residual) < 1e-8


def perturbed(problem, state):
    """The beginning of a solution at another state: sources off by 30 mas, pointings by 300 mas."""
    rng = np.random.default_rng(11)
    problem, _, weight = zero(problem)
    noise = no_noise(problem)
    off = State(
        state.source + 30.0 * rng.normal(size=state.source.shape),
        state.unit + rng.normal(size=state.unit.shape),
        state.chip + rng.normal(size=state.chip.shape),
        tuple(e + np.array([300, 300, 300, 3, 3]) * rng.normal(size=e.shape) for e in state.exposure),
    )
    return Progress(off, weight, 0, noise.source, noise.exposure, ())


@pytest.mark.parametrize("which", ["references", "others"])
def test_pulls_are_normal(mock, solved, inverse, which):
    """Mean 0, width 1 and normal, for each unknown; the mean's own error has all correlations."""
    covariance, blocks = inverse
    sigma = np.sqrt(np.diagonal(blocks, axis1=1, axis2=2))
    pull = (solved.state.source - mock.truth.source) / sigma
    rows = np.flatnonzero(mock.is_reference == (which == "references"))
    for p in range(5):
        own, unit = pull[rows, p], sigma[rows, p]
        at = 5 * rows + p
        of_mean = np.sqrt((covariance[np.ix_(at, at)] / unit / unit[:, None]).mean())
        assert abs(own.mean()) < 4 * of_mean
        assert abs(own.std() - 1) < 4 / np.sqrt(2 * len(own))
        assert kstest(own - own.mean(), "norm").pvalue > 1e-3


def test_joint_errors_are_those_of_the_covariances(mock, solved, inverse):
    """Squares of the errors of each source by its 5 x 5 covariance, its correlations included."""
    error = solved.state.source - mock.truth.source
    joint = np.einsum("si,sij,sj->", error, np.linalg.inv(inverse[1]), error) / error.size
    assert abs(joint - 1) < 4 * np.sqrt(2 / error.size)


def test_chi2_is_that_of_its_degrees_of_freedom(solved):
    assert abs(solved.chi2 / solved.dof - 1) < 4 * np.sqrt(2 / solved.dof)
    assert len(solved.history) <= 6


def test_artificial_sources_are_at_rest(mock, solved, inverse):
    """Parallaxes and motions of sources that have none: weighted mean and scatter are of the errors."""
    rows = np.flatnonzero(mock.is_at_rest)
    assert len(rows) > 30
    for p in (2, 3, 4):
        at = 5 * rows + p
        covariance = inverse[0][np.ix_(at, at)]
        value, unit = solved.state.source[rows, p], np.sqrt(np.diag(covariance))
        by = unit**-2 / (unit**-2).sum()
        assert abs(by @ value) < 4 * np.sqrt(by @ covariance @ by)
        assert abs((value / unit).std() - 1) < 4 / np.sqrt(2 * len(rows))


@pytest.mark.parametrize("richardson", [False, True])
def test_simple_iteration_meets_conjugate_gradients(mock, solved, richardson):
    """To 1e-3 of the standard deviations."""
    options = PLAIN._replace(scheme="block-gauss-seidel", richardson=richardson)
    found = solve(mock.problem, options)
    assert shift(found, solved, errors(solved)) < 1e-3


def test_conjugate_gradients_take_25_products(mock, solved):
    """From steps of tens of standard deviations to 1e-3 of one."""
    problem, state, weight = zero(mock.problem)
    system = linearise(problem, state, weight, no_noise(problem), ALONE).system
    inverse = TwoLevel(system, ALONE, problem.sources)
    short = cg.solve(system, ALONE, inverse, tolerance=0.0, max_product=25).step.source
    whole = cg.solve(system, ALONE, inverse, tolerance=1e-13, max_product=300)
    assert whole.is_settled
    assert np.abs(whole.step.source / errors(solved)).max() > 3
    assert np.abs((short - whole.step.source) / errors(solved)).max() < 1e-3


def test_the_start_does_not_matter(mock, solved):
    """Sources, camera and pointings begun elsewhere: to 1e-3 of the standard deviations, in fact 1e-6."""
    again = solve(mock.problem, PLAIN, hooks=Hooks(resume=perturbed(mock.problem, solved.state)))
    assert again.history[0].largest_step > 3
    assert shift(again, solved, errors(solved)) < 1e-6


def orbits_of(problem, rank, n_rank):
    """A rank's part of a problem; not neighbours, so that the order of sums changes."""
    return problem._replace(orbits=problem.orbits[rank::n_rank])


def first_steps(problem, n_rank):
    """The first step of the sources on each rank."""

    def work(rank, ranks):
        own, state, weight = zero(orbits_of(problem, rank, n_rank))
        system = linearise(own, state, weight, no_noise(own), ranks).system
        inverse = TwoLevel(system, ranks, own.sources)
        return cg.solve(system, ranks, inverse, tolerance=1e-13, max_product=100).step.source

    return Team(n_rank).run(work)


@pytest.mark.parametrize("n_rank", [2, 4])
def test_steps_of_ranks_agree_with_those_of_one(mock, solved, n_rank):
    """One linear system: to 1e-10 of the standard deviations, for steps of tens of them."""
    (alone,) = first_steps(mock.problem, 1)
    for one in first_steps(mock.problem, n_rank):
        assert np.abs((one - alone) / errors(solved)).max() < 1e-10


@pytest.mark.parametrize("n_rank", [2, 4])
def test_ranks_agree_with_one(mock, solved, n_rank):
    """To 1e-9 of the standard deviations: another order of the sums leaves the rounding of the model."""

    def work(rank, ranks):
        return solve(orbits_of(mock.problem, rank, n_rank), PLAIN, ranks)

    found = Team(n_rank).run(work)
    for rank, one in enumerate(found):
        np.testing.assert_array_equal(one.state.source, found[0].state.source)
        np.testing.assert_array_equal(one.n_obs, solved.n_obs)
        for mine, whole in zip(one.residual, solved.residual[rank::n_rank], strict=True):
            np.testing.assert_allclose(mine, whole, rtol=0, atol=1e-9)
    assert np.abs((found[0].state.source - solved.state.source) / errors(solved)).max() < 1e-9
    assert found[0].chi2 == pytest.approx(solved.chi2, rel=1e-10)
    assert found[0].dof == pytest.approx(solved.dof, rel=1e-10)


class Killed(Exception):
    """As by a scheduler."""


@pytest.mark.parametrize("robust", [False, True])
def test_an_interrupted_solution_ends_the_same(mock, robust):
    """To the last bit, stopped after the second outer step."""
    kept, options = [], Options(robust=robust)

    def save(progress):
        kept.append(progress)
        if len(kept) == 2:
            raise Killed

    with pytest.raises(Killed):
        solve(mock.problem, options, hooks=Hooks(save=save))
    again = solve(mock.problem, options, hooks=Hooks(resume=kept[-1]))
    through = solve(mock.problem, options)
    assert len(again.history) == len(through.history)
    np.testing.assert_array_equal(again.state.source, through.state.source)
    np.testing.assert_array_equal(again.state.unit, through.state.unit)
    for mine, other in zip(again.weight, through.weight, strict=True):
        np.testing.assert_array_equal(mine, other)
