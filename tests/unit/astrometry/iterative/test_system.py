"""The linear system against a dense Jacobian by automatic differentiation of the whole chain."""

import jax
import numpy as np
import pytest

from galcen.astrometry.iterative import operator
from galcen.astrometry.iterative.arrow import ArrowFactor
from galcen.astrometry.iterative.model import Shared, groups, residuals, sources_of
from galcen.astrometry.iterative.options import Alone
from galcen.astrometry.iterative.problem import State
from galcen.astrometry.iterative.products import Unknowns
from galcen.astrometry.iterative.system import (
    calibration_precision,
    exposure_precision,
    linearise,
    no_noise,
)
from global_mock import CASES, global_mock, zero

ALONE = Alone()


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """A small problem, its state, its system and its dense normal equations."""
    calibration, unit = CASES[request.param]
    mock = global_mock(n_orbit=4, n_exp=3, n_src=25, calibration=calibration, unit=unit)
    problem, state, weight = zero(mock.problem)
    state = State(state.source, 0.5 * mock.truth.unit, 0.5 * mock.truth.chip, mock.truth.exposure)
    rng = np.random.default_rng(3)
    weight = tuple(rng.uniform(0.3, 1.0, len(one)) for one in weight)
    sweep = linearise(problem, state, weight, no_noise(problem), ALONE)
    return problem, state, weight, sweep, dense(problem, state, weight)


def dense(problem, state, weight):
    """N and b of all unknowns, sources, calibration, exposures, priors included."""
    sizes = [state.source.size, state.unit.size, state.chip.size, *(e.size for e in state.exposure)]
    flat = np.concatenate(
        [state.source.ravel(), state.unit.ravel(), state.chip.ravel(), *map(np.ravel, state.exposure)]
    )
    n_term = problem.camera.optics.distortion.n_term

    def left(values):
        parts = np.cumsum(sizes)[:-1].tolist()
        source, unit, chip, *exposures = jax.numpy.split(values, parts)
        now = State(source.reshape(-1, 5), unit, chip, ())
        gathered = sources_of(problem, now)
        out = []
        for k, orbit in enumerate(problem.orbits):
            own = unit.reshape(problem.n_unit, -1, 2, n_term)[orbit.unit]
            shared = Shared(gathered, own, chip.reshape(problem.camera.n_chip, -1))
            for inside, group in groups(orbit, 4, state.exposure[k], weight[k]):
                rows = inside.exposure[np.minimum(np.arange(len(group.drift)), len(inside.exposure) - 1)]
                group = group._replace(unknowns=exposures[k].reshape(-1, 5)[rows])
                z = residuals(problem, shared, group) * group.root * np.sqrt(group.weight)
                out.append(z.ravel())
        return jax.numpy.concatenate(out)

    z, jacobian = np.asarray(left(flat)), -np.asarray(jax.jacfwd(left)(flat))
    normal, side = jacobian.T @ jacobian, jacobian.T @ z
    chi2 = (z**2).sum()
    n_src = len(problem.sources.ra)
    precision = np.zeros_like(normal)
    for s in range(n_src):
        own = slice(5 * s, 5 * s + 5)
        precision[own, own] = np.linalg.inv(problem.sources.covariance[s])
    rest = np.concatenate(
        [calibration_precision(problem)]
        + [np.tile(exposure_precision(problem), o.n_exp) for o in problem.orbits]
    )
    precision[np.arange(5 * n_src, len(flat)), np.arange(5 * n_src, len(flat))] = rest
    miss = np.concatenate([problem.sources.mean.ravel(), np.zeros(len(rest))]) - flat
    return normal + precision, side + precision @ miss, chi2 + miss @ precision @ miss


def vector(problem, values):
    """Sources and calibration of a flat vector."""
    n = 5 * len(problem.sources.ra)
    return Unknowns(values[:n].reshape(-1, 5), values[n:])


def flat(unknowns):
    """The other way."""
    return np.concatenate([unknowns.source.ravel(), unknowns.calibration])


def reduced(case):
    """S and g of the dense system."""
    _, state, _, _, (normal, side, _) = case
    n = state.source.size + state.unit.size + state.chip.size
    gain = np.linalg.solve(normal[n:, n:], np.column_stack([normal[n:, :n], side[n:]]))
    return normal[:n, :n] - normal[:n, n:] @ gain[:, :-1], side[:n] - normal[:n, n:] @ gain[:, -1], n


