r"""Likelihood of observed proper motions and radial velocities, by component and distance.

.. math:: K_i(D) = \int p_i(v | x(D)) \; N(o; P(D) (v - v_\odot), R) \, d^3 v

with o the observed (mu_l*, mu_b, v_los) or any part of them, P their projection (see
`galcen.galaxy.observables`) and R the covariance of the measurements. Bar, NSD, NSC and halo are normal in v
and K_i is in closed form. In the discs v_R and v_Z are normal and v_phi is skewed: the integral over
the former is in closed form, too, and leaves one over v_phi (`score_integral`).

The cut of velocities at the escape speed is left out: it would raise K of the bar at the very centre by 3
per cent, and less elsewhere.
"""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from galcen.catalogue.score_integral import ln_score_integrals
from galcen.constants import MAS_YR_PER_KM_S_PC
from galcen.galaxy.components import N_COMPONENT
from galcen.galaxy.frame import position
from galcen.galaxy.kinematics import disc
from galcen.galaxy.kinematics.disc_velocities import DiscVelocities
from galcen.galaxy.kinematics.draw import R_MIN
from galcen.galaxy.kinematics.moments import GAUSSIAN, gaussian_moments, polar_axes
from galcen.galaxy.model import Galaxy
from galcen.galaxy.observables import galactic_proper_motion, sky_axes

N_DISC = 8
LN_2PI = float(np.log(2 * np.pi))


class Motions(eqx.Module):
    """What is observed of each star's motion: pmra (times cos dec), pmdec [mas/yr], v_los [km/s].

    What is missing is NaN. A proper motion counts where both components have a positive error, a radial
    velocity where it has.
    """

    value: Float[Array, "3 n_star"]
    error: Float[Array, "3 n_star"]

    def seen(self) -> Bool[Array, "3 n_star"]:
        """What is used."""
        good = jnp.isfinite(self.value) & jnp.isfinite(self.error) & (self.error > 0)
        both = good[0] & good[1]
        return jnp.stack([both, both, good[2]])

    def take(self, rows: Int[np.ndarray, " n"]) -> "Motions":
        """Some of the stars."""
        return Motions(self.value[:, rows], self.error[:, rows])


class Measurement(NamedTuple):
    """Observed motions along the Galactic axes; where not seen 0, and 1 on the diagonal."""

    value: Float[Array, "3 n_star"]  # mu_l*, mu_b [mas/yr], v_los [km/s]
    covariance: Float[Array, "3 3 n_star"]
    seen: Float[Array, "3 n_star"]  # 1 or 0


def along_galactic_axes(
    motions: Motions, lon: Float[Array, " n_star"], lat: Float[Array, " n_star"]
) -> Measurement:
    """Motions and their covariance in (mu_l*, mu_b, v_los); angles in rad."""
    seen = motions.seen()
    value, error = (
        jnp.where(seen, part, other) for part, other in ((motions.value, 0.0), (motions.error, 1.0))
    )
    pml, pmb = galactic_proper_motion(lon, lat, value[0], value[1])
    cos, minus_sin = galactic_proper_motion(lon, lat, jnp.ones_like(lon), jnp.zeros_like(lon))
    # Its image of pmra is (cos, minus_sin), that of pmdec by a quarter turn further.
    turn = jnp.stack([jnp.stack([cos, -minus_sin]), jnp.stack([minus_sin, cos])])
    plane = jnp.einsum("ij...,kj...,j...->ik...", turn, turn, error[:2] ** 2)
    zero = 0 * lon
    covariance = jnp.stack(
        [
            jnp.stack([plane[0, 0], plane[0, 1], zero]),
            jnp.stack([plane[1, 0], plane[1, 1], zero]),
            jnp.stack([zero, zero, error[2] ** 2]),
        ]
    )
    return Measurement(jnp.stack([pml, pmb, value[2]]), covariance, seen.astype(float))


class Projected(NamedTuple):
    """Rows of P, and the observed values less those of an object at rest; 0 where not seen."""

    rows: Float[Array, "3 3 n_star n_dist"]
    residual: Float[Array, "3 n_star n_dist"]


def project(
    galaxy: Galaxy,
    lon: Float[Array, " n_star"],
    lat: Float[Array, " n_star"],
    dist: Float[Array, "n_star n_dist"],
    measured: Measurement,
) -> Projected:
    """The observables as linear functions of the Galactocentric velocity, at each distance [pc]."""
    scale = MAS_YR_PER_KM_S_PC / dist
    per_row = jnp.stack([scale, scale, jnp.ones_like(scale)]) * measured.seen[:, :, None]
    rows = sky_axes(lon, lat)[:, :, :, None] * per_row[:, None]
    u, v, w = galaxy.frame.sun_velocity
    sun = jnp.array([-u, v, w])
    return Projected(rows, measured.value[:, :, None] + _times(rows, sun))


def ln_kinematic(
    galaxy: Galaxy,
    table: DiscVelocities,
    motions: Motions,
    lon: Float[Array, " n_star"],
    lat: Float[Array, " n_star"],
    dist: Float[Array, "n_star n_dist"],
) -> Float[np.ndarray, "12 n_star n_dist"]:
    """Ln K_i(D) of each component, in 1 / (mas/yr) and 1 / (km/s); 0 for a star without motions.

    Parameters
    ----------
    galaxy
        The model.
    table
        Quantiles of its discs' velocities.
    motions
        Observed motions.
    lon, lat
        Galactic coordinates [rad].
    dist
        Distances [pc].
    """
    out = np.empty((N_COMPONENT, *dist.shape))
    out[:N_DISC] = ln_discs(galaxy, table, motions, lon, lat, dist)
    out[list(GAUSSIAN)] = _inner(galaxy, motions, lon, lat, dist)
    return out


