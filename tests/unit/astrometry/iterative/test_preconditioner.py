"""The preconditioner against dense algebra, and what it is for: few products."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord, UnitSphericalRepresentation

from galcen.astrometry.iterative import cg
from galcen.astrometry.iterative.gauge import calibration_without_gauge, convention_rows
from galcen.astrometry.iterative.operator import inverse5, right_side
from galcen.astrometry.iterative.options import Alone
from galcen.astrometry.iterative.preconditioner import TwoLevel
from galcen.astrometry.iterative.products import Unknowns
from galcen.astrometry.iterative.system import linearise, no_noise
from galcen.mapping.distortion import Distortion
from global_mock import CASES, Team, global_mock, reduced_matrix, zero

ALONE = Alone()


def made(**case):
    """Problem, and the system at its start."""
    problem, state, weight = zero(global_mock(**case).problem)
    return problem, linearise(problem, state, weight, no_noise(problem), ALONE).system


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """A small problem, its system, and S."""
    calibration, unit = CASES[request.param]
    problem, system = made(n_orbit=4, n_exp=4, n_src=40, calibration=calibration, unit=unit)
    matrix, size = reduced_matrix(system, ALONE)
    return problem, system, matrix / size / size[:, None]


def dense(inverse, n_src, n):
    """Matrix of a preconditioner."""
    columns = []
    for unit in np.eye(n):
        out = inverse.solve(Unknowns(unit[: 5 * n_src].reshape(-1, 5), unit[5 * n_src :]))
        columns.append(np.concatenate([out.source.ravel(), out.calibration]))
    return np.stack(columns, axis=1)


def diagonal_blocks(system):
    """D."""
    n = 5 * system.shape[0]
    out, own = np.zeros((n, n)), np.arange(n).reshape(-1, 5)
    out[own[:, :, None], own[:, None, :]] = system.reduced_source
    return out


def patterns(problem, system):
    """Z, out of monomials in the orthographic projection about the mean direction."""
    ra, dec = problem.sources.ra, problem.sources.dec
    mean = SkyCoord(ra, dec, unit="rad").cartesian.mean().represent_as(UnitSphericalRepresentation)
    middle = mean.lon.rad, mean.lat.rad
    x = np.cos(dec) * np.sin(ra - middle[0])
    y = np.sin(dec) * np.cos(middle[1]) - np.cos(dec) * np.sin(middle[1]) * np.cos(ra - middle[0])
    shift = np.linalg.inv(system.reduced_source) @ (system.reduced_source - system.prior_source)
    terms = [np.ones_like(x), x, y, x * x, x * y, y * y]
    return np.concatenate([shift * (term / np.abs(term).max())[:, None, None] for term in terms], axis=2)


def test_it_is_the_formula(case):
    """Elimination of the sources' blocks, or of them from what units share, and S itself on the patterns."""
    problem, system, matrix = case
    n_src, n = system.shape[0], len(matrix)
    calibration = slice(5 * n_src, n)
    n_own, n_unit = problem.n_unit_unknown, problem.n_unit
    found = dense(TwoLevel(system, ALONE, problem.sources), n_src, n)

    blocks = np.linalg.inv(diagonal_blocks(system))
    coupling, own = matrix[: 5 * n_src, calibration], matrix[calibration, calibration]
    shared = np.zeros((n - 5 * n_src, n_own + own.shape[0] - n_unit * n_own))
    shared[: n_unit * n_own, :n_own] = np.tile(np.eye(n_own), (n_unit, 1))
    shared[n_unit * n_own :, n_own:] = np.eye(own.shape[0] - n_unit * n_own)
    both = coupling @ shared
    first = np.concatenate([-blocks @ both, shared])
    expected = first @ np.linalg.inv(shared.T @ own @ shared - both.T @ blocks @ both) @ first.T
    expected[: 5 * n_src, : 5 * n_src] += blocks
    if n_unit > 1:
        expected[calibration, calibration] += np.linalg.inv(own)

    z = patterns(problem, system).reshape(5 * n_src, -1)
    second = np.concatenate([z, -np.linalg.solve(own, coupling.T @ z)])
    expected += second @ np.linalg.inv(second.T @ matrix @ second) @ second.T
    size = np.sqrt(np.diagonal(np.linalg.inv(matrix)))
    assert np.abs((found - expected) / size / size[:, None]).max() < 1e-6
    assert np.abs(found - found.T).max() < 1e-9 * np.abs(found).max()


def test_it_is_positive(case):
    """Smallest eigenvalue in the scale of the errors; also with the chips held."""
    problem, system, matrix = case
    size = np.sqrt(np.diagonal(np.linalg.inv(matrix)))
    for block in (None, calibration_without_gauge(problem, system)):
        found = dense(TwoLevel(system, ALONE, problem.sources, block), system.shape[0], len(matrix))
        scaled = found / size / size[:, None]
        assert np.linalg.eigvalsh(scaled + scaled.T)[0] > 0