def test_products_are_those_of_the_dense_matrix(case):
    """To 1e-5 of the size of each row: derivatives are kept in float32, motions take the orbit's time."""
    problem, _, _, sweep, _ = case
    matrix, _, n = reduced(case)
    scale, rng = np.sqrt(np.diag(matrix)), np.random.default_rng(1)
    for _ in range(3):
        at = rng.normal(size=n) / scale
        out = flat(operator.product(sweep.system, ALONE, vector(problem, at)))
        np.testing.assert_allclose(out / scale, (matrix @ at) / scale, atol=2e-4)


def test_the_matrix_is_symmetric_to_rounding(case):
    """The product is symmetric: what is kept is one matrix, whatever its derivatives were rounded to."""
    problem, _, _, sweep, _ = case
    matrix, _, n = reduced(case)
    rng = np.random.default_rng(2)
    u, v = (vector(problem, rng.normal(size=n) / np.sqrt(np.diag(matrix))) for _ in range(2))
    su, sv = (operator.product(sweep.system, ALONE, at) for at in (u, v))
    assert abs(u.dot(sv) - v.dot(su)) < 1e-11 * abs(u.dot(su))


def test_right_sides_and_chi2_are_exact(case):
    """Right sides do not depend on what is kept in float32: to 1e-9 in units of the standard deviation."""
    _, _, _, sweep, (_, _, chi2) = case
    matrix, side, _ = reduced(case)
    system = sweep.system
    scale = np.sqrt(np.diag(matrix))
    raw = np.concatenate([system.side_source.ravel(), system.side_calibration])
    np.testing.assert_allclose(raw / scale, case[4][1][: len(side)] / scale, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(
        flat(operator.right_side(system, ALONE)) / scale,
        side / scale,
        rtol=1e-5,
        atol=1e-3 * np.abs(side / scale).max(),
    )
    np.testing.assert_allclose(sweep.chi2, chi2, rtol=1e-12)


def test_blocks_are_those_of_the_dense_matrix(case):
    """Of sources, before and after the elimination of the exposures, and the calibration's."""
    _, state, _, sweep, (normal, _, _) = case
    matrix, _, n = reduced(case)
    first = state.source.size
    for s in range(len(state.source)):
        own = slice(5 * s, 5 * s + 5)
        for found, whole in ((sweep.system.source, normal), (sweep.system.reduced_source, matrix)):
            scale = np.sqrt(np.diag(whole)[own])
            np.testing.assert_allclose(
                found[s] / scale / scale[:, None], whole[own, own] / scale / scale[:, None], atol=2e-4
            )
    scale = np.sqrt(np.diag(matrix)[first:])
    side = np.random.default_rng(4).normal(size=n - first) * scale
    block = matrix[first:, first:] / scale / scale[:, None]
    expected = np.linalg.solve(block, side / scale)
    found = ArrowFactor(sweep.system.reduced_calibration).solve(side) * scale
    assert np.abs(block @ found - side / scale).max() < 1e-3 * np.abs(side / scale).max()
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


def test_exposures_follow_sources_and_calibration(case):
    """Back-substitution as in the dense system, to 1e-4 of the standard deviations."""
    problem, _, _, sweep, (normal, side, _) = case
    matrix, _, n = reduced(case)
    at = np.random.default_rng(5).normal(size=n) / np.sqrt(np.diag(matrix))
    expected = np.linalg.solve(normal[n:, n:], side[n:] - normal[n:, :n] @ at)
    found = operator.exposures_of(sweep.system, vector(problem, at))
    numbers = [orbit.orbit.number for unit in sweep.system.units for orbit in unit.orbits]
    ordered = [
        e
        for _, e in sorted(zip(numbers, [e for part in found for e in part], strict=True), key=lambda p: p[0])
    ]
    sigma = np.sqrt(np.diag(np.linalg.inv(normal[n:, n:])))
    assert (
        np.abs((np.concatenate(ordered).ravel() - expected) / sigma).max()
        < 1e-3 * np.abs(expected / sigma).max()
    )
