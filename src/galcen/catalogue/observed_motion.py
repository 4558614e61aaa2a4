r"""Velocities that agree with what is observed of a star's motion.

A velocity v drawn from a component that is normal becomes one drawn given the observation o = P (v - v_sun) +
noise of covariance R by

.. math:: v' = v + C P^T (P C P^T + R)^{-1} (o - P (v - v_\odot) - e) , \qquad e \sim N(0, R)

(Matheron's rule): its mean and covariance are those of the conditional normal. For R = 0 the observation is
met exactly, and what is not observed follows the conditional of the rest.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from galcen.catalogue.kinematic_likelihood import (
    Measurement,
    Motions,
    along_galactic_axes,
    disc_terms,
    inverse_and_ln_det,
    project,
    projected_covariance,
)
from galcen.catalogue.score_integral import draw_azimuthal_velocities
from galcen.catalogue.velocity import PhaseSpace
from galcen.galaxy.components import THICK
from galcen.galaxy.frame import position
from galcen.galaxy.kinematics import disc
from galcen.galaxy.kinematics.disc_velocities import DiscVelocities
from galcen.galaxy.kinematics.draw import R_MIN
from galcen.galaxy.kinematics.moments import GAUSSIAN, gaussian_moments, polar_axes
from galcen.galaxy.model import Galaxy
from galcen.galaxy.observables import galactic_proper_motion, icrs_proper_motion, observables, velocity_of

BATCH = 1024
LARGEST_ERROR = 0.5
"""Proper motions with smaller errors are taken as true ones [mas/yr]."""

RIGHT_HANDED = np.array([-1.0, 1.0, 1.0])[:, None]
"""The model frame is left-handed: its X points at the Sun."""

Star = Float[np.ndarray, " n_star"]


def kept(motions: Motions) -> Bool[np.ndarray, "3 n_star"]:
    """Which of the observed motions are taken as true: precise proper motions, all radial velocities."""
    pm = np.isfinite(motions.value[:2]).all(axis=0) & (motions.error[:2] < LARGEST_ERROR).all(axis=0)
    return np.stack([pm, pm, np.isfinite(motions.value[2])])


def adopt(
    galaxy: Galaxy,
    drawn: PhaseSpace,
    comp: Int[np.ndarray, " n_star"],
    lon: Star,
    lat: Star,
    dist: Star,
    motions: Motions,
) -> PhaseSpace:
    """The same stars with the observed motions of `kept` as their true ones.

    The other part of the motion is conditioned on them in components that are normal; in the discs it is as
    drawn.

    Parameters
    ----------
    galaxy
        The model.
    drawn
        Positions and velocities drawn from the components.
    comp
        Component of each star.
    lon, lat
        Galactic coordinates [rad].
    dist
        True distance [pc].
    motions
        Observed motions.
    """
    which = kept(motions)
    value = np.where(which, motions.value, np.nan)
    # An error of 1 marks what is given; the covariance is put to zero below.
    exact = Motions(value, np.where(which, 1.0, np.nan))
    return _in_batches(_adopt, galaxy, drawn, comp, lon, lat, dist, exact)


def condition(
    galaxy: Galaxy,
    table: DiscVelocities,
    drawn: PhaseSpace,
    comp: Int[np.ndarray, " n_star"],
    lon: Star,
    lat: Star,
    dist: Star,
    motions: Motions,
    noise: Float[np.ndarray, "3 n_star"],
    uniform: Star,
) -> PhaseSpace:
    """The same stars with velocities drawn given their observed motions with errors.

    In the discs v_phi is drawn first, given the motions, then v_R and v_Z given it. The cut at the escape
    speed is not made again.

    Parameters
    ----------
    galaxy, table
        The model, and the quantiles of its discs' velocities.
    drawn, comp, lon, lat, dist
        As in `adopt`.
    motions
        Observed motions; stars without any keep their velocity.
    noise
        Standard normal numbers.
    uniform
        Numbers in [0, 1), for v_phi.
    """
    which = np.minimum(comp, THICK)
    v_phi = np.empty(len(comp))
    for start in range(0, len(comp), BATCH):
        rows = np.minimum(np.arange(start, start + BATCH), len(comp) - 1)
        r, z, alpha, beta, _ = disc_terms(galaxy, motions.take(rows), lon[rows], lat[rows], dist[rows, None])
        mine = which[rows], np.arange(BATCH), 0
        out = np.empty(BATCH)
        columns = [np.array(part) for part in (r[:, 0], z[:, 0], alpha[mine], beta[mine])]
        draw_azimuthal_velocities(table, which[rows], *columns, uniform[rows], out)
        v_phi[start : start + BATCH] = out[: len(comp) - start]
    return _in_batches(_condition, galaxy, drawn, comp, lon, lat, dist, motions, noise, v_phi)


@eqx.filter_jit
def _condition(
    galaxy: Galaxy,
    velocity: Array,
    motions: Motions,
    comp: Array,
    lon: Array,
    lat: Array,
    dist: Array,
    noise: Array,
    v_phi: Array,
) -> tuple[Array, ...]:
    measured = along_galactic_axes(motions, lon, lat)
    error = jnp.where(motions.seen(), motions.error, 0.0) * noise
    noise = jnp.stack([*galactic_proper_motion(lon, lat, error[0], error[1]), error[2]])
    place = comp, lon, lat, dist
    inner = _update(galaxy, velocity, measured, *place, noise)
    x, y, _ = position(galaxy.frame, lon, lat, dist)
    r = jnp.maximum(jnp.hypot(x, y), R_MIN)
    axes, which = polar_axes(x, y), jnp.minimum(comp, THICK)
    own = [jnp.sum(axis * velocity, axis=0) for axis in axes]
    start = axes[0] * v_phi + axes[1] * own[1] + axes[2] * own[2]
    covariance = sum(
        axis[:, None] * axis[None] * sigma(which, r) ** 2
        for axis, sigma in ((axes[1], disc.sigma_r), (axes[2], disc.sigma_z))
    )
    discs = update(galaxy, start, covariance, measured, lon, lat, dist, noise)
    conditioned = jnp.where(comp <= THICK, discs, inner)
    any_seen = jnp.any(measured.seen > 0, axis=0)
    return _with_observables(galaxy, jnp.where(any_seen, conditioned, velocity), lon, lat, dist)


def _in_batches(
    kernel,  # noqa: ANN001 - one of the two below
    galaxy: Galaxy,
    drawn: PhaseSpace,
    comp: Int[np.ndarray, " n_star"],
    lon: Star,
    lat: Star,
    dist: Star,
    motions: Motions,
    *more: np.ndarray,
) -> PhaseSpace:
    """Run a kernel on full batches, the last filled with its first star, and complete its velocities."""
    parts = []
    n_star = len(comp)
    for start in range(0, n_star, BATCH):
        rows = np.minimum(np.arange(start, start + BATCH), n_star)
        rows = np.where(rows < n_star, rows, start)
        velocity = (drawn.velocity * RIGHT_HANDED)[:, rows]
        columns = [column[..., rows] for column in (comp, lon, lat, dist, *more)]
        result = kernel(galaxy, velocity, motions.take(rows), *columns)
        parts.append([np.asarray(part)[..., : n_star - start] for part in result])
    if not parts:
        return drawn
    velocity, pml, pmb, pmra, pmdec, v_los = (
        np.concatenate(part, axis=-1) for part in zip(*parts, strict=True)
    )
    return PhaseSpace(drawn.position, velocity * RIGHT_HANDED, pml, pmb, pmra, pmdec, v_los)


@eqx.filter_jit
def _adopt(
    galaxy: Galaxy, velocity: Array, motions: Motions, comp: Array, lon: Array, lat: Array, dist: Array
) -> tuple[Array, ...]:
    measured = along_galactic_axes(motions, lon, lat)
    both = measured.seen[:, None] * measured.seen[None]
    measured = measured._replace(covariance=measured.covariance * (1 - both))
    conditioned = _update(galaxy, velocity, measured, comp, lon, lat, dist, jnp.zeros_like(velocity))
    own = observables(galaxy.frame, lon, lat, dist, velocity)
    replaced = [
        jnp.where(s > 0, value, mine)
        for s, value, mine in zip(measured.seen, measured.value, own, strict=True)
    ]
    velocity = jnp.where(comp <= THICK, velocity_of(galaxy.frame, lon, lat, dist, *replaced), conditioned)
    return _with_observables(galaxy, velocity, lon, lat, dist)


def _with_observables(
    galaxy: Galaxy, velocity: Array, lon: Array, lat: Array, dist: Array
) -> tuple[Array, ...]:
    pml, pmb, v_los = observables(galaxy.frame, lon, lat, dist, velocity)
    return velocity, pml, pmb, *icrs_proper_motion(lon, lat, pml, pmb), v_los


def _update(
    galaxy: Galaxy,
    velocity: Float[Array, "3 n"],
    measured: Measurement,
    comp: Int[Array, " n"],
    lon: Float[Array, " n"],
    lat: Float[Array, " n"],
    dist: Float[Array, " n"],
    noise: Float[Array, "3 n"],
) -> Float[Array, "3 n"]:
    """Matheron's rule for stars of normal components; those of the discs come out as nonsense."""
    x, y, z = position(galaxy.frame, lon, lat, dist)
    _, covariances = gaussian_moments(galaxy.kinematics, x, y, z)
    covariance = covariances[0]
    for i, other in zip(GAUSSIAN[1:], covariances[1:], strict=True):
        covariance = jnp.where(comp == i, other, covariance)
    return update(galaxy, velocity, covariance, measured, lon, lat, dist, noise)


def update(
    galaxy: Galaxy,
    velocity: Float[Array, "3 n"],
    covariance: Float[Array, "3 3 n"],
    measured: Measurement,
    lon: Float[Array, " n"],
    lat: Float[Array, " n"],
    dist: Float[Array, " n"],
    noise: Float[Array, "3 n"],
) -> Float[Array, "3 n"]:
    """Matheron's rule for a velocity drawn with a covariance [km^2/s^2]; `noise` that of `measured`."""
    rows, residual = project(galaxy, lon, lat, dist[:, None], measured)
    rows, residual = rows[..., 0], residual[..., 0]
    gap = residual - jnp.einsum("ijn,jn->in", rows, velocity) - noise * measured.seen
    inverse, _ = inverse_and_ln_det(projected_covariance(rows, covariance) + measured.covariance)
    return velocity + jnp.einsum("ijn,kjn,kln,ln->in", covariance, rows, inverse, gap)