@pytest.mark.parametrize("n_src", [4, 12, 40])
def test_it_is_positive_where_exposures_have_few_stars(n_src):
    """There attitudes tie the stars to each other, and their blocks may be eliminated in part alone."""
    problem, system = made(n_orbit=5, n_exp=8, n_src=n_src, turn=0.0)
    matrix, size = reduced_matrix(system, ALONE)
    matrix = matrix / size / size[:, None]
    coupling, blocks = matrix[: 5 * n_src, 5 * n_src :], np.linalg.inv(diagonal_blocks(system))
    whole = matrix[5 * n_src :, 5 * n_src :] - coupling.T @ blocks @ coupling
    scale = np.sqrt(np.diagonal(matrix[5 * n_src :, 5 * n_src :]))
    assert np.linalg.eigvalsh(whole / scale / scale[:, None])[0] < -0.01

    inverse = TwoLevel(system, ALONE, problem.sources)
    size = np.sqrt(np.diagonal(np.linalg.inv(matrix)))
    scaled = dense(inverse, n_src, len(matrix)) / size / size[:, None]
    assert np.linalg.eigvalsh(scaled + scaled.T)[0] > 0
    found = cg.solve(system, ALONE, inverse, tolerance=1e-8, max_product=100)
    expected = np.linalg.solve(matrix, np.concatenate([g.ravel() for g in right_side(system, ALONE)]))
    assert found.is_settled
    assert np.abs((found.step.source.ravel() - expected[: 5 * n_src]) / size[: 5 * n_src]).max() < 1e-3


class Blocks:
    """The diagonal blocks' inverse alone."""

    def __init__(self, system):
        self.source = inverse5(system.reduced_source)
        matrix = system.reduced_calibration
        n_unit, n_own = matrix.unit.shape[:2]
        n = n_unit * n_own
        whole = np.zeros((n + len(matrix.chips),) * 2)
        for u in range(n_unit):
            rows = slice(u * n_own, (u + 1) * n_own)
            whole[rows, rows], whole[rows, n:], whole[n:, rows] = (
                matrix.unit[u],
                matrix.mixed[u],
                matrix.mixed[u].T,
            )
        whole[n:, n:] = matrix.chips
        self.calibration = np.linalg.inv(whole)

    def solve(self, right):
        """Their product with a vector."""
        source = np.einsum("sij,sj->si", self.source, right.source)
        return Unknowns(source, self.calibration @ right.calibration)


@pytest.mark.parametrize(("name", "n_product"), [("constant", 10), ("orbit", 20), ("season", 20)])
def test_few_products_where_the_telescope_never_turns(name, n_product):
    """Distortion and sources are hard to tell apart: blocks alone are 0.1 sigma off after half as many."""
    calibration, unit = CASES[name]
    case = {"calibration": calibration, "unit": unit, "distortion": Distortion(order=5)}
    problem, system = made(n_orbit=6, n_exp=16, n_src=400, turn=0.0, **case)
    sigma = np.sqrt(np.diagonal(inverse5(system.reduced_source), axis1=1, axis2=2))
    inverse = TwoLevel(system, ALONE, problem.sources)
    exact = cg.solve(system, ALONE, inverse, tolerance=1e-12, max_product=200)
    assert exact.is_settled

    def error(preconditioner, n):
        short = cg.solve(system, ALONE, preconditioner, tolerance=0.0, max_product=n)
        return np.abs((short.step.source - exact.step.source) / sigma).max()

    assert np.abs(exact.step.source / sigma).max() > 20
    assert error(inverse, n_product) < 1e-3
    # The other way leads to the same solution, later.
    assert error(Blocks(system), n_product // 2) > 0.1
    assert error(Blocks(system), 80) < 1e-7


def test_ranks_make_the_same(case):
    """Orbits of two ranks, to rounding."""
    problem, system, matrix = case
    alone = dense(TwoLevel(system, ALONE, problem.sources), system.shape[0], len(matrix))

    def work(rank, ranks):
        own, state, weight = zero(problem._replace(orbits=problem.orbits[rank::2]))
        part = linearise(own, state, weight, no_noise(own), ranks).system
        return dense(TwoLevel(part, ranks, own.sources), part.shape[0], len(matrix))

    size = np.sqrt(np.diagonal(alone))
    for found in Team(2).run(work):
        assert np.abs((found - alone) / size / size[:, None]).max() < 1e-8


def test_sources_without_measurements_are_their_priors():
    """And a single measured source, for which most patterns are nothing, is no harm."""
    problem, _ = made(n_orbit=2, n_exp=4, n_src=40)
    (first, *_) = problem.orbits
    rows = first.source == first.source[0]
    kept = first._replace(
        source=first.source[rows],
        chip=first.chip[rows],
        pixel=first.pixel[:, rows],
        sigma=first.sigma[:, rows],
        offset=np.concatenate([[0], np.cumsum(np.add.reduceat(rows.astype(int), first.offset[:-1]))]),
    )
    problem, state, weight = zero(problem._replace(orbits=(kept,)))
    system = linearise(problem, state, weight, no_noise(problem), ALONE).system
    found = cg.solve(system, ALONE, TwoLevel(system, ALONE, problem.sources))
    assert found.is_settled
    unseen = np.delete(found.step.source, first.source[0], axis=0)
    assert np.abs(unseen).max() < 1e-9


def test_rounding_of_large_residuals_leaves_the_chips_where_priors_hold_them():
    """No measurement forbids all chips to move against the telescope; large residuals do not make them."""
    mock = global_mock(n_orbit=4, n_exp=8, n_src=200)

    def common_move(sigma):
        problem, state, weight = zero(mock.problem)
        orbits = tuple(one._replace(sigma=np.full_like(one.sigma, sigma)) for one in problem.orbits)
        problem = problem._replace(orbits=orbits)
        system = linearise(problem, state, weight, no_noise(problem), ALONE).system
        inverse = TwoLevel(system, ALONE, problem.sources)
        step = cg.solve(system, ALONE, inverse, tolerance=1e-12, max_product=100).step
        rows = convention_rows(problem)
        return rows @ step.calibration[-rows.shape[1] :] / problem.prior.chip

    # With derivatives by the chips in float32 it is 38 standard deviations of their priors.
    assert np.abs(common_move(3e-4) - common_move(1e-3)).max() < 3