def ln_discs(
    galaxy: Galaxy,
    table: DiscVelocities,
    motions: Motions,
    lon: Float[Array, " n_star"],
    lat: Float[Array, " n_star"],
    dist: Float[Array, "n_star n_dist"],
) -> Float[np.ndarray, "8 n_star n_dist"]:
    """Ln K_i(D) of the discs."""
    r, z, alpha, beta, rest = map(np.asarray, disc_terms(galaxy, motions, lon, lat, dist))
    integral = np.empty(alpha.shape)
    ln_score_integrals(table, r, z, alpha, beta, integral)
    return integral + rest


@eqx.filter_jit
def _inner(galaxy: Galaxy, motions: Motions, lon: Array, lat: Array, dist: Array) -> Array:
    """Ln K of the components of `GAUSSIAN`."""
    measured = along_galactic_axes(motions, lon, lat)
    rows, residual = project(galaxy, lon, lat, dist, measured)
    x, y, z = position(galaxy.frame, lon[:, None], lat[:, None], dist)
    means, covariances = gaussian_moments(galaxy.kinematics, x, y, z)
    return jnp.stack(
        [
            ln_normal(
                residual - _times(rows, mean),
                projected_covariance(rows, covariance) + measured.covariance[:, :, :, None],
                measured.seen,
            )
            for mean, covariance in zip(means, covariances, strict=True)
        ]
    )


@eqx.filter_jit
def disc_terms(galaxy: Galaxy, motions: Motions, lon: Array, lat: Array, dist: Array) -> tuple[Array, ...]:
    """R, Z; the exponent's terms in v_phi^2 and v_phi; and ln of what does not depend on v_phi."""
    measured = along_galactic_axes(motions, lon, lat)
    rows, residual = project(galaxy, lon, lat, dist, measured)
    x, y, z = position(galaxy.frame, lon[:, None], lat[:, None], dist)
    r = jnp.maximum(jnp.hypot(x, y), R_MIN)
    along_phi, along_r, along_z = (_times(rows, axis) for axis in polar_axes(x, y))
    alpha, beta, rest = [], [], []
    for i in range(N_DISC):
        covariance = (
            measured.covariance[:, :, :, None]
            + along_r[:, None] * along_r[None] * disc.sigma_r(i, r) ** 2
            + along_z[:, None] * along_z[None] * disc.sigma_z(i, r) ** 2
        )
        inverse, ln_det = inverse_and_ln_det(covariance)
        weighted = _times(inverse, along_phi)
        alpha.append(jnp.sum(along_phi * weighted, axis=0))
        beta.append(jnp.sum(residual * weighted, axis=0))
        square = jnp.sum(residual * _times(inverse, residual), axis=0)
        rest.append(-0.5 * (square + ln_det + LN_2PI * jnp.sum(measured.seen, axis=0)[:, None]))
    return r, z, jnp.stack(alpha), jnp.stack(beta), jnp.stack(rest)


def ln_normal(
    residual: Float[Array, "3 n_star n_dist"],
    covariance: Float[Array, "3 3 n_star n_dist"],
    seen: Float[Array, "3 n_star"],
) -> Float[Array, "n_star n_dist"]:
    """Ln of the normal density of what is seen."""
    inverse, ln_det = inverse_and_ln_det(covariance)
    square = jnp.sum(residual * _times(inverse, residual), axis=0)
    return -0.5 * (square + ln_det + LN_2PI * jnp.sum(seen, axis=0)[:, None])


def projected_covariance(
    rows: Float[Array, "3 3 ..."], covariance: Float[Array, "3 3 ..."]
) -> Float[Array, "3 3 ..."]:
    """P C P^T."""
    return sum(rows[:, None, j] * rows[None, :, k] * covariance[j, k] for j in range(3) for k in range(3))


def _times(matrix: Float[Array, "3 3 ..."], vector: Float[Array, "3 ..."]) -> Float[Array, "3 ..."]:
    """Product written out: a general one of matrices this small takes several times as long."""
    return matrix[:, 0] * vector[0] + matrix[:, 1] * vector[1] + matrix[:, 2] * vector[2]


def inverse_and_ln_det(
    matrix: Float[Array, "3 3 ..."],
) -> tuple[Float[Array, "3 3 ..."], Float[Array, "..."]]:
    """Inverse and ln of the determinant of symmetric positive matrices, by cofactors."""
    a, b, c = matrix[0]
    d, e, f = matrix[1, 1], matrix[1, 2], matrix[2, 2]
    minors = (d * f - e * e, c * e - b * f, b * e - c * d, a * f - c * c, b * c - a * e, a * d - b * b)
    det = a * minors[0] + b * minors[1] + c * minors[2]
    p, q, s, t, u, w = (minor / det for minor in minors)
    return jnp.stack([jnp.stack([p, q, s]), jnp.stack([q, t, u]), jnp.stack([s, u, w])]), jnp.log(det)
