"""What the solution must not depend on: order, orientation of the sky, comparison directions, the gauge."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galcen.astrometry.iterative.calibration import CalibrationModel
from galcen.astrometry.iterative.gauge import convention_rows, in_convention
from galcen.astrometry.iterative.options import Alone, Options
from galcen.astrometry.iterative.problem import State
from galcen.astrometry.iterative.solve import solve
from galcen.astrometry.iterative.system import linearise, no_noise
from galcen.constants import KM_S_PER_MAS_YR_KPC
from galcen.mapping.source_motion import RAD_PER_MAS, triad
from galcen.mapping.vector import Vector
from global_mock import errors, global_mock, zero

ALONE = Alone()
PLAIN = Options(robust=False)
N_SRC = 300
ROUNDING = 4 * np.finfo(float).eps / RAD_PER_MAS
"""Of a direction [mas]; residuals tell no smaller shifts."""


@pytest.fixture(scope="module")
def mock():
    return global_mock(6, 8, N_SRC)


@pytest.fixture(scope="module")
def solved(mock):
    return solve(mock.problem, PLAIN)


def test_sources_may_come_in_any_order(mock, solved):
    problem = mock.problem
    order = np.random.default_rng(1).permutation(N_SRC)
    place = np.argsort(order).astype(np.int32)
    sources = type(problem.sources)(*(values[order] for values in problem.sources))
    orbits = tuple(orbit._replace(source=place[orbit.source]) for orbit in problem.orbits)
    found = solve(problem._replace(sources=sources, orbits=orbits), PLAIN)
    assert np.abs(found.state.source - solved.state.source[order]).max() < ROUNDING
    np.testing.assert_array_equal(found.n_obs, solved.n_obs[order])
    for mine, other in zip(found.residual, solved.residual, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-8)


def test_measurements_and_exposures_may_come_in_any_order(mock, solved):
    """Residuals and weights come back in the order that was given."""
    rng, orbits, rows = np.random.default_rng(2), [], []
    for orbit in mock.problem.orbits:
        order = rng.permutation(orbit.n_exp)
        own = [rng.permutation(np.arange(orbit.offset[e], orbit.offset[e + 1])) for e in order]
        row = np.concatenate(own)
        orbits.append(
            orbit._replace(
                drift=orbit.drift[order],
                exposures=jax.tree.map(lambda leaf, order=order: leaf[order], orbit.exposures),
                offset=np.concatenate([[0], np.cumsum([len(o) for o in own])]),
                source=orbit.source[row],
                chip=orbit.chip[row],
                pixel=orbit.pixel[:, row],
                sigma=orbit.sigma[:, row],
            )
        )
        rows.append((order, row))
    found = solve(mock.problem._replace(orbits=tuple(orbits)), PLAIN)
    assert np.abs(found.state.source - solved.state.source).max() < ROUNDING
    for k, (order, row) in enumerate(rows):
        np.testing.assert_allclose(found.residual[k], solved.residual[k][:, row], rtol=0, atol=1e-8)
        np.testing.assert_allclose(found.state.exposure[k], solved.state.exposure[k][order], atol=1e-6)


@pytest.mark.parametrize("share", ["constant", "orbit"])
def test_orbits_and_their_units_may_come_in_any_order(share):
    """Robust weights and excess noise find their measurements whatever the order of orbits and units."""
    model = CalibrationModel(share=share)
    unit = {"constant": None, "orbit": lambda k: k // 3}[share]
    problem = global_mock(6, 8, N_SRC, calibration=model, unit=unit).problem
    rng = np.random.default_rng(3)
    orbits = tuple(
        orbit._replace(pixel=orbit.pixel + 1.0 * (rng.random(len(orbit.source)) < 0.01))
        for orbit in problem.orbits
    )
    options = Options(excess_noise="exposure")
    expected = solve(problem._replace(orbits=orbits), options)
    order = [3, 0, 5, 1, 4, 2]
    turned = tuple(orbits[k] for k in order)
    found = solve(problem._replace(orbits=turned), options)
    assert np.abs((found.state.source - expected.state.source) / errors(expected)).max() < 1e-6
    assert found.dof == pytest.approx(expected.dof, rel=1e-9)
    for place, k in enumerate(order):
        np.testing.assert_allclose(found.residual[place], expected.residual[k], rtol=0, atol=1e-8)
        np.testing.assert_allclose(found.weight[place], expected.weight[k], rtol=0, atol=1e-5)


def turned(rotation, vector):
    return Vector(*(sum(rotation[i, j] * np.asarray(vector[j]) for j in range(3)) for i in range(3)))


def test_the_sky_may_be_turned(mock, solved):
    """Sources, pointings and observer together: residuals to 1e-8 pixel, sources to 1e-6 sigma."""
    problem = mock.problem
    rotation, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))
    rotation *= np.sign(np.linalg.det(rotation))
    sources = problem.sources
    old = triad(sources.ra, sources.dec)
    east, _, radial = (turned(rotation, vector) for vector in old)
    ra, dec = np.arctan2(radial.y, radial.x), np.arcsin(radial.z)
    new = triad(ra, dec)
    cos, sin = (sum(np.asarray(a * b) for a, b in zip(east, axis, strict=True)) for axis in new[:2])
    by = np.zeros((N_SRC, 5, 5))
    by[:, 2, 2] = 1.0
    for first in (0, 3):
        by[:, first, first] = by[:, first + 1, first + 1] = cos
        by[:, first, first + 1], by[:, first + 1, first] = -sin, sin

    def across(values):
        return np.einsum("sij,sj->si", by, values)

    orbits = []
    for orbit in problem.orbits:
        observer, axes = orbit.exposures
        observer = observer._replace(
            **{name: turned(rotation, getattr(observer, name)) for name in ("b", "beta", "sun")}
        )
        axes = type(axes)(*(turned(rotation, axis) for axis in axes))
        orbits.append(orbit._replace(exposures=type(orbit.exposures)(observer, axes)))
    covariance = by @ sources.covariance @ by.swapaxes(1, 2)
    elsewhere = sources._replace(ra=ra, dec=dec, mean=across(sources.mean), covariance=covariance)
    found = solve(problem._replace(sources=elsewhere, orbits=tuple(orbits)), PLAIN)
    for mine, other in zip(found.residual, solved.residual, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-8)
    assert np.abs((found.state.source - across(solved.state.source)) / errors(found)).max() < 1e-6


def test_comparison_directions_may_be_a_second_of_arc_away(mock, solved):
    """Unknowns of the same straight line about another direction: to 1e-6 of the standard deviations."""
    sources = mock.problem.sources
    rng = np.random.default_rng(5)
    ra, dec = (at + np.radians(rng.choice([-1, 1], N_SRC) / 3600) for at in (sources.ra, sources.dec))
    old, new = (np.stack([np.stack(v) for v in triad(*at)]) for at in ((sources.ra, sources.dec), (ra, dec)))

    def about(values, radial_velocity, old, new):
        a, d, parallax, pma, pmd = RAD_PER_MAS * values
        start = old[2] + a * old[0] + d * old[1]
        velocity = radial_velocity * parallax / KM_S_PER_MAS_YR_KPC * old[2] + pma * old[0] + pmd * old[1]
        depth = start @ new[2]
        parts = [start @ new[0], start @ new[1], parallax, velocity @ new[0], velocity @ new[1]]
        return jnp.stack(parts) / depth / RAD_PER_MAS

    arguments = (sources.radial_velocity, old.transpose(2, 0, 1), new.transpose(2, 0, 1))
    across = jax.jit(jax.vmap(about))
    slope = np.asarray(jax.jit(jax.vmap(jax.jacfwd(about)))(sources.mean, *arguments))
    elsewhere = sources._replace(
        ra=ra,
        dec=dec,
        mean=np.asarray(across(sources.mean, *arguments)),
        covariance=slope @ sources.covariance @ slope.swapaxes(1, 2),
    )
    found = solve(mock.problem._replace(sources=elsewhere), PLAIN)
    expected = np.asarray(across(solved.state.source, *arguments))
    assert np.abs(expected - solved.state.source).max() > 900
    assert np.abs((found.state.source - expected) / errors(solved)).max() < 1e-6


def change(problem, begin, end, part):
    """Of the residuals, a part of the way from one state to another."""
    _, _, weight = zero(problem)
    at = jax.tree.map(lambda a, b: (1 - part) * a + part * b, begin, end)
    sweeps = (linearise(problem, state, weight, no_noise(problem), ALONE) for state in (begin, State(*at)))
    before, after = (np.concatenate(sweep.residual, axis=1) for sweep in sweeps)
    return after - before


def test_the_convention_changes_no_residual_to_first_order():
    """Without distortion: half the move changes residuals by a quarter of what the whole does.

    Priors are wide: those of the focal lengths hold exposures of few stars back, by 1e-4 pixel.
    """
    mock = global_mock(6, 8, N_SRC, camera_error=0.0)
    problem, _, weight = zero(mock.problem)
    problem = problem._replace(prior=problem.prior._replace(exposure=1e3 * problem.prior.exposure))
    system = linearise(problem, mock.truth, weight, no_noise(problem), ALONE).system
    there = in_convention(problem, mock.truth, system)
    half, whole = (change(problem, mock.truth, there, part) for part in (0.5, 1.0))
    # Chips move by 10 um, or a pixel.
    assert np.abs(there.chip - mock.truth.chip)[:, 1:3].max() > 3
    # A shift and a turn of the telescope differ by the square of the field, (0.3 deg)^2.
    assert np.abs(whole - 4 * half).max() < 2.7e-5 * 1.0
    assert np.abs(whole).max() < 1e-3


def test_the_convention_is_kept(mock, solved):
    """Means over the chips are nominal, sources as they were; a distortion makes it 1e-3 pixel at most.

    The camera moves by 10 um under a distortion that changes by 1e-3 of that on the way.
    """
    rows = convention_rows(mock.problem)
    before, after = (rows @ state.chip.ravel() for state in (solved.state, solved.in_convention))
    assert np.abs(after).max() < 1e-5 * np.abs(before).max()
    np.testing.assert_array_equal(solved.state.source, solved.in_convention.source)
    problem, _, _ = zero(mock.problem)
    assert np.abs(change(problem, solved.state, solved.in_convention, 1.0)).max() < 1e-3


def test_the_convention_is_reached_at_once(mock, solved):
    """What is in the convention stays where it is."""
    problem, _, weight = zero(mock.problem)
    system = linearise(problem, solved.in_convention, weight, no_noise(problem), ALONE).system
    again = in_convention(problem, solved.in_convention, system)
    first = np.abs(solved.in_convention.chip - solved.state.chip).max(axis=0)
    second = np.abs(again.chip - solved.in_convention.chip).max(axis=0)
    assert (second < 1e-4 * first).all()
