"""Velocities given observed motions: round trips, closed-form conditionals, what is left as drawn."""

import jax.numpy as jnp
import numpy as np
import pytest

from galcen import config
from galcen.catalogue.kinematic_likelihood import Motions
from galcen.catalogue.observed_motion import adopt, condition
from galcen.catalogue.velocity import phase_space
from galcen.galaxy.components import BAR, HALO, NSC, NSD
from galcen.galaxy.frame import Frame, position
from galcen.galaxy.kinematics.disc_velocities import DiscVelocities
from galcen.galaxy.kinematics.moments import GAUSSIAN, gaussian_moments
from galcen.galaxy.observables import (
    galactic_proper_motion,
    icrs_proper_motion,
    observables,
    sky_axes,
    velocity_of,
)
from galcen.io.model_tables import read_tables
from galcen.random import stage_key
from galcen.stages.galaxy_model import build_galaxy

LON, LAT, DIST = np.radians(0.9), np.radians(-0.2), 8000.0


@pytest.fixture(scope="module")
def galaxy():
    settings = config.parse({})
    return build_galaxy(settings.galaxy, settings.extinction, read_tables()[0])


def draw(galaxy, comp, n, seed=1):
    """Stars of one component at one place."""
    place = np.full(n, comp), np.full(n, LON), np.full(n, LAT), np.full(n, DIST)
    return place, phase_space(galaxy, stage_key(seed, "test"), np.arange(n), *place)


def errors_of(n, pm=0.02, rv=0.5):
    return np.stack([np.full(n, pm), np.full(n, pm), np.full(n, rv)])


def test_inverse_geometry():
    """Velocity to observables and back, and proper motions between the axes, to 1e-12 relative."""
    rng = np.random.default_rng(1)
    lon, lat, dist = rng.uniform(-3, 3, 100), rng.uniform(-1.4, 1.4, 100), rng.uniform(10, 2e4, 100)
    velocity = rng.normal(0, 150, (3, 100))
    seen = observables(Frame(), lon, lat, dist, velocity)
    np.testing.assert_allclose(velocity_of(Frame(), lon, lat, dist, *seen), velocity, atol=1e-9)
    back = galactic_proper_motion(lon, lat, *icrs_proper_motion(lon, lat, seen[0], seen[1]))
    # The matrix of the axes has ten digits: it is orthogonal to 1e-10.
    np.testing.assert_allclose(back, np.stack(seen[:2]), rtol=1e-9, atol=1e-9 * np.abs(seen[:2]).max())
    axes = np.asarray(sky_axes(lon, lat))
    np.testing.assert_allclose(
        np.einsum("ikn,jkn->ijn", axes, axes), np.eye(3)[..., None] * np.ones(100), atol=1e-14
    )


@pytest.mark.parametrize("comp", [2, 7, BAR, NSD, NSC, HALO])
def test_round_trip(galaxy, comp):
    """The observed motions are the true ones to 1e-9, and velocity, pml and pmra all say the same."""
    n = 50
    place, drawn = draw(galaxy, comp, n)
    rng = np.random.default_rng(2)
    value = np.stack([rng.normal(-4, 3, n), rng.normal(-5, 3, n), rng.normal(0, 90, n)])
    value[2, ::2] = np.nan
    got = adopt(galaxy, drawn, *place, Motions(value, errors_of(n)))
    np.testing.assert_allclose(got.pmra, value[0], atol=1e-8)
    np.testing.assert_allclose(got.pmdec, value[1], atol=1e-8)
    np.testing.assert_allclose(got.radial_velocity[1::2], value[2, 1::2], atol=1e-7)
    model = got.velocity * np.array([-1.0, 1.0, 1.0])[:, None]
    again = observables(galaxy.frame, *place[1:], model)
    np.testing.assert_allclose(again, [got.pml, got.pmb, got.radial_velocity], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(icrs_proper_motion(*place[1:3], got.pml, got.pmb), [got.pmra, got.pmdec])
    np.testing.assert_array_equal(got.position, drawn.position)
    if comp <= 7:
        np.testing.assert_allclose(got.radial_velocity[::2], drawn.radial_velocity[::2], atol=1e-9)


def conditional(mean, covariance, values):
    """Mean and variance of the last of three normal variables given the first two, by Schur complement."""
    gain = np.linalg.solve(covariance[:2, :2], covariance[:2, 2])
    return mean[2] + gain @ (values - mean[:2]), covariance[2, 2] - gain @ covariance[:2, 2]


@pytest.mark.parametrize("comp", GAUSSIAN)
def test_radial_velocity_is_conditional(galaxy, comp):
    """Mean and dispersion of 20,000 drawn v_los given (mu_l, mu_b) are the closed form's, to 4 errors.

    The moments are those of the draws themselves: a sample of 400,000 without any condition.
    """
    _, free = draw(galaxy, comp, 400_000, seed=3)
    sample = np.stack([free.pml, free.pmb, free.radial_velocity])
    offset = np.array([1.2, -0.8]) * sample[:2].std(axis=1)
    values = sample[:2].mean(axis=1) + offset
    expected, variance = conditional(sample.mean(axis=1), np.cov(sample), values)
    n = 20_000
    place, drawn = draw(galaxy, comp, n, seed=4)
    pmra, pmdec = icrs_proper_motion(*place[1:3], np.full(n, values[0]), np.full(n, values[1]))
    value = np.stack([pmra, pmdec, np.full(n, np.nan)])
    got = adopt(galaxy, drawn, *place, Motions(value, errors_of(n))).radial_velocity
    sigma = np.sqrt(variance)
    assert got.mean() == pytest.approx(expected, abs=5 * sigma / np.sqrt(n))
    assert got.std() == pytest.approx(sigma, rel=5 / np.sqrt(2 * n) + 5e-3)


@pytest.mark.parametrize(
    ("comp", "at"),
    [
        # The bar where the cut at 600 km/s takes next to nothing.
        (BAR, (np.radians(6.0), np.radians(-1.0), 7000.0)),
        (NSD, (LON, LAT, 8000.0)),
        (NSD, (np.radians(-0.6), np.radians(0.3), 8300.0)),
        (NSC, (LON, LAT, 8000.0)),
        (HALO, (LON, LAT, 8000.0)),
    ],
)
def test_moments_are_those_of_the_draws(galaxy, comp, at):
    """Mean and covariance of 200,000 draws, within 5 standard errors."""
    n = 200_000
    means, covariances = gaussian_moments(galaxy.kinematics, *position(galaxy.frame, *map(jnp.asarray, at)))
    mean, covariance = means[GAUSSIAN.index(comp)], covariances[GAUSSIAN.index(comp)]
    place = [np.full(n, comp), *(np.full(n, part) for part in at)]
    motion = phase_space(galaxy, stage_key(9, "test"), np.arange(n), *place)
    v = motion.velocity * np.array([-1.0, 1.0, 1.0])[:, None]
    sigma = np.sqrt(np.diag(covariance))
    assert (np.abs(v.mean(axis=1) - mean) < 5 * sigma / np.sqrt(n)).all()
    assert (np.abs(np.cov(v) - covariance) < 5 * np.sqrt(2 / n) * sigma[:, None] * sigma).all()


def test_poor_proper_motions_are_not_adopted(galaxy):
    """Errors of 0.5 mas/yr or more, or a missing component, leave the drawn motion, to the last digits."""
    n = 8
    place, drawn = draw(galaxy, NSD, n)
    value = np.stack([np.full(n, -3.0), np.full(n, -5.0), np.full(n, np.nan)])
    error = errors_of(n, pm=0.5)
    value[1, 4:], error[:, 4:] = np.nan, 0.1
    got = adopt(galaxy, drawn, *place, Motions(value, error))
    np.testing.assert_allclose(got.pml, drawn.pml, rtol=1e-12)
    np.testing.assert_allclose(got.velocity, drawn.velocity, rtol=1e-12)


@pytest.mark.parametrize("comp", [2, 6, 7, BAR, NSD, NSC, HALO])
@pytest.mark.parametrize("given", [(0, 1), (2,), (0, 1, 2)])
def test_conditioned_velocities_follow_the_posterior(galaxy, comp, given):
    """Means and dispersions of 20,000 conditioned velocities against 200,000 free ones, weighted.

    The weight of a free one is the normal density of the observed motion about its own; 5 standard errors.
    """
    at = (np.radians(5.0), np.radians(-0.8), 7000.0) if comp == BAR else (LON, LAT, DIST)
    many, n = 200_000, 20_000

    def stars(number, seed):
        place = [np.full(number, comp), *(np.full(number, x) for x in at)]
        return place, phase_space(galaxy, stage_key(seed, "test"), np.arange(number), *place)

    _, free = stars(many, 11)
    seen = np.stack([free.pmra, free.pmdec, free.radial_velocity])
    spread = seen.std(axis=1)
    value = seen.mean(axis=1) + np.array([0.7, -0.6, 0.8]) * spread
    error = np.array([0.4, 0.6, 0.5]) * spread
    use = np.isin(np.arange(3), given)
    weight = np.exp(-0.5 * (((seen - value[:, None]) / error[:, None])[use] ** 2).sum(axis=0))
    weight /= weight.sum()
    place, drawn = stars(n, 12)
    value[~use] = np.nan
    rng = np.random.default_rng(13)
    motions = Motions(np.repeat(value[:, None], n, axis=1), np.repeat(error[:, None], n, axis=1))
    table = DiscVelocities.build(galaxy.kinematics.shu)
    got = condition(galaxy, table, drawn, *place, motions, rng.normal(size=(3, n)), rng.random(n))
    model = got.velocity * np.array([-1.0, 1.0, 1.0])[:, None]
    np.testing.assert_allclose(
        observables(galaxy.frame, *place[1:], model),
        [got.pml, got.pmb, got.radial_velocity],
        rtol=1e-12,
        atol=1e-12,
    )
    effective = 1 / np.sum(weight**2)
    for name in ("pmra", "pmdec", "radial_velocity"):
        expected = weight @ getattr(free, name)
        sigma = np.sqrt(weight @ (getattr(free, name) - expected) ** 2)
        mine = getattr(got, name)
        assert mine.mean() == pytest.approx(expected, abs=5 * sigma * np.sqrt(1 / n + 1 / effective)), name
        tolerance = 5 * np.sqrt(1 / n + 1 / effective)  # of skewed ones the fourth moment is above 3
        assert mine.std() == pytest.approx(sigma, rel=tolerance), name


def test_a_star_without_motions_keeps_its_velocity(galaxy):
    """To the last digits, in the disc and out of it."""
    for comp in (3, NSD):
        place, drawn = draw(galaxy, comp, 5)
        nothing = Motions(np.full((3, 5), np.nan), np.full((3, 5), np.nan))
        table = DiscVelocities.build(galaxy.kinematics.shu)
        got = condition(galaxy, table, drawn, *place, nothing, np.zeros((3, 5)), np.full(5, 0.5))
        np.testing.assert_allclose(got.velocity, drawn.velocity, rtol=1e-12)
